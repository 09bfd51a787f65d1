"""Deep probes as processes: ended at their limit with all they started, without secrets."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from engine.doctor.deep.probes import BY_NAME, PROBES
from engine.doctor.deep.run import run_deep, run_limited, run_probe
from engine.doctor.deep.words import said
from engine.doctor.facts import GpuFacts
from engine.doctor.host import Host, Ran
from tests.doctor.boxes import STACK, box


def test_a_process_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {note}; echo begun; wait"
    ran = run_limited(["/bin/sh", "-c", script], os.environ, str(tmp_path), 0.5)
    assert (ran.code, ran.out) == (None, "begun\n")
    child = Path("/proc", note.read_text().strip(), "stat")
    for _ in range(100):
        if not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    raise AssertionError("the child outlived the limit")


def test_a_crash_is_told_by_its_signal(tmp_path: Path) -> None:
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    ran = run_limited([sys.executable, "-c", crash], os.environ, str(tmp_path), 20)
    assert ran.code == -11


def test_a_program_that_is_not_there_is_an_outcome(tmp_path: Path) -> None:
    assert run_limited([str(tmp_path / "none")], os.environ, str(tmp_path), 5).code == 127


def test_probes_are_handed_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def instead(_command: object, env: dict[str, str], *_rest: object) -> Ran:
        seen.update(env)
        return Ran(0)

    monkeypatch.setattr("engine.doctor.deep.run.run_limited", instead)
    host = Host({"HF_TOKEN": "secret-word", "LANG": "C"})
    run_probe(BY_NAME["torch"], host, box(), {}, 5)
    assert seen["LANG"] == "C"
    assert "secret-word" not in seen.values()


def test_after_a_failure_what_needs_it_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "engine.doctor.deep.run.run_probe", lambda *_: Ran(1, "", "ImportError: broken")
    )
    facts = run_deep(Host({}), box())
    assert facts.skipped["matmul"] == "cuinit failed before it"
    assert set(facts.ran) == {"cuinit", "torch", "disk", "download"}


def test_without_a_gpu_the_probes_for_one_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.doctor.deep.run.run_probe", lambda *_: Ran(0))
    facts = run_deep(Host({}), box(gpu=GpuFacts(), stack=STACK))
    assert facts.skipped["triton"] == facts.skipped["nccl"] == "this box has no GPU"
    assert set(facts.ran) | set(facts.skipped) == {probe.name for probe in PROBES}


def test_the_disk_is_measured_and_left_as_it_was(tmp_path: Path) -> None:
    command = [sys.executable, str(BY_NAME["disk"].file), str(tmp_path), "/no/such/folder"]
    disks = said(run_limited(command, os.environ, "/", 60))["disks"]
    assert isinstance(disks, list)
    assert disks[0]["write_mb_per_s"] > 0 or disks[0]["trouble"]
    assert disks[1]["trouble"]
    assert list(tmp_path.iterdir()) == []
