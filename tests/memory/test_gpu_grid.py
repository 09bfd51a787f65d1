"""The GPU grid's code, without a GPU: its rows can be foretold, and one is really measured."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from engine.cli.main import main
from engine.measured_rows import read_measured
from engine.memory.cards import find_card
from tests.benchmarks.gpu import grid
from tests.benchmarks.gpu.rows import CONFIGS, GridRow
from tests.benchmarks.gpu.rows import grid as rows

CARD = find_card("H200")


def test_rows_differ_and_can_be_foretold() -> None:
    keys = [row.key for row in rows()]
    assert len(set(keys)) == len(keys) > 20
    assert {row.model for row in rows()} == CONFIGS.keys() - {"tiny"}
    told = [grid.foretold(row, CARD) for row in rows()]
    assert all(0 < one["tensors_gib"] < one["reserved_gib"] < one["process_gib"] for one in told)
    limited = [one["fits"] for row, one in zip(rows(), told, strict=True) if row.card_gib]
    assert {True, False} == set(limited), "imitated cards that all fit show nothing"


def test_a_cut_line_and_an_error_are_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "grid.jsonl"
    row = {"model": "tiny", "method": "lora", "length": 64, "micro_batch": 2}
    whole = {"row": row, "fits": True}
    failed = {"row": row | {"length": 65}, "error": "no"}
    file.write_text(f"{json.dumps(whole)}\n{json.dumps(failed)}\n{json.dumps(whole)[:20]}")
    assert list(grid._read(file)) == [GridRow("tiny", "lora", 64, 2).key]


@pytest.mark.slow
def test_rows_are_measured_kept_and_not_measured_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "grid.jsonl"
    assert grid.main(["--device", "cpu", "--out", str(file)]) == 0
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert [one["row"]["method"] for one in told] == ["lora", "qlora", "full"]
    for one in told:
        assert "error" not in one, one
        assert one["tensors_gib"] == pytest.approx(one["foretold"]["tensors_gib"], rel=0.25)
    before = file.read_text()
    assert "mean error" in capsys.readouterr().out
    assert grid.main(["--device", "cpu", "--out", str(file)]) == 0
    assert file.read_text() == before


def test_measured_rows_are_kept_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures are made up; what is tested is that they arrive unchanged."""
    first = next(rows())
    said = grid.foretold(first, CARD)
    told = {
        "row": asdict(first), "date": "2026-01-02", "foretold": said,
        "device": "NVIDIA H200", "torch": "2.13.0", "fits": True,
        "tensors_gib": 1.25, "reserved_gib": 1.5, "process_gib": 2.0,
    }  # fmt: skip
    out, kept = tmp_path / "grid.jsonl", tmp_path / "measured.toml"
    out.write_text(json.dumps(told) + "\n")
    assert grid.main(["--minutes", "0", "--out", str(out), "--keep", str(kept)]) == 0
    (row,) = read_measured(kept)
    assert (row.card, row.process_gib, row.date) == ("NVIDIA H200", 2.0, "2026-01-02")
    assert row.foretold_process_gib == round(said["process_gib"], 3)
    monkeypatch.setattr("engine.measured_rows.measured_rows", lambda: (row,))
    capsys.readouterr()
    assert main(["profiles", "--card", "H200", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["measured"] == [asdict(row)]
    assert main(["profiles", "--card", "H200"]) == 0
    assert "2.00 (" in capsys.readouterr().out
    assert main(["profiles", "--card", "T4"]) == 0
    assert "No row was measured on such a card" in capsys.readouterr().out
