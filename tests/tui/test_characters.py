"""What the screens draw has one width in every terminal."""

from __future__ import annotations

import ast
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import ROOT

_FILES = sorted((ROOT / "tui").rglob("*.py"))


@pytest.mark.parametrize("path", _FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_character_of_ours_is_wide_in_one_terminal_and_narrow_in_another(path: Path) -> None:
    """East Asian terminals draw 'ambiguous' characters, such as block elements, two cells wide."""
    doubtful = {
        f"{character!r} (U+{ord(character):04X})"
        for text in _texts(path)
        for character in text
        if unicodedata.east_asian_width(character) in "AWF"
        if unicodedata.category(character) != "Mn"
    }
    assert not doubtful


def _texts(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
