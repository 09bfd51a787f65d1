"""Failure screens: never a traceback as the only answer, and the way on under a key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from engine.runs.events import Exited, Failed, Step
from engine.runs.store import RunFolder
from tests.runs.ended_run import a_plan, add_checkpoint, end_with, write_spec, write_trace
from tests.runs.script import step
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tui.app import TailfinApp
from tui.screens.resume import ResumeScreen

_OOM = (
    "Memory ran out during backward, after step 3: CUDA out of memory. Tried to allocate 1.16 GiB. "
    "GPU 0 has a total capacity of 22.03 GiB of which 812.06 MiB is free. Of the allocated memory "
    "20.02 GiB is allocated by PyTorch, and 701.21 MiB is reserved by PyTorch but unallocated."
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    made = RunFolder(tmp_path / "runs" / "20260101-000000-ended")
    write_spec(made)
    return made


def _steps() -> list[Step]:
    return [step(number, 6.0 / number) for number in range(1, 4)]


def _flat(app: TailfinApp) -> str:
    return " ".join(screen_text(app).split())


def test_out_of_memory_shows_prediction_beside_reality_and_halves_on_a_key(run: RunFolder) -> None:
    failed = Failed("oom", "backward", _OOM, "Resume.", step=3, exit_code=3)
    end_with(run, a_plan(device="NVIDIA L4"), *_steps(), failed)

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.open_failure(run)
        await until(app, pilot, "Out of GPU memory in the backward pass")
        text = _flat(app)
        assert "predicted" in text and "really" in text
        assert "allocated 20.0" in text and "requested 1.2" in text and "limit 22.0" in text
        assert "weights" in text
        assert "h halve" in screen_lines(app)[-1]
        await pilot.press("h")
        await until(app, pilot, lambda: isinstance(app.screen, ResumeScreen))
        await until(app, pilot, "train.micro_batch becomes 4")
        assert "train.accumulation becomes 8" in screen_text(app)
        await pilot.press("escape")
        await until(app, pilot, "Out of GPU memory")

    drive(act, runs=run.path.parent, size=(100, 40))


def test_a_killed_worker_is_told_with_the_supervisors_reason_and_the_logs_end(
    run: RunFolder,
) -> None:
    run.worker_log.write_text("step 2\nstep 3 [red]loss[/red] 0.5\x1b[2J\n", encoding="utf-8")
    end_with(run, a_plan(), *_steps(), Exited(-9, "SIGKILL", 1, "The kernel killed the worker."))

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.open_failure(run)
        await until(app, pilot, "killed by the kernel")
        text = _flat(app)
        assert "The kernel killed the worker." in text and "oom_kill count: 1" in text
        assert "step 3 [red]loss[/red] 0.5\\x1b[2J" in text
        await pilot.press("l")
        await until(app, pilot, "worker.log")
        await pilot.press("escape")

    drive(act, runs=run.path.parent, size=(100, 40))


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (Failed("disk", "save", "The disk is full; save could not write.", "Free space."), "disk"),
        (
            Failed("gpu", "forward", "RuntimeError: CUDA error: unspecified launch failure", "x"),
            "GPU",
        ),
        (Failed("input", "load", "The model folder is incomplete.", "Copy it."), "incomplete"),
    ],
)
def test_every_ending_names_what_happened_and_a_way_on(
    run: RunFolder, failed: Failed, said: str
) -> None:
    end_with(run, a_plan(), *_steps(), failed)
    add_checkpoint(run, 3)

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.open_failure(run)
        await until(app, pilot, "$ ")
        text = _flat(app)
        assert said in text and "Traceback" not in text
        assert "$ " in text  # the command of the first way on
        assert "Step 3 is kept whole" in text, screen_text(app)

    drive(act, runs=run.path.parent)


def test_a_crash_keeps_its_traceback_in_a_file(run: RunFolder) -> None:
    trace = write_trace(run, "Traceback (most recent call last):\n  ...\nKeyError: 'x'\n")
    failed = Failed("crash", "train", "KeyError during train: 'x'", "Read it.", 3, trace)
    end_with(run, a_plan(), *_steps(), failed)

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.open_failure(run)
        await until(app, pilot, "KeyError")
        assert trace.rpartition("/")[2] in "".join(screen_text(app).split()), screen_text(app)

    drive(act, runs=run.path.parent, size=(120, 40))


def test_a_command_that_tailfin_does_not_run_itself_is_copied(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    end_with(run, a_plan(), *_steps(), Failed("disk", "save", "The disk is full.", "Free space."))

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.open_failure(run)
        await until(app, pilot, "$ ")
        await pilot.press("down", "c")
        copied = tmp_path / "cache" / "tailfin" / "copied.txt"
        await until(app, pilot, copied.is_file)
        assert copied.read_text().strip()

    drive(act, runs=run.path.parent)
