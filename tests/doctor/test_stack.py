"""The Python that trains: this one, another, or one that does not run."""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor import torch_build
from engine.doctor.host import Host
from engine.doctor.software import SoftwareFacts
from engine.doctor.stack import CHECKS, check_packages, check_python, read_stack
from tests.doctor.boxes import STACK, box, only


def test_this_interpreter_is_described() -> None:
    stack = read_stack(Host({}))
    assert stack.python == sys.executable
    assert stack.version == sys.version_info[:3]
    assert "pydantic" in stack.installed
    assert stack.minimum["textual"] == "8.2.8"
    assert "torch" not in stack.minimum  # judged by its own check
    assert only(check_python(box(stack=stack))).severity == "ok"


def test_another_interpreter_is_read_with_its_own_packages(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    (site,) = tmp_path.glob("lib/python*/site-packages")
    (site / "transformers-4.40.0.dist-info").mkdir()
    (site / "bitsandbytes").mkdir()
    for name in ("cuda118", "cuda130", "cpu", "rocm72"):
        (site / f"bitsandbytes/libbitsandbytes_{name}.so").touch()
    env = {"TAILFIN_PYTHON": str(tmp_path / "bin/python"), "BNB_CUDA_VERSION": "118"}
    stack = read_stack(Host(env))
    assert stack.installed == {"transformers": "4.40.0"}
    assert stack.bitsandbytes_cuda == ((11, 8), (13, 0))
    assert stack.bitsandbytes_override == "118"
    assert stack.torch is None
    assert "textual" not in stack.minimum  # the screens run elsewhere
    missing, stale = check_packages(box(stack=stack))
    assert "trl" in missing.message
    assert missing.fix.startswith(f"{tmp_path}/bin/python -m pip install ")
    assert "transformers 4.40.0 (needs 5.0)" in stale.message
    assert "--upgrade transformers" in stale.fix


@pytest.mark.parametrize("python", ["/no/such/python", "/bin/true"])
def test_an_interpreter_that_does_not_run(python: str) -> None:
    stack = read_stack(Host({"TAILFIN_PYTHON": python}))
    assert only(check_python(box(stack=stack))).id == "python.broken"
    assert check_packages(box(stack=stack)) == []


def test_an_old_python() -> None:
    finding = only(check_python(box(stack=replace(STACK, version=(3, 10, 13)))))
    assert finding.severity == "fail"
    assert "3.10.13 is older than 3.11" in finding.message
    assert "python3.11 -m venv" in finding.fix


def test_the_doctor_can_be_parsed_and_imported_by_an_old_python() -> None:
    """It has to run there to say that training cannot."""
    engine = Path(__file__).resolve().parents[2] / "engine"
    files = [*engine.glob("doctor/*.py"), *engine.glob("setup/*.py"), engine / "cli/doctor.py"]
    assert len(files) > 20
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))
        at_once = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert "tomllib" not in "".join(ast.unparse(node) for node in at_once), file


def test_an_old_python_beside_a_newer_one_or_in_conda() -> None:
    old = replace(STACK, version=(3, 10, 13))
    other = replace(old, software=SoftwareFacts(other_python="/usr/bin/python3.13"))
    assert only(check_python(box(stack=other))).fix.startswith("/usr/bin/python3.13 -m venv ")
    conda = replace(old, python="/opt/conda/bin/python")
    assert only(check_python(box(stack=conda))).fix.startswith("conda create ")


def test_what_an_old_python_lacks_is_not_told_beside_it() -> None:
    bare = replace(STACK, version=(3, 10, 13), installed={}, torch=None)
    found = [
        finding for check in (*CHECKS, *torch_build.CHECKS) for finding in check(box(stack=bare))
    ]
    assert [finding.id for finding in found if finding.severity != "ok"] == ["python.too-old"]


def test_a_complete_stack() -> None:
    finding = only(check_packages(box()))
    assert finding.severity == "ok"
    assert "transformers 5.23.0" in finding.message


def test_missing_packages_are_named_with_setup() -> None:
    finding = only(check_packages(box(stack=replace(STACK, installed={"trl": "1.16.0"}))))
    assert finding.fix == "tailfin setup"
    assert "transformers, bitsandbytes" in finding.message


def test_a_python_of_the_system_gets_an_environment() -> None:
    """https://peps.python.org/pep-0668/: pip refuses there."""
    bare = replace(STACK, installed={}, software=SoftwareFacts(externally_managed=True))
    fix = only(check_packages(box(stack=bare))).fix
    assert fix.startswith("/env/bin/python -m venv --system-site-packages ~/tailfin && ")
    (torch,) = torch_build.check_torch(box(stack=replace(bare, torch=None)))
    assert torch.fix == fix


def test_without_a_list_nothing_is_claimed() -> None:
    finding = only(check_packages(box(stack=replace(STACK, minimum={}))))
    assert finding.severity == "info"
