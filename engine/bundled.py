"""Where profiles, samples and pins lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled(name: str) -> Path:
    """Path of a bundled folder or file (`profiles`, `samples`, `constraints.txt`, `torch.txt`)."""
    inside = _PACKAGE / "_bundled" / name
    if inside.exists():
        return inside
    root = _PACKAGE.parent
    return root / ".ci" / name if name == "torch.txt" else root / name
