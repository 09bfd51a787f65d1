"""A person judges rows: nothing is asked twice, and only random rows speak for the set."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from engine.cli.main import main


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    answers = ["N/A" if n == 17 else f"Fine answer number {n}." for n in range(30)]
    path.write_text(
        "".join(
            json.dumps({"prompt": f"Question {n}?", "completion": answer}) + "\n"
            for n, answer in enumerate(answers)
        )
    )
    return path


def judge(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    keys: str,
    *words: str,
) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{key}\n" for key in keys)))
    assert main(["data", "judge", *words]) == 0
    return capsys.readouterr().out


def test_a_sample_gives_a_share_with_an_interval(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = judge(monkeypatch, capsys, "ggbgggggbg", str(file), "--rows", "10")
    assert "2 of 10 rows drawn at random are bad: between 6% and 51% of all rows" in said
    assert said.count("Question ") == 10
    again = judge(monkeypatch, capsys, "", str(file), "--rows", "10")
    assert "Question " not in again and "2 of 10" in again
    assert main(["data", "judge", str(file), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["num_judged"], data["num_bad"], data["share"]) == (10, 2, 0.2)


def test_an_interruption_keeps_what_was_said(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(monkeypatch, capsys, "gb", str(file))
    said = judge(monkeypatch, capsys, "xsgq", str(file))
    assert "1 of 3 rows" in said


def test_suspicious_rows_come_first_and_do_not_speak_for_the_set(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = judge(monkeypatch, capsys, "b", str(file), "--suspicious")
    assert "line 18" in said.split("assistant")[0] and "N/A" in said
    assert "No row drawn at random has been judged yet." in said


def test_a_changed_row_is_asked_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    judge(monkeypatch, capsys, "g" * 30, str(file))
    file.write_text(file.read_text().replace("Fine answer number 3.", "Changed \\u001b[31m."))
    said = judge(monkeypatch, capsys, "b", str(file))
    assert said.count("Question ") == 1 and "\x1b" not in said and "1 of 30" in said
