"""docs/doctor.md lists every finding the doctor can have, and none that it cannot."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_GROUPS = (
    *("gpu", "cpu", "ram", "limits", "disk", "platform", "hub", "terminal", "python", "stack"),
    *("system", "torch", "bitsandbytes", "deep"),
)
_ID = re.compile(rf"(?:{'|'.join(_GROUPS)})\.[a-z0-9]+(?:-[a-z0-9]+)*")
_FILES = re.compile(r"\.(py|json|toml|so|md|txt|cuda|version|max|stat)$")


def made() -> set[str]:
    """Ids in the sources: dotted texts of their form, and what findings are made with."""
    return {
        name
        for folder in ("engine/doctor", "engine/setup")
        for file in sorted((ROOT / folder).rglob("*.py"))
        if "scripts" not in file.parts  # of the deep probes, which print no findings
        for name in _ids(ast.parse(file.read_text(encoding="utf-8")))
    }


def _ids(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and _ID.fullmatch(text) and not _FILES.search(text):
            yield text
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding" and node.args:
            first = node.args[0]
            if isinstance(first, ast.Constant):
                yield str(first.value)


def listed() -> set[str]:
    text = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("Findings: ")]
    return {name for line in lines for name in re.findall(r"`([^`]+)`", line)}


def test_the_list_is_complete_and_true() -> None:
    assert listed() - made() == set(), "in docs/doctor.md, but no finding has it"
    assert made() - listed() == set(), "not in docs/doctor.md"
