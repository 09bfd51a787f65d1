"""Models of earlier runs are told from their spec files, whatever stands in those."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tui.recent import embedded, recent_models


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


def write_spec(runs: Path, name: str, text: bytes) -> None:
    (runs / name).mkdir(parents=True, exist_ok=True)
    (runs / name / "spec.toml").write_bytes(text)


def test_without_runs_there_is_the_embedded_model(tmp_path: Path) -> None:
    assert recent_models(str(tmp_path / "none")) == (embedded(),)
    assert (Path(embedded().path) / "config.json").is_file()


def test_each_model_once_newest_run_first_and_the_embedded_one_last(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name, model in (
        ("20260101-000000-a", "owner/old"),
        ("20260102-000000-b", embedded().path),
        ("20260103-000000-c", "owner/new"),
        ("20260104-000000-d", "owner/old"),
    ):
        write_spec(runs, name, f'[model]\npath = "{model}"\n'.encode())
    found = recent_models(str(runs))
    assert [recent.path for recent in found] == ["owner/old", "owner/new", embedded().path]
    assert found[0].source == "run 20260104-000000-d"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"model = 3", b"[model]\npath = 3"])))
def test_a_spec_that_is_none_is_passed_over(tmp_path: Path, text: bytes) -> None:
    runs = tmp_path / "runs"
    write_spec(runs, "20260101-000000-a", text)
    assert recent_models(str(runs)) == (embedded(),)
