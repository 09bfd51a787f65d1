"""The price of an hour: entered once, kept, and never guessed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cost.price import (
    ENVIRONMENT,
    Price,
    forget_price,
    parse_price,
    price_file,
    read_price,
    save_price,
)
from engine.errors import TailfinError
from tests.process import answer, tailfin


@given(st.floats(0.001, 9999), st.sampled_from(["$", "EUR", "元"]))
def test_what_is_kept_is_read(
    tmp_path_factory: pytest.TempPathFactory, per_hour: float, currency: str
) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path_factory.mktemp("home"))}
    assert read_price(env) is None
    save_price(Price(per_hour, currency), env)
    assert read_price(env) == Price(per_hour, currency)
    assert forget_price(env) and not forget_price(env) and read_price(env) is None


@pytest.mark.parametrize(
    ("typed", "amount"), [("1.89", 1.89), ("$1.89", 1.89), (" 0,79 ", 0.79), ("2", 2.0)]
)
def test_prices_as_they_are_typed(typed: str, amount: float) -> None:
    assert parse_price(typed).per_hour == amount


@pytest.mark.parametrize("typed", ["", "0", "-1", "nan", "inf", "cheap", "1.2.3", "1e9"])
def test_no_price(typed: str) -> None:
    with pytest.raises(TailfinError, match="price per hour"):
        parse_price(typed)


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"per_hour": -1, "currency": "$"}', "\xff"])
def test_a_damaged_file_is_no_price(tmp_path: Path, kept: str) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path)}
    price_file(env).parent.mkdir(parents=True)
    price_file(env).write_text(kept, encoding="latin-1")
    assert read_price(env) is None


def test_the_variable_wins_and_is_checked(tmp_path: Path) -> None:
    env = {"XDG_CONFIG_HOME": str(tmp_path), ENVIRONMENT: "0.5"}
    save_price(Price(9.0), env)
    assert read_price(env) == Price(0.5)
    with pytest.raises(TailfinError, match="'much'"):
        read_price(env | {ENVIRONMENT: "much"})


def test_amounts_in_words_and_signs() -> None:
    assert Price(3.6).say(3600) == "$3.60" and Price(3.6, "yuan").say(1800) == "1.80 yuan"
    assert Price(1.0).cost(-5) == 0


def test_the_command(tmp_path: Path) -> None:
    assert "No price was entered" in tailfin("price", cwd=tmp_path).stdout
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    entered = tailfin("price", "1.89", "--currency", "EUR", cwd=tmp_path, env=env)
    assert entered.returncode == 0 and "1.89 EUR" in entered.stdout
    told = answer(tailfin("price", "--json", cwd=tmp_path, env=env))["data"]
    assert told["per_hour"] == 1.89 and told["currency"] == "EUR"
    assert tailfin("price", "--clear", cwd=tmp_path, env=env).returncode == 0
    assert answer(tailfin("price", "--json", cwd=tmp_path, env=env))["data"]["per_hour"] is None
    wrong = tailfin("price", "much", cwd=tmp_path, env=env)
    assert wrong.returncode == 2 and "tailfin price 1.89" in wrong.stderr
    nowhere = tailfin("price", "1", cwd=tmp_path, env={"XDG_CONFIG_HOME": "/proc/nothing"})
    assert nowhere.returncode == 2 and "export TAILFIN_PRICE_PER_HOUR=1" in nowhere.stderr
