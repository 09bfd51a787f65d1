"""`tailfin data`: what a user sees, exit codes, and the JSON envelope."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.cli.main import main
from tests.worker.tiny_tokenizer import byte_tokenizer

GOOD = {"prompt": "Where?", "completion": "Here."}
ROOT = Path(__file__).parents[2]


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def answer(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert envelope["schema"] == "tailfin.data/1"
    return envelope


def test_a_good_file_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "report", str(write(tmp_path, GOOD))]) == 0

    said = capsys.readouterr().out
    assert "jsonl, layout prompt_completion" in said
    assert "1 usable, 0 left out" in said
    assert "'Where?'" in said


def test_a_faulty_row_fails_and_is_in_the_envelope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD, {**GOOD, "completion": ""})

    assert main(["data", "report", str(path), "--json"]) == 1

    told = answer(capsys)
    assert told["ok"] is False
    assert (told["data"]["num_rows"], told["data"]["num_left_out"]) == (1, 1)
    assert told["data"]["tokens"] is None
    assert told["data"]["structure"]["answer_chars"]["longest"] == 5
    places = [(f["id"], f["where"]) for f in told["findings"]]
    assert places == [("data.empty-answer", f"{path}:2"), ("data.size", str(path))]


def test_json_may_stand_before_the_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "--json", "report", str(write(tmp_path, GOOD))]) == 0
    assert answer(capsys)["ok"] is True


def test_an_unusable_file_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "page.json"
    path.write_text("<!doctype html>")

    assert main(["data", "report", str(path)]) == 2
    assert "is a web page" in capsys.readouterr().err


def test_a_proposal_exits_with_2_and_its_flags_confirm_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"question": "Where?", "answer": "Here."})

    assert main(["data", "report", str(path)]) == 2
    said = capsys.readouterr().err
    flags = said.split("add: ")[1].split(" (or")[0].split()

    assert main(["data", "report", str(path), "--json", *flags]) == 0
    told = answer(capsys)["data"]
    assert told["layout"] == "columns"
    assert told["columns"] == {"prompt": "question", "completion": "answer"}


def test_a_proposal_is_in_the_envelope_with_the_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"question": "Where?", "answer": None, "n": 1}, {"answer": "Here."})

    assert main(["data", "report", str(path), "--json"]) == 2

    told = answer(capsys)
    assert told["ok"] is False and told["findings"][0]["id"] == "data.mapping-proposed"
    assert told["data"]["proposal"]["columns"] == {"prompt": "question", "completion": "answer"}
    assert "data.columns.prompt=question" in told["data"]["proposal"]["flags"]
    assert told["data"]["fields"] == [
        {"name": "question", "first_value": "Where?"},
        {"name": "answer", "first_value": "Here."},
        {"name": "n", "first_value": "1"},
    ]


def test_a_failing_tokenizer_costs_the_text_report_and_not_the_envelope(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = tmp_path / "python"
    worker.write_text("#!/bin/sh\necho no stack here >&2\nexit 4\n")
    worker.chmod(0o755)
    monkeypatch.setenv("TAILFIN_PYTHON", str(worker))
    words = ["data", "report", str(write(tmp_path, GOOD)), "--model", "any"]

    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out == "" and "no stack here" in said.err
    assert main([*words, "--json"]) == 1
    told = answer(capsys)
    assert (told["ok"], told["data"]["num_rows"], told["data"]["tokens"]) == (False, 1, None)
    assert [finding["id"] for finding in told["findings"]] == ["data.token-report", "data.size"]


def test_a_misspelt_setting_is_corrected(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "report", str(write(tmp_path, GOOD)), "--set", "data.fromat=x"]) == 2
    assert "data.format" in capsys.readouterr().err


def test_tokens_are_counted_with_a_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    byte_tokenizer().save_pretrained(tmp_path / "model")
    path = write(tmp_path, GOOD)
    words = ["--model", str(tmp_path / "model"), "--max-length", "4"]

    assert main(["data", "report", str(path), *words, "--json"]) == 1

    told = answer(capsys)
    assert told["data"]["tokens"]["lengths"]["max_length"] == 4
    assert told["data"]["tokens"]["num_untrained"] == 1
    assert "findings" not in told["data"]["tokens"]
    assert "data.untrained-rows" in [f["id"] for f in told["findings"]]


def test_the_report_shows_tokens_as_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    byte_tokenizer().save_pretrained(tmp_path / "model")
    words = ["--model", str(tmp_path / "model")]

    assert main(["data", "report", str(write(tmp_path, GOOD)), *words]) == 0

    said = capsys.readouterr().out
    assert "max length  64 (suggested) cuts 0 rows (0.0%)" in said
    assert "answers end with </s>" in said


def test_convert_writes_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"instruction": "Wo?", "output": "H\u00e4user", "system": "Kurz."})
    out = tmp_path / "out.jsonl"

    assert main(["data", "convert", str(path), str(out)]) == 0

    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == [
        {
            "messages": [
                {"role": "system", "content": "Kurz."},
                {"role": "user", "content": "Wo?"},
                {"role": "assistant", "content": "H\u00e4user"},
            ]
        }
    ]
    assert "Wrote 1 of 1 rows" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".partial")] == []


def test_convert_stops_at_faults_until_told_to_skip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD, {"prompt": "a"})
    out = tmp_path / "out.jsonl"

    assert main(["data", "convert", str(path), str(out)]) == 1
    assert not out.exists() and "Nothing was written" in capsys.readouterr().out
    assert main(["data", "convert", str(path), str(out), "--skip-bad-rows", "--json"]) == 0
    assert answer(capsys)["data"] == {
        "file": str(path),
        "out": str(out),
        "num_rows": 1,
        "num_left_out": 1,
    }


def test_convert_replaces_nothing_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD)

    assert main(["data", "convert", str(path), str(path)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["data", "convert", str(path), str(path), "--force"]) == 0
    assert "messages" in path.read_text()
    assert main(["data", "convert", str(path), str(tmp_path / "no" / "out.jsonl")]) == 1
    assert "could not be written" in capsys.readouterr().err


def test_the_report_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom engine.cli.main import main\n"
        f"main(['data', 'report', {str(write(tmp_path, GOOD))!r}, '--json'])\n"
        "heavy = {'torch', 'transformers', 'datasets', 'pyarrow', 'trl', 'textual'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
