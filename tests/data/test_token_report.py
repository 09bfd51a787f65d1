"""The core asks a real worker process and understands every way it can end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.data.token_report import report_tokens
from engine.errors import TailfinError
from engine.spec import Spec
from tests.worker.tiny_tokenizer import byte_tokenizer


def spec_for(folder: Path) -> Spec:
    byte_tokenizer().save_pretrained(folder / "model")
    data = folder / "rows.jsonl"
    data.write_text(json.dumps({"prompt": "a", "completion": "b"}))
    return Spec.model_validate(
        {"model": {"path": str(folder / "model")}, "data": {"path": str(data)}}
    )


def test_the_answer_comes_back_typed(tmp_path: Path) -> None:
    told = report_tokens(spec_for(tmp_path))

    assert (told.template, told.stop_tokens, told.num_rows) == ("plain", ("</s>",), 1)
    assert (told.lengths.max_length, told.model_limit) == (64, 0)
    assert [f.id for f in told.findings] == ["template.plain"]


def test_the_workers_own_error_comes_back(tmp_path: Path) -> None:
    spec = spec_for(tmp_path)
    (tmp_path / "model" / "tokenizer.json").unlink()

    with pytest.raises(TailfinError, match=r"tokenizer of .* could not be loaded") as caught:
        report_tokens(spec)
    assert (caught.value.error_id, caught.value.exit_code) == ("model.no-tokenizer", 2)


def test_a_worker_that_dies_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("#!/bin/sh\necho half >&1; echo out of luck >&2; exit 7\n")
    interpreter.chmod(0o755)
    monkeypatch.setenv("TAILFIN_PYTHON", str(interpreter))

    with pytest.raises(TailfinError, match="ended with code 7: out of luck") as caught:
        report_tokens(spec_for(tmp_path))
    assert caught.value.exit_code == 1
