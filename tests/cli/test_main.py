"""Every fault of a command line is one message, as JSON where that was asked for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.process import COMMAND, answer, environment, tailfin


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--bogus"],
        ["export"],
        ["act", "last", "nonsense"],
        ["nope"],
        ["train", "--model", "", "--data", "d"],
        ["train", "--model", "m", "--data", "d", "--set", "train.rank=true"],
    ],
)
def test_wrong_usage_is_one_json_object(tmp_path: Path, words: list[str]) -> None:
    done = tailfin(*words, "--json", cwd=tmp_path)
    assert done.returncode == 2
    [finding] = answer(done)["findings"]
    assert finding["severity"] == "fail" and finding["fix"]
    plain = tailfin(*words, cwd=tmp_path)
    assert plain.returncode == 2 and "Traceback" not in plain.stderr and "do: " in plain.stderr


def test_a_full_output_is_one_message(tmp_path: Path) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "profiles"],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "No space left" in done.stderr


def test_a_reader_that_left_is_no_fault(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "profiles", "show", "lora"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.returncode == 0 and done.stderr == ""


def test_a_terminal_that_is_not_utf8_gets_escapes(tmp_path: Path) -> None:
    words = ["train", "--model", "模型", "--data", "d", "--json"]
    done = tailfin(*words, cwd=tmp_path, env={"PYTHONIOENCODING": "latin-1"})
    assert done.returncode in (1, 2) and json.loads(done.stdout)["ok"] is False


def test_one_unreadable_run_hides_no_other(tmp_path: Path) -> None:
    for name in ("20260101-000000-good", "20260101-000001-bad"):
        (tmp_path / "runs" / name / "control").mkdir(parents=True)
        (tmp_path / "runs" / name / "spec.toml").touch()
    (tmp_path / "runs" / "20260101-000001-bad" / "events.jsonl").mkdir()
    done = tailfin("runs", "--json", cwd=tmp_path)
    states = {row["run"][16:]: row["state"] for row in answer(done)["data"]["runs"]}
    assert states == {"good": "crashed", "bad": "unreadable"}
