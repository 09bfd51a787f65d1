from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.evaluate.report import (
    AnswerPair,
    AnswerSummary,
    EvalReport,
    RowLoss,
    Speech,
    last_report,
    made_at,
    measure,
    plain,
    read_answers,
    read_report,
    write_report,
)
from engine.runs.store import RunFolder


def _report(loss: float = 1.0) -> EvalReport:
    return EvalReport(
        run="r",
        created="2026-11-23",
        method="lora",
        base_model="b",
        base_form="as published",
        dtype="float32",
        device="cpu",
        max_length=8,
        num_rows=1,
        num_tokens=2,
        num_cut=0,
        base=measure(loss, 1, 2),
        tuned=None,
        difference=None,
        answers=AnswerSummary(
            num_questions=1, max_new_tokens=4, base_hit_limit=0.0, tuned_hit_limit=1.0
        ),
        versions={},
        rows=[RowLoss(record=0, line=1, num_tokens=2, base_loss=loss, tuned_loss=loss)],
    )


def _job(folder: Path) -> RunFolder:
    folder.mkdir(parents=True)
    return RunFolder(folder)


def test_measures_are_per_token() -> None:
    found = measure(total_loss=6.0, num_correct=1, num_tokens=4)
    assert (found.loss, found.accuracy) == (1.5, 0.25)
    assert found.perplexity == pytest.approx(math.exp(1.5))


def test_an_endless_perplexity_is_said_as_such() -> None:
    assert measure(total_loss=1e6, num_correct=0, num_tokens=1).perplexity == math.inf


def test_a_nan_comes_back_as_a_nan(tmp_path: Path) -> None:
    job = _job(tmp_path / "job")
    write_report(job, _report(math.nan), [])
    assert '"NaN"' in (job.path / "report.json").read_text()
    read = read_report(job)
    assert read.base is not None and math.isnan(read.base.loss)
    base = plain(read)["base"]
    assert isinstance(base, dict) and base["loss"] == "NaN"


def test_answers_with_any_line_break_come_back(tmp_path: Path) -> None:
    job = _job(tmp_path / "job")
    speech = Speech(text="one\ntwo\u2028three\x1b[2J", num_tokens=3, hit_limit=False)
    pair = AnswerPair(messages=[], reference="", base=speech, tuned=speech)
    write_report(job, _report(), [pair, pair])
    assert read_answers(job) == [pair, pair]


def test_a_damaged_report_is_an_error_with_its_path(tmp_path: Path) -> None:
    job = _job(tmp_path / "job")
    write_report(job, _report(), [])
    whole = (job.path / "report.json").read_bytes()
    (job.path / "report.json").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TailfinError, match="damaged") as caught:
        read_report(job)
    assert caught.value.where.endswith("report.json")


def test_the_last_readable_report_of_a_run_is_taken(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert last_report(run) is None
    for name, loss in (("20260101-000000-evaluate", 3.0), ("20260102-000000-evaluate", 2.0)):
        write_report(_job(run.jobs / name), _report(loss), [])
    (_job(run.jobs / "20260103-000000-evaluate").path / "report.json").write_text("{")
    found = last_report(run)
    assert found is not None and found.base is not None and found.base.loss == 1.0


def test_what_was_measured_before_an_attempt_began_is_about_other_weights(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    made = _report().model_copy(update={"created": "2026-11-23T12:00:00+0100"})
    write_report(_job(run.jobs / "20261123-120000-evaluate"), made, [])
    noon = datetime(2026, 11, 23, 11, tzinfo=UTC).timestamp()
    assert last_report(run, since=noon + 0.9) == made
    assert last_report(run, since=noon + 2) is None
    assert made_at("not a time") == 0.0
