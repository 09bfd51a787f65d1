"""The broken data is broken in the way its table says, line by line and file by file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from samples.build.broken_rows import ROWS
from samples.build.make_broken import broken_files

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LINES = (SAMPLES / "broken.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
TABLE = (SAMPLES / "broken" / "README.md").read_text(encoding="utf-8")


def turns(line: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(line)["messages"]
    return found


def roles(line: str) -> list[str]:
    return [turn["role"] for turn in turns(line)]


def answer(line: str) -> Any:
    return turns(line)[-1]["content"]


def unreadable(line: str) -> bool:
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    return False


# The start of each mistake in the table, and what must be true of a line that makes it.
PROOFS: dict[str, Callable[[str], bool]] = {
    "none": lambda line: roles(line) == ["user", "assistant"] and bool(answer(line)),
    "JSON cut off": lambda line: unreadable(line) and not line.endswith("}"),
    "a comma": lambda line: unreadable(line) and not unreadable(line.replace(",}", "}")),
    "empty answer": lambda line: answer(line) == "",
    "no answer": lambda line: roles(line) == ["user"],
    "the same row": lambda line: line == LINES[0],
    "a ShareGPT row": lambda line: "from" in json.loads(line)["conversations"][0],
    "roles in the wrong order": lambda line: roles(line) == ["assistant", "user"],
    "two user turns": lambda line: roles(line) == ["user", "user", "assistant"],
    "unknown role": lambda line: "bot" in roles(line),
    "the system turn": lambda line: "system" in roles(line)[1:],
    "the answer is null": lambda line: answer(line) is None,
    "the answer is a number": lambda line: isinstance(answer(line), int),
    "the answer is a list": lambda line: isinstance(answer(line), list),
    "the question is so long": lambda line: len(turns(line)[0]["content"].split()) > 1024,
    "the answer is so long": lambda line: len(answer(line).split()) > 1024,
    "the question copied": lambda line: answer(line) == turns(line)[0]["content"],
    "control tokens": lambda line: "<|end|>" in answer(line),
    "mojibake": lambda line: answer(line) != answer(line).encode("cp1252").decode("utf-8"),
    "a marker": lambda line: answer(line) == "N/A",
    "another answer": lambda line: (
        turns(line)[0] == turns(LINES[0])[0] and answer(line) != answer(LINES[0])
    ),
    "columns": lambda line: set(json.loads(line)) == {"question", "answer"},
    "a conversation without": lambda line: turns(line) == [],
    "a list where": lambda line: isinstance(json.loads(line), list),
    "two rows": lambda line: unreadable(line) and not unreadable(line.split("}]}")[0] + "}]}"),
    "an empty line": lambda line: line == "",
}


@pytest.mark.parametrize("number", range(1, len(LINES) + 1))
def test_each_line_makes_the_mistake_of_its_table_row(number: int) -> None:
    row = re.search(rf"^\| {number} \| ([^|]+) \|", TABLE, re.MULTILINE)
    assert row is not None
    (proof,) = [proof for start, proof in PROOFS.items() if row[1].startswith(start)]
    assert proof(LINES[number - 1])


def test_every_mistake_has_its_line() -> None:
    assert len(LINES) == len(PROOFS)
    assert [row.line for row in ROWS] == LINES


def test_at_least_half_of_the_mistakes_were_reported_in_public() -> None:
    reports = [row.report for row in ROWS[1:]] + [file.report for file in broken_files()]
    cited = [report for report in reports if re.fullmatch(r"https://github\.com/\S+/\d+", report)]
    assert 2 * len(cited) >= len(reports)


def test_files_are_what_the_script_writes() -> None:
    folder = SAMPLES / "broken"
    files = {file.name: file.content for file in broken_files()}
    assert {p.name for p in folder.iterdir()} == {*files, "README.md"}
    for name, content in files.items():
        assert (folder / name).read_bytes() == content
        assert f"| {name} |" in TABLE


def test_files_are_broken_in_their_way() -> None:
    content = {file.name: file.content for file in broken_files()}
    assert content["html_page.json"].startswith(b"<!DOCTYPE html>")
    assert content["lfs_pointer.jsonl"].startswith(b"version https://git-lfs")
    assert content["empty.jsonl"] == b""
    for name in ("cut_off.json", "trailing_comma.json"):
        with pytest.raises(json.JSONDecodeError):
            json.loads(content[name])
    assert json.loads(content["trailing_comma.json"].replace(b",\n]", b"]"))
    with pytest.raises(UnicodeDecodeError):
        content["latin1.csv"].decode("utf-8")
    assert "Grüße" in content["latin1.csv"].decode("latin-1")
    assert len(json.loads(content["json_array_named.jsonl"])) == 5
    mixed = [json.loads(line) for line in content["mixed_formats.jsonl"].splitlines()]
    assert [min(row) for row in mixed] == ["messages", "input", "conversations", "messages"]
