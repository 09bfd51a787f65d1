"""The pins cover what tailfin asks for, and a torch that stays is left alone by them."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from engine.errors import TailfinError
from engine.setup.installed import Distribution, installed, required_name
from engine.setup.requirements import pins, pins_beside_torch, requirements, torch_pin

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize("extra", ["", "train", "dev"])
def test_every_requirement_is_pinned_within_its_bounds(extra: str) -> None:
    pinned = {required_name(pin): pin.partition("==")[2] for pin in [*pins(), torch_pin()]}
    lines = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for line in lines:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pinned[canonicalize_name(wanted.name)]), line


def test_torch_stands_in_a_file_of_its_own() -> None:
    assert all(required_name(pin) != "torch" for pin in pins())
    assert torch_pin().startswith("torch==")


def test_requirements_come_from_pyproject_where_nothing_is_installed() -> None:
    assert requirements("train", {}) == PROJECT["optional-dependencies"]["train"]
    assert requirements("", {}) == PROJECT["dependencies"]


def test_requirements_come_from_metadata_where_installed(tmp_path: Path) -> None:
    info = tmp_path / "tailfin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Name: tailfin\nRequires-Dist: rich>=14.0\n"
        "Requires-Dist: torch>=2.6; extra == 'train'\n"
        'Requires-Dist: peft>=0.19 ; extra == "train"\n'
        "Requires-Dist: ruff>=0.14; extra == 'dev'\n\nbody\n"
    )
    known = installed([str(tmp_path)])
    assert requirements("", known) == ["rich>=14.0"]
    assert requirements("train", known) == ["torch>=2.6", "peft>=0.19"]


def test_pins_yield_to_the_torch_that_stays(tmp_path: Path) -> None:
    info = tmp_path / "torch-2.6.0+cu124.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Requires-Dist: sympy==1.13.1\n\n")
    known = {"torch": Distribution("torch", "2.6.0+cu124", info)}
    kept = pins_beside_torch(["sympy==1.14.0", "trl==1.16.0"], "2.6.0+cu124", known)
    assert kept == ["torch==2.6.0+cu124", "trl==1.16.0"]


def test_every_library_imported_is_declared() -> None:
    declared = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    train = {
        canonicalize_name(Requirement(line).name)
        for line in PROJECT["optional-dependencies"]["train"]
    }
    owners = importlib.metadata.packages_distributions()
    for folder in ("engine", "tui"):
        for file in (ROOT / folder).rglob("*.py"):
            # What runs in the Python that trains may import what that may have.
            theirs = {"worker", "scripts"} & set(file.parts)
            allowed = declared | train | {"triton", "flash-attn"} if theirs else declared
            for name in _imported(file) - set(sys.stdlib_module_names) - {"engine", "tui"}:
                owner = {canonicalize_name(dist) for dist in owners.get(name, [name])}
                assert owner & allowed, f"{file}: {name} is not declared in pyproject.toml"


def _imported(file: Path) -> set[str]:
    """Top-level names of everything a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_a_missing_pin_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TailfinError) as caught:
        pins(tmp_path / "constraints.txt")
    assert caught.value.where == str(tmp_path / "constraints.txt")
