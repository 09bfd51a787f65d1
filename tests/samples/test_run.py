"""The recorded run: real, finished, without the box it was made on, and replayed as it was."""

from __future__ import annotations

import json
from pathlib import Path

from engine.bundled import bundled
from engine.runs.reader import Reader
from engine.runs.state import observe
from engine.runs.status import fold_all
from engine.runs.store import RunFolder
from engine.settings import load_spec
from tests.process import tailfin

RUN = RunFolder(bundled("samples") / "run")


def test_it_is_a_whole_finished_run_that_learned() -> None:
    reader = Reader(RUN.events)
    status = fold_all(reader.read())
    assert reader.skipped == 0
    assert observe(RUN).state == "finished"
    assert status.plan is not None and status.plan.max_steps == status.step == len(status.steps)
    assert status.best is not None and status.best.loss < status.evals[0].loss / 10


def test_it_was_made_with_the_demo_s_settings() -> None:
    demo = load_spec(bundled("samples") / "demo.toml").spec
    recorded = load_spec(RUN.spec).spec
    assert recorded.train == demo.train and recorded.eval == demo.eval


def test_nothing_of_the_box_is_in_it() -> None:
    text = RUN.events.read_text("utf-8") + RUN.spec.read_text("utf-8")
    assert '"/' not in text and "site-packages" not in text
    started = json.loads(text.splitlines()[0])
    assert (started["host"], started["boot_id"], started["pid"]) == ("demo-box", "", 0)


def test_replay_shows_every_event(tmp_path: Path) -> None:
    shown = tailfin("replay", "--speed", "0", cwd=tmp_path)
    assert shown.returncode == 0 and "FINISHED" in shown.stdout
    as_json = tailfin("replay", "--speed", "0", "--json", cwd=tmp_path)
    assert as_json.stdout == RUN.events.read_text("utf-8")
