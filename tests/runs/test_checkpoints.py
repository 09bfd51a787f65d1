"""Checkpoints: whole ones count, cut-short ones are skipped, the best one stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs.checkpoints import (
    MANIFEST,
    last_checkpoint,
    prune,
    read_checkpoint,
    write_manifest,
)


def _make(folder: Path, step: int, *, whole: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    (path / "inner").mkdir(parents=True)
    (path / "adapter.safetensors").write_bytes(b"w" * 1000)
    (path / "inner" / "state.json").write_text("{}", encoding="utf-8")
    if whole:
        write_manifest(path, step)
    return path


def test_the_latest_whole_one_is_found_past_those_cut_short(tmp_path: Path) -> None:
    _make(tmp_path, 9)
    _make(tmp_path, 10)
    _make(tmp_path, 100, whole=False)
    found = last_checkpoint(tmp_path)
    assert found is not None and found.step == 10 and found.num_bytes == 1002


@pytest.mark.parametrize("fault", ["shorter", "changed", "missing", "manifest"])
def test_a_damaged_one_is_not_whole(tmp_path: Path, fault: str) -> None:
    path = _make(tmp_path, 5)
    assert read_checkpoint(path) is not None
    file = path / "adapter.safetensors"
    match fault:
        case "shorter":
            file.write_bytes(b"w" * 999)
        case "changed":
            file.write_bytes(b"v" * 1000)
        case "missing":
            (path / "inner" / "state.json").unlink()
        case "manifest":
            (path / MANIFEST).write_text('{"step": 5, "files"', encoding="utf-8")
    assert read_checkpoint(path) is None
    assert last_checkpoint(tmp_path) is None


def test_pruning_keeps_the_latest_and_the_best(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        _make(tmp_path, step)
    removed = prune(tmp_path, keep=2, best_step=1)
    assert sorted(c.step for c in removed) == [2, 3]
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-1",
        "checkpoint-4",
        "checkpoint-5",
    ]
