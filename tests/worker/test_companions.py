from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from engine.worker.companions import edit_json, stored_dtype, write_config, write_tokenizer
from tests.export.trained_run import make_base

TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
CONFIGS = ("config.json", "generation_config.json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("companions") / "base", dtype="bfloat16")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def _trained(base: Path, folder: Path) -> Path:
    """The tokenizer as training writes it: by save_pretrained, so in other bytes."""
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


def _same(base: Path, target: Path, names: tuple[str, ...]) -> bool:
    return all((base / name).read_bytes() == (target / name).read_bytes() for name in names)


def test_an_unchanged_tokenizer_is_the_bases_own_byte_for_byte(
    base: Path, tmp_path: Path, target: Path
) -> None:
    trained = _trained(base, tmp_path / "trained")
    (trained / "tokenizer_config.json").write_text(
        (trained / "tokenizer_config.json").read_text() + "\n"
    )
    template = (base / "chat_template.jinja").read_text()
    assert write_tokenizer(base, trained, target, template) == []
    assert _same(base, target, TOKENIZER)


def test_another_template_is_written_over_the_bases_files(
    base: Path, tmp_path: Path, target: Path
) -> None:
    trained = _trained(base, tmp_path / "trained")
    (note,) = write_tokenizer(base, trained, target, "{{ messages[0]['content'] }}")
    assert "template" in note
    assert _same(base, target, ("tokenizer.json",))
    loaded = AutoTokenizer.from_pretrained(target)
    assert loaded.chat_template == "{{ messages[0]['content'] }}"


def test_a_tokenizer_that_changed_is_taken_whole(base: Path, tmp_path: Path, target: Path) -> None:
    trained = tmp_path / "trained"
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(trained)
    (note,) = write_tokenizer(base, trained, target, tokenizer.chat_template)
    assert "transformers 5" in note
    assert "<new>" in AutoTokenizer.from_pretrained(target).get_vocab()


def test_config_files_stay_as_published(base: Path, target: Path) -> None:
    end = json.loads((base / "config.json").read_text())["eos_token_id"]
    assert write_config(base, target, dtype="bfloat16", end_id=end, end_token="<|end|>") == []
    assert _same(base, target, CONFIGS)


def test_only_what_differs_is_edited(base: Path, target: Path) -> None:
    (note,) = write_config(base, target, dtype="float32", end_id=7, end_token="<|stop|>")
    assert "<|stop|>" in note
    before, after = (json.loads((f / "config.json").read_text()) for f in (base, target))
    assert before | {"dtype": "float32"} == after
    old, new = (json.loads((f / "generation_config.json").read_text()) for f in (base, target))
    assert new["eos_token_id"] == [old["eos_token_id"], 7]


def test_an_end_token_is_said_even_where_the_base_has_no_file(
    base: Path, tmp_path: Path, target: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    (bare / "generation_config.json").unlink()
    edit_json(bare / "config.json", {}, remove=("eos_token_id",))
    write_config(bare, target, dtype="bfloat16", end_id=7, end_token="<|stop|>")
    assert json.loads((target / "generation_config.json").read_text()) == {"eos_token_id": [7]}


def test_the_dtype_is_read_from_the_weights_where_the_config_is_silent(
    base: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(base, bare)
    edit_json(bare / "config.json", {}, remove=("dtype",))
    assert stored_dtype(base) == stored_dtype(bare) == "bfloat16"
