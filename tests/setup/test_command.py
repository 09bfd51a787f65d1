"""`tailfin setup --dry-run` says what it would do, and installs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.setup import plan_installs
from engine.setup.plan import TorchPlan
from engine.setup.requirements import torch_pin
from engine.setup.torch_build import TorchBuild, find_torch

ROOT = Path(__file__).resolve().parents[2]


def test_a_dry_run_shows_its_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine", "setup", "--dry-run", "--json"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    answer = json.loads(done.stdout)
    if not answer["ok"]:  # this Python's torch does not fit, and it says so
        assert answer["findings"][0]["fix"]
        return
    assert answer["data"]["installed"] is False
    assert answer["data"]["torch"] == ("keep" if find_torch() else "install")
    assert "trl" in answer["data"]["commands"][-1]


def test_torch_comes_first_and_from_its_own_index() -> None:
    plan = TorchPlan("install", "none")
    torch, rest = plan_installs(plan, None, "https://x.example/cu126")
    assert torch.wanted == (torch_pin(),)
    assert torch.index == "https://x.example/cu126"
    assert (rest.index, rest.wanted[0]) == ("", torch_pin())
    command = torch.command("py", "pins")
    assert command[-4:] == ["https://x.example/cu126", "--constraint", "pins", torch_pin()]


def test_a_replacement_overwrites_torch_alone() -> None:
    plan = TorchPlan("install", "asked", replace=True)
    torch, rest = plan_installs(plan, None, "")
    assert {"--force-reinstall", "--no-deps"} <= set(torch.command("py", "pins"))
    assert "--force-reinstall" not in rest.command("py", "pins")


@pytest.mark.parametrize("version", ["2.6.0+cu124", "2.13.0+cu130"])
def test_a_kept_torch_is_never_asked_for(version: str) -> None:
    build = TorchBuild(version, "12.4", "", Path("/site/torch"))
    (only,) = plan_installs(TorchPlan("keep", "works"), build, "")
    assert f"torch=={version}" in only.pins
    assert all(not wanted.startswith("torch") for wanted in only.wanted)
