"""Short flags: what is a text goes in as it was typed, numbers stay numbers."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.cli.spec_arguments import add_spec_arguments, resolve_spec
from engine.errors import TailfinError
from engine.spec import Spec


def _spec(*words: str) -> Spec:
    parser = argparse.ArgumentParser()
    add_spec_arguments(parser)
    return resolve_spec(parser.parse_args(list(words))).spec


@pytest.mark.parametrize("text", ["123", "1e5", "2024-11-23", "true", "[a]", "nan", 'a"b', "'x'"])
def test_a_text_flag_takes_what_was_typed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = _spec(f"--model={text}", f"--data={text}", "--name=2024-11-23")
    assert (spec.model.path, spec.name) == (text, "2024-11-23")
    assert spec.data.path == str(tmp_path.resolve() / text)


@given(st.text(min_size=1, max_size=40))
def test_any_name_goes_through(name: str) -> None:
    try:
        assert _spec("--model=m", "--data=d", f"--name={name}").name == name
    except TailfinError as error:
        # refused for what it is, never for how it was passed on
        assert "got " + repr(name) in str(error)


def test_number_flags_stay_numbers() -> None:
    spec = _spec("--model=m", "--data=d", "--epochs=1.5", "--max-length=64", "--method=qlora")
    assert (spec.train.epochs, spec.data.max_length, spec.train.method) == (1.5, 64, "qlora")
    with pytest.raises(TailfinError, match=r"train\.epochs"):
        _spec("--model=m", "--data=d", "--epochs=many")
