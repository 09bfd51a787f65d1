"""The wheel holds everything `tailfin` needs, and works from any folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from engine.setup.installed import installed
from engine.setup.requirements import requirements

ROOT = Path(__file__).resolve().parents[1]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run([*command, str(ROOT)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (file,) = folder.glob("tailfin-*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel unpacked by pip into a folder of its own, its dependencies not."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run(
        [*command, str(folder), str(wheel)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_everything_bundled_is_inside(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("profiles", "samples"):
        kept = {name for name in _tracked(folder) if not name.startswith("samples/build/")}
        assert kept, f"nothing is tracked under {folder}"
        assert {f"engine/_bundled/{name}" for name in kept} <= inside
    assert {"engine/_bundled/constraints.txt", "engine/_bundled/torch.txt"} <= inside
    assert {name for name in _tracked("engine") + _tracked("tui")} <= inside


def test_nothing_else_is_inside(wheel: Path) -> None:
    inside = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].partition("-")[0] for name in inside} == {"engine", "tui", "tailfin"}
    assert not [name for name in inside if "samples/build" in name or "__pycache__" in name]


def test_its_size_stays_that_of_the_demo_model(wheel: Path) -> None:
    assert wheel.stat().st_size < 16 * 2**20


def test_metadata_and_checkout_name_the_same_requirements(site: Path) -> None:
    known = installed([str(site)])
    for extra in ("", "train", "dev"):
        declared = {Requirement(line) for line in requirements(extra, {})}
        assert {Requirement(line) for line in requirements(extra, known)} == declared


def test_the_console_script_works_from_another_folder(site: Path, tmp_path: Path) -> None:
    assert "usage: tailfin" in _tailfin(site, tmp_path, "--help")
    answer = json.loads(_tailfin(site, tmp_path, "profiles", "list", "--json"))
    assert answer["ok"] is True
    assert json.dumps(answer["data"]).count("name") >= 1


def _tailfin(site: Path, cwd: Path, *words: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(site), "HOME": str(cwd)}
    # -P: neither the checkout nor the current folder, only what the wheel brought.
    script = [sys.executable, "-P", str(site / "bin/tailfin"), *words]
    done = subprocess.run(
        script, check=False, cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    where = "import engine; print(engine.__file__)"
    loaded = subprocess.run(
        [sys.executable, "-P", "-c", where],
        check=True,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert loaded.stdout.startswith(str(site))
    return done.stdout


def _tracked(folder: str) -> list[str]:
    """Files of a folder as a clone has them; without git, as they lie there."""
    done = subprocess.run(
        ["git", "ls-files", "-z", folder], check=False, cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode == 0 and done.stdout:
        return [name for name in done.stdout.split("\0") if name]
    files = (ROOT / folder).rglob("*")
    return [
        str(file.relative_to(ROOT))
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    ]
