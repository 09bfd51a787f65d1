"""A torch is recognised from its files alone, and tried in a process of its own."""

from __future__ import annotations

import importlib.metadata
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.setup.torch_build import TorchBuild, find_torch, read_build, works_on_gpu

CUDA_130 = """from typing import Optional

__all__ = ['__version__', 'debug', 'cuda', 'git_version', 'hip', 'rocm', 'xpu']
__version__ = '2.13.0+cu130'
debug = False
cuda: Optional[str] = '13.0'
git_version = 'cf30153c4c131c8164ee7798e5022d810682e2cb'
hip: Optional[str] = None
"""
ROCM = "__version__ = '2.6.0+rocm6.2'\ncuda = None\nhip = '6.2.41133'\n"
CPU = "__version__ = '2.9.1+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
WORKING = """
class _Number:
    def add(self, _): return self
    def sum(self): return self
    def item(self): return 4
class cuda:
    @staticmethod
    def is_available(): return True
def ones(size, device): return _Number()
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CUDA_130, ("2.13.0+cu130", "13.0", "", (13, 0), "2.13.0 (CUDA 13.0)")),
        (ROCM, ("2.6.0+rocm6.2", "", "6.2.41133", (0, 0), "2.6.0 (ROCm 6.2.41133)")),
        (CPU, ("2.9.1+cpu", "", "", (0, 0), "2.9.1 (CPU only)")),
    ],
)
def test_version_file_says_what_it_is(
    tmp_path: Path, text: str, expected: tuple[object, ...]
) -> None:
    folder = _torch(tmp_path, text)
    build = find_torch([str(tmp_path)])
    assert build is not None
    seen = (build.version, build.cuda, build.hip, build.cuda_release, build.label)
    assert seen == expected
    assert build.folder == folder


def test_a_folder_that_is_no_torch_is_none(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    assert find_torch([str(tmp_path)]) is None
    (tmp_path / "torch/__init__.py").write_text("")
    assert find_torch([str(tmp_path)]) is None


@pytest.mark.skipif(find_spec("torch") is None, reason="no torch here")
def test_the_real_torch_is_read() -> None:
    build = find_torch()
    assert build is not None
    # The metadata of some builds leaves out the local part, such as +cu130.
    told = importlib.metadata.version("torch")
    assert build.version.startswith(told)
    assert read_build(build.folder) == build


def test_a_kernel_that_runs_means_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _importable(tmp_path, WORKING, monkeypatch)
    assert works_on_gpu()


@pytest.mark.parametrize(
    "code",
    [
        WORKING.replace("return True", "return False"),
        WORKING.replace("return _Number()", "raise RuntimeError('no kernel image')"),
        WORKING.replace("return 4", "return 0"),
        "import missing_library",
    ],
)
def test_anything_else_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    _importable(tmp_path, code, monkeypatch)
    assert not works_on_gpu()


def test_a_probe_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _importable(tmp_path, "import threading; threading.Event().wait()", monkeypatch)
    began = time.monotonic()
    assert not works_on_gpu(timeout_s=0.5)
    assert time.monotonic() - began < 10


def test_an_interpreter_that_is_not_there_does_not_work() -> None:
    assert not works_on_gpu("/no/such/python")


def test_reading_imports_nothing() -> None:
    had = "torch" in sys.modules
    find_torch()
    assert ("torch" in sys.modules) == had


def test_a_cpu_build_is_not_for_a_gpu() -> None:
    assert not TorchBuild("2.9.1+cpu", "", "", Path()).for_gpu
    assert TorchBuild("2.6.0", "", "6.2", Path()).for_gpu


def _torch(parent: Path, version_text: str, code: str = "") -> Path:
    folder = parent / "torch"
    folder.mkdir()
    (folder / "__init__.py").write_text(code)
    (folder / "version.py").write_text(version_text)
    return folder


def _importable(parent: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _torch(parent, CUDA_130, code)
    monkeypatch.setenv("PYTHONPATH", str(parent))
