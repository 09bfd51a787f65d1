"""What the budget suggests can be pasted behind it, and then nothing more is suggested."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from tests.memory.shapes import LLAMA_8B_CONFIG


@pytest.fixture
def line(tmp_path: Path) -> list[str]:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B_CONFIG))
    return ["budget", "--model", str(tmp_path), "--card", "T4"]


def _data(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    return data


def _until_blank(text: str) -> list[str]:
    return text.partition("\n\n")[0].splitlines()


def test_words_that_are_printed_make_it_fit(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*line, "--max-length", "512"]) == 1
    _, _, said = capsys.readouterr().out.partition("Where nothing was chosen, T4 suggests:\n")
    words = [shlex.split(row.partition("  " * 2)[0]) for row in _until_blank(said)]
    assert [word[:2] for word in words] == [
        ["--set", "profile=qlora"],
        ["--set", "model.dtype=float16"],
        ["--set", "train.micro_batch=8"],
        ["--set", "train.accumulation=2"],
    ]
    pasted = [part for word in words for part in word[:2]]
    assert main([*line, "--max-length", "512", *pasted]) == 0
    assert "suggests" not in capsys.readouterr().out


def test_what_was_chosen_is_not_suggested(
    line: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*line, "--method", "lora", "--json"])
    suggested = _data(capsys)["suggested"]
    assert {one["path"] for one in suggested} == {
        *("profile", "model.dtype", "train.micro_batch", "train.accumulation"),
    }
    assert all(set(one) == {"path", "value", "why"} for one in suggested)
    spec = tmp_path / "spec.toml"
    spec.write_text(f'profile = "qlora"\n[model]\npath = "{tmp_path}"\n[data]\npath = "d"\n')
    main(["budget", str(spec), "--card", "T4", "--set", "train.micro_batch=1", "--json"])
    assert [one["path"] for one in _data(capsys)["suggested"]] == ["model.dtype"]


def test_an_assumed_length_is_not_suggested(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*line, "--json"])
    assert "data.max_length" not in {one["path"] for one in _data(capsys)["suggested"]}
