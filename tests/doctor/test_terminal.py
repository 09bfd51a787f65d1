"""Locale and multiplexer."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.doctor.terminal import check_locale, check_tmux, read_terminal
from tests.doctor.boxes import box, only


@pytest.mark.parametrize(
    ("env", "severity"),
    [
        ({"LANG": "C.UTF-8"}, "ok"),
        ({"LANG": "en_US.utf8"}, "ok"),
        ({"LANG": "de_DE.UTF-8@euro"}, "ok"),
        ({}, "warn"),
        ({"LANG": "C"}, "warn"),
        ({"LANG": "C.UTF-8", "LC_ALL": "POSIX"}, "warn"),
        ({"LANG": "en_US.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, "ok"),
    ],
)
def test_the_locale_that_counts(env: dict[str, str], severity: str) -> None:
    assert only(check_locale(box(terminal=read_terminal(env)))).severity == severity


def test_tmux_is_looked_for_on_the_path(tmp_path: Path) -> None:
    without = read_terminal({"PATH": str(tmp_path)})
    assert only(check_tmux(box(terminal=without))).severity == "info"
    (tmp_path / "tmux").touch(0o755)
    there = read_terminal({"PATH": str(tmp_path)})
    assert only(check_tmux(box(terminal=there))).severity == "ok"
    inside = read_terminal({"PATH": "/none", "TMUX": "/tmp/tmux-0/default,1,0"})
    assert "inside tmux" in only(check_tmux(box(terminal=inside))).message
