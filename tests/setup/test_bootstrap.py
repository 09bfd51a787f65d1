"""A small project is really installed by pip, once; a second run installs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.setup.bootstrap import main, set_up
from engine.setup.environment import python_of, read_stamp
from engine.setup.solver import Box

ROOT = Path(__file__).resolve().parents[2]
NO_GPU = Box(False, "")
# An editable install without any download: the project is its own build backend.
BACKEND = """
import pathlib, zipfile
INFO = "tiny-1.0.dist-info/"
METADATA = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\nProvides-Extra: dev\\n"
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as wheel:
        wheel.writestr("tiny.pth", str(pathlib.Path.cwd()))
        wheel.writestr(INFO + "METADATA", METADATA)
        wheel.writestr(INFO + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr(INFO + "RECORD", "")
    return name
build_wheel = build_editable
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny"
version = "1.0"
optional-dependencies = { dev = [] }
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / ".ci").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "tiny.py").write_text("value = 7\n")
    (root / "constraints.txt").write_text("# pins\nrich==15.0.0\n")
    (root / ".ci/torch.txt").write_text("torch==2.13.0\n")
    return root


def test_the_second_run_installs_nothing(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    environment = project / ".venv"
    assert set_up(environment, ("dev",), root=project, box=NO_GPU)
    seen = subprocess.run(
        [python_of(environment), "-c", "import tiny; print(tiny.value)"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(seen.stdout) == 7
    assert "made the environment" in capfd.readouterr().err
    assert not set_up(environment, ("dev",), root=project, box=NO_GPU)
    assert capfd.readouterr().err == ""

    (project / "constraints.txt").write_text("rich==15.0.1\n")
    assert set_up(environment, ("dev",), root=project, box=NO_GPU)
    assert "kept the environment" in capfd.readouterr().err


@pytest.mark.slow
def test_a_setup_that_failed_is_done_again(project: Path) -> None:
    environment = project / ".venv"
    (project / "backend.py").write_text("raise SystemExit(1)\n")
    with pytest.raises(TailfinError, match="pip ended with exit code"):
        set_up(environment, (), root=project, box=NO_GPU)
    assert read_stamp(environment) is None
    (project / "backend.py").write_text(BACKEND)
    assert set_up(environment, (), root=project, box=NO_GPU)


def test_a_folder_nobody_may_write_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--venv", "/proc/no-such-folder/.venv"]) == 2
    assert "/proc/no-such-folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_working_torch_is_seen_and_not_installed(tmp_path: Path, project: Path) -> None:
    parent = tmp_path / "parent"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(parent)], check=True)
    (site,) = parent.glob("lib/python*/site-packages")
    _fake_torch(site)
    (project / "constraints.txt").write_text("sympy==1.14.0\n")
    code = (
        "from pathlib import Path\nfrom engine.setup.bootstrap import set_up\n"
        "from engine.setup.solver import Box\n"
        f"root = Path({str(project)!r})\n"
        "set_up(root / '.venv', ('dev',), root=root, box=Box(True, '580.65.06'))\n"
    )
    done = subprocess.run(
        [python_of(parent), "-c", code], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "torch 2.8.0 (CUDA 12.8) works on this box and is reused" in done.stderr
    listed = subprocess.run(
        [python_of(project / ".venv"), "-m", "pip", "list", "--format=json"],
        check=True,
        capture_output=True,
        text=True,
    )
    versions = {row["name"]: row["version"] for row in json.loads(listed.stdout)}
    assert versions["torch"] == "2.8.0+cu128"
    assert not list((project / ".venv").glob("lib/python*/site-packages/torch"))
    stamp = read_stamp(project / ".venv")
    assert stamp is not None
    assert stamp.torch_folder == str(site / "torch")


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
def test_make_says_what_it_needs_where_python_is_too_old(tmp_path: Path) -> None:
    for tool in ("sh", "head"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2"\nexit 1\n')
    old.chmod(0o755)
    environment = {name: text for name, text in os.environ.items() if name != "PYTHON"}
    done = subprocess.run(
        [shutil.which("make") or "make", "demo"],
        check=False,
        cwd=ROOT,
        env=environment | {"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "needs Python 3.11 or newer" in done.stdout
    assert "Python 3.9.2" in done.stdout


def test_it_runs_on_bare_python() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-m", "engine.setup.bootstrap", "--help"],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def _fake_torch(site: Path) -> None:
    package, info = site / "torch", site / "torch-2.8.0+cu128.dist-info"
    package.mkdir()
    info.mkdir()
    (package / "version.py").write_text("__version__ = '2.8.0+cu128'\ncuda = '12.8'\n")
    (package / "__init__.py").write_text(
        "class _Sum:\n    add = sum = lambda self, *_: self\n    item = lambda self: 4\n"
        "class cuda:\n    is_available = staticmethod(lambda: True)\n"
        "def ones(size, device): return _Sum()\n"
    )
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torch\nVersion: 2.8.0+cu128\n\n")
    (info / "RECORD").write_text("")
