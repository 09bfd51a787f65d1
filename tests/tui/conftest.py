"""Shared by the tests of the screens."""

from __future__ import annotations

import pytest

from tui.screens import wizard


@pytest.fixture(autouse=True)
def _nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The review waits for a person's eyes before Enter starts anything; tests have none."""
    monkeypatch.setattr(wizard, "READ_S", 0.0)
