"""`tailfin why` and `tailfin resume`: what they print of an ending, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.runs.events import Exited, Failed, Notice, Stopped
from engine.runs.store import RunFolder
from tests.runs.ended_run import a_plan, end_with, make_folder, write_spec
from tests.runs.script import step

_VIRTUAL = (
    "CUDA out of memory. Tried to allocate 2.94 MiB. GPU 0 has a total capacity of 64.00 MiB of "
    "which 2.80 MiB is free (virtual VRAM)."
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    folder = make_folder(tmp_path / "runs")
    write_spec(folder)
    return folder


def test_every_fact_stands_in_the_text(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    warning = Notice("n", "warn", "Rows were cut.", "Set data.max_length=256.")
    failed = Failed("oom", "backward", f"Memory ran out: {_VIRTUAL}", "h", 11, exit_code=3)
    end_with(run, a_plan(), warning, failed)
    assert main(["why", "last"]) == 3
    said = capsys.readouterr().out
    assert said.startswith("OOM: Out of virtual GPU memory in the backward pass at step 12\n")
    for part in (
        "Memory: asked for 2.9 MiB, in tensors 61.2 MiB, limit 64.0 MiB\n",
        "WARN: Rows were cut. Set data.max_length=256.\n",
        "kept: No whole checkpoint",
        "MiB by the estimate)",
        f"      tailfin resume {run.id}\n",
    ):
        assert part in said
    assert said.index("  do: Resume with micro-batch 4") < said.index("  or: ")


def test_as_json_it_is_whole(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    end_with(run, a_plan(), step(4), Exited(-9, "SIGKILL", 2, "The kernel killed the worker."))
    assert main(["why", "last", "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    data = answer["data"]
    assert answer["ok"] is False and (data["kind"], data["state"]) == ("killed", "crashed")
    assert data["memory"] is None and data["error"] == "" and data["step"] == 4
    assert "oom_kill count: 2" in data["evidence"]
    assert data["actions"][0]["resumes"] and isinstance(data["actions"][0]["changes"], dict)
    assert {"title", "message", "kept", "last_checkpoint_step", "trace"} <= data.keys()


@pytest.mark.parametrize(("error", "code"), [("gpu", 1), ("disk", 1), ("input", 2)])
def test_the_exit_code_is_the_runs_own(run: RunFolder, error: str, code: int) -> None:
    end_with(run, Failed(error, "load", "m", "h", exit_code=code))
    assert main(["why", "last"]) == code
    end_with(run, Stopped(step=1, reason="r"))
    assert main(["why", "last"]) == 0


def test_a_resume_that_cannot_be_starts_nothing(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    end_with(run, Stopped(step=1, reason="r"))
    assert main(["resume", "last", "--set", "train.rank=4"]) == 2
    assert "cannot change in the middle" in capsys.readouterr().err
    assert main(["resume", "last", "--set", "data.path=gone.jsonl", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert not run.supervisor_log.exists()
