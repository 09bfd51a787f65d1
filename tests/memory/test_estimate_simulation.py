"""The closed estimate against the simulation, over settings that nobody chose by hand."""

from __future__ import annotations

import pytest

from tests.benchmarks.bench_estimate_simulation import AIM, compare, make_case

# Settings of seed 0; together they have every family, method and kernel.
FEW = tuple(range(16))
# Beyond the aim and not repaired yet, with what the formulas say too little.
MISSES = {
    64: "4.2 %: 8-bit base with recomputation",
    91: "3.3 %: DoRA on packed rows",
}


def _numbers() -> list[object]:
    return [
        pytest.param(number, marks=pytest.mark.xfail(reason=MISSES[number]))
        if number in MISSES
        else number
        for number in range(16, 200)
    ]


def _check(number: int) -> None:
    outcome = compare(make_case(number))
    if outcome.fault:
        pytest.skip(outcome.fault)
    assert abs(outcome.error) <= AIM, f"{outcome.error:+.2%} {outcome.case.says}"


@pytest.mark.parametrize("number", FEW)
def test_the_formulas_say_what_the_models_own_code_does(number: int) -> None:
    _check(number)


@pytest.mark.slow
@pytest.mark.parametrize("number", _numbers())
def test_they_do_over_many_settings(number: int) -> None:
    _check(number)


def test_a_setting_is_the_same_in_every_run() -> None:
    assert make_case(7) == make_case(7)
    assert make_case(7) != make_case(7, seed=1)
    families = {make_case(number).config["model_type"] for number in FEW}
    assert len(families) >= 7
