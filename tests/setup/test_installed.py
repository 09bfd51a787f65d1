"""Distributions are found, named and compared the way packaging does it."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from engine.setup.installed import (
    installed,
    lower_bound,
    normalise,
    older,
    release,
    required_closure,
    required_name,
    requirement_lines,
)

RELEASES = st.lists(st.integers(0, 400), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


def test_this_interpreter_is_read_like_importlib_does() -> None:
    found = installed()
    for name in ("pytest", "pydantic", "huggingface-hub", "nvidia-ml-py"):
        assert found[name].version == importlib.metadata.version(name)
    assert requirement_lines(found["pytest"]) == importlib.metadata.requires("pytest")


def test_the_first_folder_on_the_path_wins(tmp_path: Path) -> None:
    for folder, version in (("first", "2.0"), ("second", "1.0")):
        (tmp_path / folder / f"Some_Thing-{version}.dist-info").mkdir(parents=True)
    found = installed(
        [str(tmp_path / "no-such"), str(tmp_path / "first"), str(tmp_path / "second")]
    )
    assert found["some-thing"].version == "2.0"


def test_old_egg_folders_count_too(tmp_path: Path) -> None:
    (tmp_path / "PyYAML-5.3.1-py3.11.egg-info").mkdir()
    assert installed([str(tmp_path)])["pyyaml"].version == "5.3.1"


@given(RELEASES, RELEASES)
def test_versions_compare_like_packaging(have: str, need: str) -> None:
    assert older(have, need) == (Version(have) < Version(need))


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{0,20}[A-Za-z0-9]", fullmatch=True))
def test_names_normalise_like_packaging(name: str) -> None:
    assert normalise(name) == canonicalize_name(name)


@given(st.text(max_size=40))
def test_any_text_is_a_version_without_release_or_with_one(text: str) -> None:
    assert all(part >= 0 for part in release(text))


def test_local_and_pre_release_parts_do_not_count() -> None:
    assert release("2.13.0+cu130") == (2, 13, 0)
    assert release("2.14.0rc1") == (2, 14, 0)
    assert release("unknown") == ()


@pytest.mark.parametrize(
    "line",
    [
        "torch>=2.6",
        "textual==8.2.8",
        "dill<0.4.2,>=0.3.0",
        "jinja2",
        "a.b[c] ~= 1.4 ; python_version > '1'",
    ],
)
def test_requirement_lines_are_read_like_packaging(line: str) -> None:
    truth = Requirement(line)
    lows = [part.version for part in truth.specifier if part.operator in (">=", "==", "~=")]
    assert required_name(line) == canonicalize_name(truth.name)
    assert lower_bound(line) == (lows[0] if lows else "")


def test_the_closure_follows_plain_requirements_only(tmp_path: Path) -> None:
    _distribution(tmp_path, "torch-2.6.0", "sympy==1.13.1", "optree>=0.13; extra == 'optree'")
    _distribution(tmp_path, "sympy-1.13.1", "mpmath (<1.4,>=1.1.0)")
    _distribution(tmp_path, "mpmath-1.3.0")
    found = installed([str(tmp_path)])
    assert required_closure("torch", found) == {"torch", "sympy", "mpmath"}


def _distribution(folder: Path, stem: str, *requirements: str) -> None:
    info = folder / f"{stem}.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.4", *(f"Requires-Dist: {line}" for line in requirements)]
    text = "\n".join(lines) + "\n\nRequires-Dist: not-this (it stands in the description)\n"
    (info / "METADATA").write_text(text)
