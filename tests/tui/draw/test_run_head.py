"""State and stage in words: every state, every width, never more than is known."""

from __future__ import annotations

import pytest

from engine.runs.events import Progress, Stage
from engine.runs.state import Observed
from engine.runs.status import fold_all
from tests.runs.script import started
from tests.tui.scenes import PLAN, SCENES, begun, last_time, make_step, observed, scene, training
from tui.draw.line import Line, width_of
from tui.draw.run_head import WORDS, path_lines, stage_lines, status_line


def _text(*lines: Line) -> str:
    return "\n".join("".join(text for text, _ in drawn) for drawn in lines)


def _seen(name: str) -> Observed:
    shown = scene(name).shown
    assert isinstance(shown, Observed)
    return shown


def _status(name: str, width: int = 78, after_s: float = 0.4) -> str:
    seen = _seen(name)
    return _text(status_line(seen, last_time(seen) + after_s, width))


def _stage(name: str, width: int = 78, after_s: float = 0.4) -> str:
    seen = _seen(name)
    return _text(*stage_lines(seen, last_time(seen) + after_s, width, ascii_only=True))


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("width", [20, 58, 78, 118, 198])
def test_every_state_fits_every_width(name: str, width: int) -> None:
    seen = _seen(name)
    now = last_time(seen) + 3
    lines = [status_line(seen, now, width)]
    lines += stage_lines(seen, now, width, ascii_only=False)
    assert all(width_of(drawn) <= width for drawn in lines)
    assert _text(lines[0]).startswith(WORDS[seen.state][0][:width])


def test_a_running_training_says_where_it_is_and_how_long_it_takes() -> None:
    text = _status("running")
    assert text == "RUNNING  step 312/1,000  31%  left 26:00  elapsed 5:29  epoch 0.94/3"
    assert _stage("running").startswith("train  ######") and "2.0 s a step" in _stage("running")


def test_what_matters_less_is_left_out_first() -> None:
    assert _status("running", 58) == "RUNNING  step 312/1,000  31%  left 26:00  elapsed 5:29"
    assert _status("running", 36) == "RUNNING  step 312/1,000  31%"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("silent", "start  waiting for the worker's first word"),
        ("importing", "import  torch and transformers, some ten seconds"),
        ("downloading", "35%  1.2 GiB of 3.4 GiB  40.1 MiB/s  left 0:56"),
        ("loading", "61%  2.1 GiB of 3.4 GiB  858 MiB/s  left 0:02"),
        ("tokenising", "24%  12,000 of 50,000 rows  4,100/s  left 0:10"),
        ("before", "12%  3 of 25 batches  1.4/s  left 0:16"),
        ("evaluating", "24%  12 of 50 batches  3.1/s  left 0:13"),
        ("saving", "save  what was learned"),
        ("finished", "Trained 1000 steps. Lowest held-out loss 0.5700; delivered step 300."),
        ("crashed", "The kernel killed the worker for want of memory (signal 9)."),
        ("elsewhere", "It ran on box; its last word came just now."),
    ],
)
def test_each_stage_has_its_numbers(name: str, wanted: str) -> None:
    assert wanted in _stage(name)


def test_a_stage_without_progress_says_how_long_it_takes_so_far() -> None:
    assert _stage("importing", after_s=1).endswith("some ten seconds")
    assert _stage("importing", after_s=75).endswith("for 1:15")


def test_a_long_ending_takes_two_lines_and_is_cut_with_dots() -> None:
    assert len(_stage("out-of-memory").splitlines()) == 2
    assert _stage("out-of-memory").endswith("enough.")
    cut = _stage("out-of-memory", 30).splitlines()
    assert len(cut) == 2 and cut[1].endswith("..")


def test_it_is_never_done_before_the_end() -> None:
    almost = observed(begun(*[make_step(n) for n in (998, 999)]), "running")
    assert "99%" in _text(status_line(almost, last_time(almost), 78))
    assert "100%" in _status("saving") and "left" not in _status("saving")


def test_time_stands_still_once_it_has_ended() -> None:
    assert _status("finished", after_s=0) == _status("finished", after_s=10_000)
    assert _status("running", after_s=0) != _status("running", after_s=10_000)


def test_a_later_attempt_says_from_where() -> None:
    text = _status("resumed", 118)
    assert text.endswith("attempt 2 from step 250")
    assert "elapsed 0:24" in text


def test_a_run_that_stops_says_so_until_it_has() -> None:
    seen = _seen("running")
    assert _text(status_line(seen, last_time(seen), 78, is_stopping=True)).startswith("STOPPING")
    ended = _seen("stopped")
    assert _text(status_line(ended, last_time(ended), 78, is_stopping=True)).startswith("STOPPED")


def test_what_the_evaluation_left_is_not_taken_for_progress_of_the_training() -> None:
    script = begun(*training(50), Progress("eval", 50, 50, "batches"))
    drawn = stage_lines(observed(script, "running"), 0, 78, ascii_only=True)
    assert _text(*drawn).startswith("train  ")


def test_the_way_to_the_first_step_is_shown() -> None:
    words = [line.split() for line in _text(*path_lines(_seen("downloading"))).splitlines()]
    assert words == [
        ["import", "done"],
        ["download", "now"],
        ["load", "to", "come"],
        ["tokenise", "to", "come"],
        ["rehearse", "to", "come"],
        ["train", "to", "come"],
    ]
    assert "download" not in _text(*path_lines(_seen("loading")))
    failed = Observed("failed", "no", fold_all([]), 0)
    assert _text(*path_lines(failed)) == "No step was made."


def test_a_resumed_run_that_has_not_stepped_yet_knows_no_time_left() -> None:
    script = begun(*training(260)).add(started(attempt=2, from_step=250), PLAN, Stage("train"))
    text = _text(status_line(observed(script, "running"), 0, 118))
    assert "step 250/1,000" in text and "left" not in text
