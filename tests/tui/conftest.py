"""Shared by the tests of the screens."""

from __future__ import annotations

import pytest

from tests.tui.scripted_simulation import ScriptedWorker
from tui.screens import wizard


@pytest.fixture(autouse=True)
def _nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The review waits for a person's eyes before Enter starts anything; tests have none."""
    monkeypatch.setattr(wizard, "READ_S", 0.0)


@pytest.fixture(autouse=True)
def _nothing_is_simulated_for_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wizard would import the training stack behind every test that comes to the method."""
    monkeypatch.setattr("engine.memory.simulator.start_worker", ScriptedWorker)
