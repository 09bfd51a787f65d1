"""The structure report finds copies, contradictions and markers, and says where."""

from __future__ import annotations

import json
from pathlib import Path

from engine.data.read import read_data
from engine.data.report import Structure, report_structure


def report(tmp_path: Path, pairs: list[tuple[str, str]]) -> Structure:
    path = tmp_path / "rows.jsonl"
    rows = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in pairs]
    path.write_text("\n".join(rows))
    return report_structure(read_data(path))


def test_copies_are_found_whatever_case_and_spaces(tmp_path: Path) -> None:
    found = report(tmp_path, [("What is it?", "A cat."), ("what  is it", "a CAT"), ("Who?", "I.")])

    assert (found.num_duplicates, found.num_contradictions) == (1, 0)
    [finding] = found.findings
    assert finding.id == "data.duplicates" and "line 2" in finding.message


def test_one_question_with_two_answers_is_a_contradiction(tmp_path: Path) -> None:
    found = report(tmp_path, [("Who?", "I."), ("Why?", "So."), ("who", "You."), ("who", "you")])

    assert (found.num_duplicates, found.num_contradictions) == (1, 1)
    said = {finding.id: finding.message for finding in found.findings}
    assert "2 rows" in said["data.contradictions"] and "lines 1, 3" in said["data.contradictions"]


def test_markers_and_echoes(tmp_path: Path) -> None:
    found = report(tmp_path, [("a", "N/A"), ("b", "<nooutput>"), ("c", " c "), ("d", "None of it")])

    said = {finding.id: finding.message for finding in found.findings}
    assert "2 rows" in said["data.marker-answers"]
    assert "line 3" in said["data.echo"]


def test_text_decoded_wrongly_is_told(tmp_path: Path) -> None:
    found = report(
        tmp_path, [("a", "caf\u00c3\u00a9"), ("b", "caf\u00e9"), ("c", "it\u00e2\u20ac\u2122s")]
    )

    [finding] = found.findings
    assert finding.id == "data.mojibake" and "lines 1, 3" in finding.message


def test_lengths_and_sample(tmp_path: Path) -> None:
    found = report(tmp_path, [(str(number), "x" * number) for number in range(1, 101)])

    assert found.answer_chars is not None
    assert (found.answer_chars.p50, found.answer_chars.p95, found.answer_chars.longest) == (
        50,
        95,
        100,
    )
    assert len(found.sample) == 3
    assert found.findings == ()


def test_a_file_without_usable_rows_still_reports(tmp_path: Path) -> None:
    found = report(tmp_path, [("a", "")])
    assert (found.num_rows, found.prompt_chars, found.sample) == (0, None, ())
