"""A box for every proof here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A fresh box; what works in it is killed at the end."""
    made = Box(tmp_path / "box")
    try:
        yield made
    finally:
        made.clear()
