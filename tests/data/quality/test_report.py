"""The structure report finds copies, contradictions and markers, and says where."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data.quality import pipeline
from engine.data.quality.report import Quality, report_quality
from engine.data.source import open_source
from engine.findings import Finding


def report(tmp_path: Path, pairs: list[tuple[str, str]], *, processes: int = 1) -> Quality:
    path = tmp_path / "rows.jsonl"
    rows = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in pairs]
    path.write_text("\n".join(rows))
    source = open_source(path)
    return report_quality(source, lambda _done, _total: None, processes=processes)


def _about_rows(found: Quality) -> list[Finding]:
    return [finding for finding in found.findings if finding.severity != "info"]


def test_copies_are_found_whatever_case_and_spaces(tmp_path: Path) -> None:
    found = report(tmp_path, [("What is it?", "A cat."), ("what  is it", "a CAT"), ("Who?", "I.")])

    assert (found.num_duplicates, found.num_contradictions) == (1, 0)
    [finding] = _about_rows(found)
    assert finding.id == "data.duplicates" and "line 2" in finding.message


def test_one_question_with_two_answers_is_a_contradiction(tmp_path: Path) -> None:
    found = report(tmp_path, [("Who?", "I."), ("Why?", "So."), ("who", "You."), ("who", "you")])

    assert (found.num_duplicates, found.num_contradictions) == (1, 1)
    said = {finding.id: finding.message for finding in found.findings}
    assert "2 rows" in said["data.contradictions"] and "lines 1, 3" in said["data.contradictions"]


def test_markers_and_echoes(tmp_path: Path) -> None:
    found = report(
        tmp_path,
        [
            ("a", "N/A"),
            ("b", "<nooutput>"),
            ("What is this thing?!", " what is this thing "),
            ("d", "None of it"),
        ],
    )

    said = {finding.id: finding.message for finding in found.findings}
    assert "2 rows" in said["data.marker-answers"]
    assert "line 3" in said["data.echo"]


def test_text_decoded_wrongly_is_told(tmp_path: Path) -> None:
    found = report(
        tmp_path, [("a", "caf\u00c3\u00a9"), ("b", "caf\u00e9"), ("c", "it\u00e2\u20ac\u2122s")]
    )

    [finding] = _about_rows(found)
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
    assert _about_rows(found) == []


def test_a_file_without_usable_rows_still_reports(tmp_path: Path) -> None:
    found = report(tmp_path, [("a", "")])
    assert (found.num_rows, found.prompt_chars, found.sample) == (0, None, ())


WORDS = [
    "river",
    "stone",
    "garden",
    "winter",
    "letter",
    "bridge",
    "window",
    "silver",
    "morning",
    "harbour",
]


def _text(number: int, count: int = 40) -> str:
    """Words that differ from number to number."""
    return " ".join(
        f"{WORDS[(number * 7 + k * k) % 10]}{chr(97 + (number * 31 + k * 13) % 26) * 2}{chr(97 + (number + k) % 26)}"
        for k in range(count)
    )


def test_a_changed_word_is_a_near_duplicate_and_another_number_is_not(tmp_path: Path) -> None:
    plain = [(f"Tell me of {_text(n, 12)}", _text(n)) for n in range(300)]
    copy = (plain[7][0], plain[7][1].replace(plain[7][1].split()[3], "meadow"))
    sums = [
        (
            f"What is the sum of {n} and {n + 1}, please, for the two of us here?",
            f"The sum of both numbers is {2 * n + 1}, as you can easily check by hand.",
        )
        for n in range(40)
    ]
    found = report(tmp_path, [*plain, copy, *sums])
    near = [one for one in found.tallies if one.id == "data.near-duplicates"]
    assert [one.count for one in near] == [1]
    assert near[0].examples[0].line == 301


def test_the_same_input_with_another_task_is_no_copy(tmp_path: Path) -> None:
    text = _text(3, 80)
    pairs = [(f"Summarise it: {text}", _text(11)), (f"Find the names in it: {text}", _text(29))]
    found = report(tmp_path, pairs)
    assert "data.near-duplicates" not in {one.id for one in found.tallies}


def test_chinese_rows_are_compared_by_characters(tmp_path: Path) -> None:
    base = "春天的早晨阳光洒在湖面上微风吹过柳枝轻轻摇摆孩子们在草地上放风筝老人坐在长椅上聊天远处传来阵阵鸟鸣"
    other = "银行业务需要客户携带有效证件前往柜台办理工作人员会核对信息然后打印凭证交给客户签字确认之后才算完成"
    found = report(
        tmp_path,
        [("描写春天", base), ("怎么办业务", other), ("描写春天", base.replace("孩子", "学生"))],
    )
    assert {one.id: one.count for one in found.tallies}["data.near-duplicates"] == 1


def test_processes_say_what_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_WORTH_STARTING", 0)
    pairs = [
        (f"Tell me of {_text(n, 12)}", "N/A" if n % 50 == 0 else _text(n)) for n in range(5000)
    ]
    alone, together = report(tmp_path, pairs), report(tmp_path, pairs, processes=2)
    assert alone == together
    assert {one.id: one.count for one in alone.tallies}["data.marker-answers"] == 100


def test_how_many_rows_are_enough_is_said(tmp_path: Path) -> None:
    for count, words in ((20, "too few to teach"), (200, "prove the path"), (800, "a usual size")):
        found = report(tmp_path, [(f"Tell me of {_text(n, 12)}", _text(n)) for n in range(count)])
        assert any(words in one.message for one in found.findings if one.id == "data.size")


def test_held_out_rows_that_training_saw_are_told(tmp_path: Path) -> None:
    train = [(f"Tell me of {_text(n, 12)}", _text(n)) for n in range(100)]
    near = (
        train[9][0].replace("Tell", "Talk"),
        train[9][1].replace(train[9][1].split()[5], "hill"),
    )
    held_out = [(f"Sing of {_text(n, 12)[::-1]}", _text(n)[::-1]) for n in range(20)]
    sets = []
    for name, pairs in (("train", train), ("held", [*held_out, train[4], near])):
        path = tmp_path / f"{name}.jsonl"
        path.write_text(
            "".join(json.dumps({"prompt": p, "completion": c}) + "\n" for p, c in pairs)
        )
        sets.append(open_source(path))
    found = report_quality(sets[0], lambda _d, _t: None, held_out=sets[1], processes=1)
    told = {one.id: (one.count, one.examples[0].line) for one in found.tallies if one.examples}
    assert told["data.eval-leak"] == (1, 21)
    assert told["data.eval-near-leak"] == (1, 22)
