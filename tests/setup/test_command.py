"""`tailfin setup --dry-run` says what it would do, and installs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli import setup
from engine.cli.setup import asked_cuda, plan_installs
from engine.errors import TailfinError
from engine.setup.installed import Distribution
from engine.setup.plan import TorchPlan
from engine.setup.requirements import torch_pin
from engine.setup.solver import Box, Fit, solve
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
def test_a_kept_torch_is_never_asked_for(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch)
    build = TorchBuild(version, "12.4", "", Path("/site/torch"))
    (only,) = plan_installs(TorchPlan("keep", "works"), build, "")
    assert f"torch=={version}" in only.pins
    assert all(not wanted.startswith("torch") for wanted in only.wanted)


def test_another_cuda_build_is_installed_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(monkeypatch)
    fit = _fit(Box(True, "570.133.20", capabilities=((12, 0),)))
    uv, torch, rest = plan_installs(TorchPlan("install", "none", fit=fit), None, "")
    assert uv.command("py", "pins")[:5] == [
        "py",
        "-m",
        "pip",
        "install",
        *uv.command("py", "")[4:5],
    ]
    assert uv.wanted[0].startswith("uv")
    command = torch.command("/env/bin/python", "pins")
    assert command[:6] == ["/env/bin/python", "-m", "uv", "pip", "install", "--python"]
    assert {"/env/bin/python", "--torch-backend=cu128", "torch==2.11.0"} <= set(command)
    assert "--reinstall-package" not in command  # nothing is replaced where there is none
    assert rest.wanted[0] == "torch==2.11.0"
    assert any(pin.startswith("transformers==") for pin in rest.pins)
    assert not any(pin.startswith("sympy==") for pin in rest.pins)  # torch 2.11 has its own


def test_a_replacement_takes_the_other_cuda_libraries_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _installed(monkeypatch, "uv", "torch", "nvidia-cudnn-cu13", "nvidia-nccl-cu13", "nvidia-ml-py")
    fit = _fit(Box(True, "580.65.06", capabilities=((7, 0),)))
    plan = TorchPlan("install", "asked", replace=True, fit=fit)
    gone, torch, _ = plan_installs(plan, None, "")
    assert gone.command("py", "")[2:5] == ["pip", "uninstall", "--yes"]
    assert gone.wanted == ("nvidia-cudnn-cu13", "nvidia-nccl-cu13")
    assert "--torch-backend=cu126" in torch.command("py", "pins")
    assert "--reinstall-package" in torch.command("py", "pins")


def test_a_cuda_nobody_builds_is_refused() -> None:
    assert asked_cuda("12.8", "2.13.0") == (12, 8)
    assert asked_cuda("cu126", "2.13.0") == (12, 6)
    assert asked_cuda("", "2.13.0") is None
    with pytest.raises(TailfinError, match=r"no torch up to 2\.13\.0") as caught:
        asked_cuda("9.9", "2.13.0")
    assert "12.8" in caught.value.hint


def _fit(box: Box) -> Fit:
    answer = solve(box, torch_pin().partition("==")[2])
    assert isinstance(answer, Fit)
    return answer


def _installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    known = {name: Distribution(name, "1.0", Path("/none")) for name in names}
    monkeypatch.setattr(setup, "installed", lambda: known)
