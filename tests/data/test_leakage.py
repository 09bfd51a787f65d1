"""Held-out rows that training has seen are said, not measured in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.bundled import bundled
from engine.data.leakage import leaked, refuse_same_file
from engine.data.read import read_data
from engine.data.rows import Message, Row
from engine.errors import TailfinError
from engine.runs.preflight import check_place
from engine.spec import Spec


def _row(question: str, answer: str = "yes") -> Row:
    return Row((Message("user", question), Message("assistant", answer)), 0, 1)


def test_the_same_question_in_other_letters_is_found() -> None:
    train = [_row("Where is the owl?"), _row("Who swims?")]
    [finding] = leaked(train, [_row("where is the OWL", "no"), _row("Who flies?")], "held.jsonl")
    assert finding.severity == "warn" and finding.where == "held.jsonl"
    assert finding.message.startswith("1 of 2 held-out rows")
    assert leaked(train, [_row("Who flies?")], "held.jsonl") == []


def test_the_training_file_under_another_name_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("{}")
    link = tmp_path / "held.jsonl"
    os.link(data, link)
    for name in (data, link, tmp_path / "." / "rows.jsonl"):
        with pytest.raises(TailfinError) as caught:
            refuse_same_file(str(data), str(name))
        assert caught.value.error_id == "data.eval-is-train"
    refuse_same_file(str(data), "")
    refuse_same_file(str(data), str(tmp_path / "missing.jsonl"))


def test_a_run_on_its_own_held_out_file_is_refused_before_it_starts(tmp_path: Path) -> None:
    samples = bundled("samples")
    good = str(samples / "good.jsonl")
    spec = Spec.model_validate(
        {"model": {"path": str(samples / "model")}, "data": {"path": good, "eval_path": good}}
    )
    with pytest.raises(TailfinError, match="training file itself"):
        check_place(spec, tmp_path)


def test_the_bundled_held_out_rows_are_new() -> None:
    samples = bundled("samples")
    train, held_out = read_data(samples / "good.jsonl"), read_data(samples / "held_out.jsonl")
    assert leaked(train.rows, held_out.rows, "") == []
