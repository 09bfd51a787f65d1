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


def test_the_ticket_names_versions_and_nobody() -> None:
    env = {"HF_TOKEN": SECRET, "HOSTNAME": "rack-17-blade", "TAILFIN_RUNS": "/home/anna/runs"}
    done = doctor("--plain", **env)
    assert "tailfin 0" in done.stdout.splitlines()[0]
    assert "UTC" in done.stdout.splitlines()[0]
    for secret in (SECRET, "rack-17-blade", "anna"):
        assert secret not in done.stdout + done.stderr


def test_warnings_say_why_and_what_to_do() -> None:
    answer = json.loads(doctor("--json").stdout)
    bad = [row for row in answer["findings"] if row["severity"] in ("warn", "fail")]
    assert all(row["fix"] and row["why"] for row in bad), bad
    text = doctor().stdout
    for row in bad:
        assert f"why: {row['why']}" in text
        assert f"fix: {row['fix']}" in text


@pytest.mark.parametrize("without", ["HOME", "LANG", "TERM", "PATH"])
def test_it_works_in_a_bare_environment(without: str) -> None:
    env = {"HF_HUB_OFFLINE": "1", "HOME": "/proc/none", "LANG": "C", "PATH": os.environ["PATH"]}
    env.pop(without, None)
    done = subprocess.run(
        [sys.executable, "-m", "engine", "doctor"],
        check=False,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    assert done.stdout.rstrip().endswith(".")


@pytest.mark.parametrize(
    "words",
    [("--model", "no such thing"), ("--box", "/no/such/box"), ("--box", ".", "--record", "x")],
)
def test_wrong_usage_is_two(words: tuple[str, ...]) -> None:
    done = doctor(*words)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.skipif(Path("/dev/nvidia0").exists(), reason="the driver may need to wake up")
def test_it_takes_less_than_a_second_without_network() -> None:
    times_s = []
    for _ in range(3):
        began = time.monotonic()
        doctor("--json")
        times_s.append(time.monotonic() - began)
    assert min(times_s) < 1.0
