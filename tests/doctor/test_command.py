"""`tailfin doctor` as a user runs it: quick, honest, silent about secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = "hf_notARealToken1234567890"


def doctor(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", "doctor", *words],
        check=False,
        cwd=ROOT,
        env=os.environ | {"HF_HUB_OFFLINE": "1"} | env,
        capture_output=True,
        text=True,
    )


def test_json_carries_facts_findings_and_the_verdict() -> None:
    done = doctor("--json", HF_TOKEN=SECRET)
    answer = json.loads(done.stdout)
    assert answer["schema"] == "tailfin.doctor/1"
    assert done.returncode == (0 if answer["ok"] else 1)
    assert answer["ok"] == all(row["severity"] != "fail" for row in answer["findings"])
    data = answer["data"]
    assert data["verdict"]
    assert data["stack"]["python"] == sys.executable
    assert data["hub"]["has_token"] is True
    assert data["limits"]["ram_gib"] > 0
    assert data["storage"]["volumes"]
    assert SECRET not in done.stdout + done.stderr


def test_text_ends_with_the_verdict_and_agrees_with_json() -> None:
    text = doctor("--plain")
    answer = json.loads(doctor("--json").stdout)
    assert text.stdout.rstrip().splitlines()[-1] == answer["data"]["verdict"]
    assert text.stdout.isascii()
    assert text.stderr == ""


def test_a_broken_setting_turns_into_a_failure() -> None:
    done = doctor("--json", TAILFIN_PYTHON="/no/such/python")
    assert done.returncode == 1
    ids = [row["id"] for row in json.loads(done.stdout)["findings"]]
    assert "python.broken" in ids
    assert "torch.missing" not in ids


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="the driver may need to wake up")
def test_it_takes_less_than_a_second_without_network() -> None:
    times_s = []
    for _ in range(3):
        began = time.monotonic()
        doctor("--json")
        times_s.append(time.monotonic() - began)
    assert min(times_s) < 1.0
