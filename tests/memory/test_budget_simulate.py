"""`tailfin budget`: the simulated tier beside the estimate, and where the length is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.bundled import bundled
from engine.cli.main import main
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from tests.memory.shapes import LLAMA_8B_CONFIG

MODEL, DATA = str(bundled("samples") / "model"), str(bundled("samples") / "good.jsonl")


def _answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def _length(answer: dict[str, Any]) -> str:
    return str(next(f["message"] for f in answer["findings"] if f["id"] == "budget.length"))


@pytest.mark.slow
def test_the_simulation_stands_beside_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", MODEL, "--max-length", "128", "--card", "T4", "--simulate", "--json"]
    assert main(["budget", *words]) == 0
    data = _answer(capsys)["data"]
    assert data["tier"] == "simulate" and data["estimate"]["tier"] == "estimate"
    assert data["fits"] is True and data["seconds"] > 0
    assert data["peak_gib"] == max(one["process_gib"] for one in data["phases"].values())
    assert data["peak_gib"] == pytest.approx(data["estimate"]["peak_gib"], rel=0.05)
    for phase in data["phases"].values():
        assert phase["tensors_gib"] <= phase["reserved_gib"] <= phase["process_gib"]
    assert isinstance(data["not_modelled"], list) and data["assumptions"]


@pytest.mark.slow
def test_a_fix_that_is_applied_needs_what_was_said(capsys: pytest.CaptureFixture[str]) -> None:
    usual = ["budget", "--model", MODEL, "--max-length", "2048", "--gpu-gib", "0.88"]
    usual += ["--set", "train.micro_batch=8", "--simulate", "--json"]
    assert main(usual) == 1
    fixes = _answer(capsys)["data"]["fixes"]
    assert [fix["fits"] for fix in fixes] == sorted((fix["fits"] for fix in fixes), reverse=True)
    first = fixes[0]
    sets = [word for one in first["sets"] for word in ("--set", one)]
    main([word for word in usual if word not in {"train.micro_batch=8", "--set"}] + sets)
    again = _answer(capsys)["data"]
    assert again["peak_gib"] == pytest.approx(first["peak_gib"], rel=1e-9)
    assert again["fits"] is first["fits"]


def test_without_a_stack_the_estimate_answers_and_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torch.py").write_text('raise ModuleNotFoundError("no", name="torch")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    words = ["--model", MODEL, "--max-length", "128", "--card", "T4", "--simulate", "--json"]
    assert main(["budget", *words]) == 0
    answer = _answer(capsys)
    assert answer["data"]["tier"] == "estimate"
    assert answer["data"]["simulation_problem"]["fix"] == "Install it with: tailfin setup"
    told = next(f for f in answer["findings"] if f["id"] == "budget.simulate")
    assert "no training stack" in told["message"]


def test_an_unknown_architecture_without_a_simulation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torch.py").write_text('raise ModuleNotFoundError("no", name="torch")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({**LLAMA_8B_CONFIG, "model_type": "rwkv"}))
    assert main(["budget", "--model", str(tmp_path), "--simulate", "--json"]) == 2
    finding = _answer(capsys)["findings"][0]
    assert finding["id"] == "budget.not-modelled" and "tailfin setup" in finding["fix"]


def test_the_tokens_of_the_data_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["budget", "--model", MODEL, "--data", DATA, "--card", "T4", "--json"]) == 0
    answer = _answer(capsys)
    assert answer["data"]["length"] == 128
    assert _length(answer) == f"128 tokens per row, as counted in {DATA}."


def test_characters_stand_in_where_nobody_can_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA_8B_CONFIG))  # and no tokenizer
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "a" * 200, "completion": "b" * 1000}) + "\n")
    words = ["--model", str(tmp_path), "--data", str(rows), "--card", "H200", "--json"]
    assert main(["budget", *words]) == 0
    answer = _answer(capsys)
    assert answer["data"]["length"] == 448  # 401 tokens, in multiples of 64
    assert "by the characters" in _length(answer) and "3 per token" in _length(answer)


def test_a_file_that_is_not_there_leaves_the_assumption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = read_shape(read_config(MODEL).config).max_positions
    words = ["--model", MODEL, "--data", str(tmp_path / "none.jsonl"), "--card", "T4", "--json"]
    assert main(["budget", *words]) == 0
    answer = _answer(capsys)
    assert answer["data"]["length"] == min(limit, 1024)
    assert "were assumed" in _length(answer)
