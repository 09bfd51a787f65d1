"""Writes the first rows of the good dataset once per file format and row format.

python -m samples.build.make_formats
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

SAMPLES = Path(__file__).resolve().parent.parent
NUM_ROWS = 20


def main() -> None:
    """Write samples/formats/ from samples/good.jsonl."""
    folder = SAMPLES / "formats"
    folder.mkdir(exist_ok=True)
    lines = (SAMPLES / "good.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line)["messages"] for line in lines]
    single = [row for row in rows if [turn["role"] for turn in row] == ["user", "assistant"]]
    pairs = [(row[0]["content"], row[1]["content"]) for row in single[:NUM_ROWS]]

    alpaca = [{"instruction": q, "input": "", "output": a} for q, a in pairs]
    (folder / "alpaca.json").write_text(json.dumps(alpaca, indent=1) + "\n", encoding="utf-8")
    _write_jsonl(folder / "messages.jsonl", [{"messages": row} for row in rows[:NUM_ROWS]])
    _write_jsonl(folder / "sharegpt.jsonl", [_sharegpt(row) for row in rows[:NUM_ROWS]])
    _write_csv(folder / "prompt_completion.csv", ("prompt", "completion"), pairs)
    _write_csv(folder / "question_answer.csv", ("question", "answer"), pairs)
    columns = {"prompt": [q for q, _ in pairs], "completion": [a for _, a in pairs]}
    pq.write_table(pa.table(columns), folder / "prompt_completion.parquet")
    print(f"wrote {len(list(folder.iterdir()))} files of {NUM_ROWS} rows to {folder}")


def _sharegpt(messages: list[dict[str, str]]) -> dict[str, list[dict[str, str]]]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {
        "conversations": [
            {"from": names[turn["role"]], "value": turn["content"]} for turn in messages
        ]
    }


def _write_jsonl(path: Path, rows: list[dict[str, list[dict[str, str]]]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _write_csv(path: Path, header: tuple[str, str], rows: list[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
