from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from engine.evaluate.delivered import Delivered, find_delivered
from engine.export.card import LoadFacts, base_name, is_hub_name, model_card
from engine.export.targets import Form
from tests.export.trained_run import write_run


def _delivered(folder: Path, method: str = "lora", base: str = "") -> Delivered:
    run, _ = write_run(folder / "run", Path(base or folder / "tiny-base"), method)
    (run.adapter if method in ("lora", "qlora") else run.model).mkdir()
    return find_delivered(run)


@pytest.mark.parametrize(
    ("method", "form"),
    [("lora", "adapter"), ("lora", "merged"), ("qlora", "adapter"), ("full", "merged")],
)
def test_a_card_tells_no_path_of_the_box(tmp_path: Path, method: str, form: Form) -> None:
    card = model_card(_delivered(tmp_path, method), form, LoadFacts("float32", 0), [])
    assert str(tmp_path) not in card
    assert "/home/someone" not in card and "secret" not in card
    assert "animals.jsonl" in card


def test_a_card_has_what_a_reader_asks(tmp_path: Path) -> None:
    card = model_card(_delivered(tmp_path), "adapter", LoadFacts("float32", 0), ["Mind the gap."])
    for said in ("tiny-base", "Rank, alpha, dropout | 4, 32, 0", "Seed | 42", "Mind the gap."):
        assert said in card
    assert "Rows trained | 40" in card
    assert "See the base model's licence" in card
    assert "torch 2.13.0" in card


@pytest.mark.parametrize("bits", [0, 4, 8])
@pytest.mark.parametrize("form", ["adapter", "merged"])
def test_the_way_to_load_it_is_valid_python(tmp_path: Path, form: Form, bits: int) -> None:
    method = "qlora" if bits else "lora"
    card = model_card(_delivered(tmp_path, method), form, LoadFacts("bfloat16", bits), [])
    (code,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    ast.parse(code)
    assert ("BitsAndBytesConfig" in code) == (bool(bits) and form == "adapter")
    assert ("PeftModel" in code) == (form == "adapter")


def test_a_hub_base_is_named_and_linked(tmp_path: Path) -> None:
    card = model_card(
        _delivered(tmp_path, base="Qwen/Qwen3-0.6B"), "adapter", LoadFacts("float32", 0), []
    )
    head = card.split("---")[1]
    assert "base_model: Qwen/Qwen3-0.6B" in head
    assert "library_name: peft" in head
    assert 'from_pretrained("Qwen/Qwen3-0.6B"' in card


def test_a_local_base_is_named_without_its_place(tmp_path: Path) -> None:
    assert base_name(str(tmp_path / "my-base")) == "my-base"
    assert not is_hub_name(str(tmp_path / "my-base"))
    head = model_card(_delivered(tmp_path), "merged", LoadFacts("float32", 0), []).split("---")[1]
    assert "base_model:" not in head
