from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import EXIT_USAGE, TailfinError
from engine.evaluate.delivered import find_delivered
from engine.export.targets import parse_forms, refuse_impossible
from tests.export.trained_run import write_run


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("adapter", ["adapter"]),
        ("adapter,merged", ["adapter", "merged"]),
        (" Merged , adapter,merged", ["merged", "adapter"]),
    ],
)
def test_forms_are_read_in_the_order_written(text: str, forms: list[str]) -> None:
    assert parse_forms(text) == forms


@pytest.mark.parametrize("word", ["gguf", "gguf:q4_k_m", "ollama", "hub", "merged,gguf"])
def test_forms_of_later_versions_are_refused_with_what_there_is(word: str) -> None:
    with pytest.raises(TailfinError, match="not in this version") as caught:
        parse_forms(word)
    assert "adapter, merged" in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("word", ["", "adapters", "adapter,,merged"])
def test_anything_else_is_no_form(word: str) -> None:
    with pytest.raises(TailfinError, match="export form") as caught:
        parse_forms(word)
    assert "adapter, merged" in caught.value.hint


def test_whole_models_have_no_adapter(tmp_path: Path) -> None:
    run, _ = write_run(tmp_path / "run", tmp_path / "base", "full")
    run.model.mkdir()
    refuse_impossible(find_delivered(run), ["merged"])
    with pytest.raises(TailfinError, match="no adapter") as caught:
        refuse_impossible(find_delivered(run), ["adapter", "merged"])
    assert "--to merged" in caught.value.hint
