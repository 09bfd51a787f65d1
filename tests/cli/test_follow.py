"""Following a run: whole histories, honest times, and text that cannot harm a terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.cli.follow import Printer, ending, follow
from engine.runs import reader
from engine.runs.events import Body, Failed, Finished, Notice, Plan, Stage
from engine.runs.state import observe
from engine.runs.store import RunFolder
from tests.runs.script import Script, started, step

_PLAN = Plan(
    max_steps=200,
    num_rows=1,
    num_eval_rows=0,
    max_length=64,
    cut_share=0.0,
    epochs=1.0,
    micro_batch=1,
    accumulation=1,
    total_params=2,
    trained_params=1,
)
# sets the window's title, clears the screen, half a surrogate pair, and Chinese that must stay
_HOSTILE = "\x1b]0;owned\x07\x1b[2J \ud83d \u4f60\u597d"


def _printed(capsys: pytest.CaptureFixture[str], *bodies: Body) -> str:
    printer = Printer()
    for event in Script().add(*bodies).events:
        printer.show(event)
    printer.end_line()
    return capsys.readouterr().out


def _is_harmless(text: str) -> bool:
    text.encode("utf-8")
    return all(c.isprintable() or c == "\n" for c in text) and "\u4f60\u597d" in text


@pytest.mark.parametrize("as_json", [False, True])
def test_a_history_of_any_length_is_printed_to_its_end(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    as_json: bool,
) -> None:
    run, whole = RunFolder(tmp_path), reader.Reader.read
    log = Script().add(started(), *[Notice("n", "info", f"m{n}") for n in range(30)])
    log.add(Finished(step=1, result="adapter")).write(run.events)
    monkeypatch.setattr(reader.Reader, "read", lambda self: whole(self, max_records=7))
    assert follow(run, as_json=as_json) == 0
    said = capsys.readouterr().out
    assert [n for n in range(30) if f"m{n}" not in said] == []
    if as_json:
        assert [json.loads(line)["seq"] for line in said.splitlines()] == list(range(32))


def test_the_time_left_after_a_resume_counts_this_attempts_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 50 steps in 100 s since the resume at 100: the 50 that are left take 100 s more
    now = replace(step(150), elapsed_s=100.0)
    assert "left 1:40" in _printed(capsys, started(attempt=2, from_step=100), _PLAN, now)
    first = replace(step(50), elapsed_s=100.0)
    assert "left 5:00" in _printed(capsys, started(), _PLAN, first)


@pytest.mark.parametrize(
    "body",
    [
        Notice(id="n", severity="warn", message=_HOSTILE, fix=_HOSTILE),
        Stage(name="load", detail=_HOSTILE),
        started(host=_HOSTILE),
    ],
)
def test_a_log_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str], body: Body) -> None:
    assert _is_harmless(_printed(capsys, body))


def test_an_ending_cannot_drive_the_terminal(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    # json may carry half a pair that no encoder would write
    text = json.dumps(_HOSTILE)
    failed = Failed(error="crash", phase="load", message="MARK", hint="MARK")
    Script().add(started(), failed).write(run.events)
    run.events.write_text(run.events.read_text("utf-8").replace('"MARK"', text), "utf-8")
    said = ending(run, observe(run))
    assert _is_harmless(said) and len(said.splitlines()) == 2
    run.worker_log.write_text("\x1b[31m\u4f60\u597d\x07", "utf-8")
    Script().add(started()).write(run.events)
    assert _is_harmless(ending(run, observe(run)))
