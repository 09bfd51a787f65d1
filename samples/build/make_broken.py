"""Writes the broken data: samples/broken.jsonl, samples/broken/ and the tables that explain them.

python -m samples.build.make_broken
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from samples.build.broken_rows import ROWS, Mistake
from samples.build.make_data import SAMPLES

NUM_GOOD_ROWS = 5


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A file with one mistake, where the mistake concerns the file and not a row."""

    name: str
    content: bytes
    mistake: str
    report: str = ""
    """Address of a public report of the same mistake; empty where none is cited."""


def main() -> None:
    """Write samples/broken.jsonl, the files in samples/broken/ and its README.md."""
    folder = SAMPLES / "broken"
    folder.mkdir(exist_ok=True)
    text = "".join(row.line + "\n" for row in ROWS)
    (SAMPLES / "broken.jsonl").write_text(text, encoding="utf-8")
    files = broken_files()
    for file in files:
        (folder / file.name).write_bytes(file.content)
    (folder / "README.md").write_text(_tables(ROWS, files), encoding="utf-8")
    print(f"wrote {len(ROWS)} broken rows and {len(files)} broken files to {SAMPLES}")


def broken_files() -> list[BrokenFile]:
    """Every file of samples/broken/ with its mistake."""
    lines = (SAMPLES / "good.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:NUM_GOOD_ROWS]]
    array = json.dumps(rows, indent=1)
    alpaca = {"instruction": "What is a café?", "input": "", "output": "A place with tables."}
    sharegpt = {
        "conversations": [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}]
    }
    issues = "https://github.com/"
    return [
        BrokenFile(
            "html_page.json",
            _PAGE.encode(),
            "a web page saved under the name of a data file",
            issues + "wesm/pydata-book/issues/42",
        ),
        BrokenFile(
            "lfs_pointer.jsonl",
            _POINTER.encode(),
            "a Git LFS pointer: the note that stands in for a file that was not fetched",
            issues + "biomarkersParkinson/paradigma/issues/250",
        ),
        BrokenFile("empty.jsonl", b"", "no byte at all"),
        BrokenFile(
            "cut_off.json",
            array[: len(array) * 2 // 3].encode(),
            "a JSON array that ends in the middle of a row, as after a broken download",
            issues + "IndoNLP/nusa-crowd/issues/338",
        ),
        BrokenFile(
            "trailing_comma.json",
            (array.removesuffix("\n]") + ",\n]\n").encode(),
            "a comma after the last row of a JSON array",
        ),
        BrokenFile(
            "latin1.csv",
            "question,answer\nWas heißt Grüße?,Schöne Wünsche.\nWas heißt Bär?,Ein Tier.\n".encode(
                "latin-1"
            ),
            "text in Latin-1 instead of UTF-8",
            issues + "zylon-ai/private-gpt/issues/807",
        ),
        BrokenFile(
            "json_array_named.jsonl",
            (array + "\n").encode(),
            "one JSON array under the name of a JSON Lines file",
            issues + "huggingface/datasets/issues/1784",
        ),
        BrokenFile(
            "mixed_formats.jsonl",
            "".join(
                json.dumps(row) + "\n" for row in (rows[0], alpaca, sharegpt, rows[1])
            ).encode(),
            "OpenAI messages, Alpaca and ShareGPT rows in one file",
        ),
    ]


def _tables(rows: tuple[Mistake, ...], files: list[BrokenFile]) -> str:
    lines = [
        "# Broken data",
        "",
        "Made by `samples/build/make_broken.py`; edit that, not this page.",
        "",
        "## ../broken.jsonl: one line per mistake",
        "",
        "| line | mistake | reported in |",
        "|---|---|---|",
    ]
    lines += [f"| {i} | {row.mistake} | {row.report} |" for i, row in enumerate(rows, start=1)]
    lines += [
        "",
        "## Files with a mistake of their own",
        "",
        "| file | mistake | reported in |",
        "|---|---|---|",
    ]
    lines += [f"| {file.name} | {file.mistake} | {file.report} |" for file in files]
    return "\n".join(lines) + "\n"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head><title>Page not found</title></head>
<body><p>This is not the web page you are looking for.</p></body>
</html>
"""
_POINTER = """version https://git-lfs.github.com/spec/v1
oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
size 80066
"""


if __name__ == "__main__":
    main()
