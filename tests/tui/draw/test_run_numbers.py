"""The numbers: which ones, in how much room, and what is said where one is missing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from engine.runs.events import Body, Evaluated, Step
from engine.runs.status import Status, fold_all
from tests.runs.script import started
from tests.tui.scenes import PLAN, SCENES, begun, make_step, scene, training
from tui.draw.fact import Fact, joined
from tui.draw.history import History
from tui.draw.line import line, width_of
from tui.draw.run_numbers import held_out_lines, plan_facts, run_facts


def _facts(status: Status, width: int = 60, *, is_short: bool = False) -> dict[str, str]:
    history = History()
    history.update(status)
    found = {}
    for fact in run_facts(status, history.trend(), is_short=is_short):
        text = "".join(text for text, _ in fact.drawn(width, 9))
        found[fact.label] = text[9:].strip()
    return found


def _of(*bodies: Body, width: int = 60) -> dict[str, str]:
    return _facts(fold_all(begun(*bodies).events), width)


def test_a_running_training() -> None:
    assert _of(*training(312)) == {
        "loss": "0.6340  -0.0484 in 31 steps  raw 0.6363",
        "held out": "0.7948  gap +0.1607  best 0.7850 at 250",
        "grad": "0.521  median 0.749  max 1.100",
        "lr": "7.09e-05  falling",
        "tok/s": "4,031  -1% since the start  2,555,904 so far",
        "accuracy": "82.4% of tokens  entropy 0.602",
        "memory": "18.31 GiB peak  19.62 reserved",
        "saved": "step 300 (eval)  6 kept",
    }


def test_in_less_room_the_same_is_said_shorter() -> None:
    found = _of(*training(312), width=47)
    assert found["loss"] == "0.6340 -0.0484  raw 0.6363"
    assert found["held out"] == "0.7948  gap +0.161  best at 250"


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("width", [20, 28, 37, 40, 62])
def test_every_state_fits_every_width(name: str, width: int) -> None:
    status = fold_all([]) if name == "silent" else scene(name).shown.status  # type: ignore[union-attr]
    history = History()
    history.update(status)
    for is_short in (False, True):
        for fact in run_facts(status, history.trend(), is_short=is_short):
            assert width_of(fact.drawn(width, 9)) <= width


def test_a_loss_that_is_no_number_is_said_in_words() -> None:
    steps = [make_step(n) for n in range(1, 30)]
    for value, word in ((math.nan, "NaN"), (math.inf, "infinite")):
        found = _of(*steps, make_step(30, loss=value))
        assert found["loss"].startswith(f"{word}, not a number to train on  before ")
    assert _of(make_step(1, loss=math.nan))["loss"] == "NaN, not a number to train on"
    bad = replace(make_step(31), grad_norm=math.nan)
    assert _of(*steps, bad)["grad"].startswith("NaN  median")
    assert _of(*steps, Evaluated(29, math.nan))["held out"].startswith("NaN")


def test_what_is_not_known_is_not_made_up() -> None:
    bare = Step(1, 0.1, 2.0, 0.5, 1e-4, 100, 50.0, 1.0)
    found = _of(bare)
    assert found["accuracy"] == "not measured"
    assert found["memory"] == "0.00 GiB of RAM"
    assert found["held out"] == "not evaluated yet"
    assert found["saved"] == "no checkpoint yet"
    assert found["tok/s"] == "50  100 so far"
    none = fold_all(begun(bare).events)
    none = replace(none, plan=replace(PLAN, num_eval_rows=0))
    assert _facts(none)["held out"] == "no rows are held out"


def test_before_the_first_step_the_plan_stands_there() -> None:
    assert _facts(fold_all([])) == {}
    assert list(_of()) == ["rows", "batch", "trains", "device"]
    before = _of(Evaluated(0, 2.5))
    assert before["held out"] == "2.5000  before training" and before["loss"] == "no step yet"


def test_a_speed_that_fell_is_a_warning() -> None:
    slow = [
        replace(make_step(n), tokens_per_s=4000.0 if n < 100 else 2000.0) for n in range(1, 150)
    ]
    status = fold_all(begun(*slow).events)
    history = History()
    history.update(status)
    [speed] = [f for f in run_facts(status, history.trend()) if f.label == "tok/s"]
    assert ("-50% since the start", "warn") in speed.drawn(60, 9)


def test_the_speed_of_a_resumed_run_is_compared_with_its_own_start() -> None:
    old = [replace(make_step(n), tokens_per_s=9000.0) for n in range(1, 101)]
    new = [replace(make_step(n), tokens_per_s=4000.0) for n in range(101, 131)]
    status = fold_all(begun(*old).add(started(2, 100), *new).events)
    assert _facts(status)["tok/s"].startswith("4,000  as at the start")


def test_little_height_leaves_the_four_that_matter() -> None:
    found = _facts(fold_all(begun(*training(80)).events), is_short=True)
    assert list(found) == ["loss", "held out", "tok/s", "memory"]


def test_the_evaluations_come_newest_first_as_far_as_there_is_room() -> None:
    status = fold_all(begun(Evaluated(0, 3.0), *training(200)).events)
    text = ["".join(text for text, _ in drawn) for drawn in held_out_lines(status, 4)]
    assert len(text) == 4 and text[1].startswith("step 200") and text[1].endswith("best")
    assert "".join(t for t, _ in held_out_lines(status, 20)[-1]).startswith("before ")
    assert held_out_lines(status, 1) == []
    assert held_out_lines(fold_all([]), 10) == []
    assert plan_facts(None) == []


def test_parts_that_do_not_fit_are_left_out_from_the_end() -> None:
    parts = [line("first"), line("second"), line("third")]
    assert [width_of(joined(parts, width)) for width in (20, 19, 12, 3)] == [20, 13, 5, 3]
    fact = Fact("label", tuple(parts), (line("1st"),))
    assert fact.drawn(30, 8) == (("label   ", "dim"), ("first  second  third", ""))
    assert fact.drawn(20, 8) == (("label   ", "dim"), ("1st", ""))
