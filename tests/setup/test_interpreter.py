"""Where pip may write, and what a refusal says."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.setup.interpreter import (
    Interpreter,
    check_can_install,
    check_can_make_environment,
    this_interpreter,
)

PLAIN = Interpreter((3, 12), False, False, True, True)
DEBIAN = replace(PLAIN, externally_managed=True)


def test_the_running_one_is_described(tmp_path: Path) -> None:
    here = this_interpreter(tmp_path)
    assert here.version == sys.version_info[:2]
    assert here.in_environment == (sys.prefix != sys.base_prefix)
    assert not here.externally_managed
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    assert this_interpreter(tmp_path).externally_managed


def test_the_systems_python_is_refused_with_a_way_out() -> None:
    with pytest.raises(TailfinError, match="PEP 668") as caught:
        check_can_install(DEBIAN, {})
    assert "python3.12 -m venv --system-site-packages" in caught.value.hint


def test_a_user_may_insist() -> None:
    check_can_install(DEBIAN, {"PIP_BREAK_SYSTEM_PACKAGES": "1"})
    with pytest.raises(TailfinError):
        check_can_install(DEBIAN, {"PIP_BREAK_SYSTEM_PACKAGES": "0"})


def test_an_environment_of_the_systems_python_is_fine() -> None:
    check_can_install(replace(DEBIAN, in_environment=True), {})


def test_a_python_without_pip_is_told_how_to_get_it() -> None:
    with pytest.raises(TailfinError, match="no pip") as caught:
        check_can_install(replace(PLAIN, has_pip=False), {})
    assert "ensurepip" in caught.value.hint


def test_a_python_without_ensurepip_names_the_package() -> None:
    check_can_make_environment(PLAIN)
    with pytest.raises(TailfinError, match="cannot make virtual environments") as caught:
        check_can_make_environment(replace(PLAIN, has_venv=False))
    assert "apt-get install -y python3.12-venv" in caught.value.hint
