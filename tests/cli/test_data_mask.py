"""`tailfin data mask`: every token with what becomes of it, by the real tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.cli.main import main

ROOT = Path(__file__).parents[2]
MODEL = str(ROOT / "samples" / "model")


def mask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["data", "mask", *words, "--model", MODEL])
    return code, capsys.readouterr().out


def test_tokens_are_told_by_words(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = mask(capsys, str(ROOT / "samples" / "good.jsonl"), "--line", "1")
    assert code == 0
    assert "ignored  <|turn|>|us" in said and "trained  " in said and "|<|end|>" in said
    assert "\x1b" not in said


def test_escapes_in_rows_are_inert(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "a\x1b[31m\u202eb[bold]", "completion": "c"}) + "\n")
    _, said = mask(capsys, str(path))
    assert "\x1b" not in said and "\u202e" not in said
    assert "[bold]" in said.replace("|", "")


def test_json_holds_every_token_and_cut_rows_fail(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "word " * 40, "completion": "c"}) + "\n")
    code, said = mask(capsys, str(path), "--max-length", "16", "--json")
    [row] = json.loads(said)["data"]["rows"]
    assert code == 1 and not json.loads(said)["ok"]
    states = [piece["state"] for piece in row["pieces"]]
    assert states == ["ignored"] * 16 + ["cut"] * (row["num_tokens"] - 16)
    assert row["end"] == "cut"
