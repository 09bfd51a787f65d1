"""Models load the way the spec asks, with progress in bytes."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from engine.errors import TailfinError
from engine.worker import load_progress
from engine.worker.load import load_model, pick_dtype
from tests.worker.tiny_model import NUM_LAYERS, a_spec, loaded, write_tiny_llama


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("base"))


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base, tmp_path / "copy")


def trained_names(model: Any) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_lora_leaves_the_base_frozen_and_whole(base: Path) -> None:
    result = loaded(base, method="lora")
    assert (result.dtype, result.quantized, result.device) == ("float32", 0, "cpu")
    assert result.findings == ()
    assert trained_names(result.model) == set()
    original = LlamaForCausalLM.from_pretrained(base, dtype=torch.float32).state_dict()
    for name, weight in result.model.state_dict().items():
        assert torch.equal(weight, original[name]), name
    assert result.tokenizer("hello").input_ids


def test_full_trains_everything(base: Path) -> None:
    model = loaded(base, method="full").model
    assert trained_names(model) == {name for name, _ in model.named_parameters()}


def test_freeze_trains_the_last_layers_and_nothing_else(base: Path) -> None:
    model = loaded(base, method="freeze", trainable_layers=2).model
    names = trained_names(model)
    assert {name.split(".")[2] for name in names} == {"1", "2"}
    assert all(name.startswith("model.layers.") for name in names)
    with pytest.raises(TailfinError) as caught:
        loaded(base, method="freeze", trainable_layers=NUM_LAYERS + 1)
    assert caught.value.where == "train.trainable_layers"
    assert str(NUM_LAYERS) in caught.value.hint


def test_frozen_layers_keep_their_bits_through_a_step(base: Path) -> None:
    result = loaded(base, method="freeze", trainable_layers=1)
    before = {name: weight.clone() for name, weight in result.model.state_dict().items()}
    trained = trained_names(result.model)
    optimizer = torch.optim.AdamW([p for p in result.model.parameters() if p.requires_grad], 1e-2)
    ids = torch.tensor([[5, 6, 7, 8]])
    result.model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    moved = {n for n, w in result.model.state_dict().items() if not torch.equal(w, before[n])}
    assert moved == trained


@pytest.mark.parametrize("bits", [4, 8])
def test_qlora_quantises_on_the_cpu_and_can_be_trained(base: Path, bits: int) -> None:
    import bitsandbytes as bnb
    from peft import LoraConfig, get_peft_model

    result = loaded(base, method="qlora", quantize_bits=bits)
    kind = bnb.nn.Linear4bit if bits == 4 else bnb.nn.Linear8bitLt
    layer = result.model.model.layers[0].mlp.down_proj
    assert isinstance(layer, kind)
    assert result.quantized == bits
    assert not isinstance(result.model.lm_head, kind)
    if bits == 4:
        assert layer.weight.quant_state.nested, "the scales are quantised too"
        assert layer.weight.quant_state.quant_type == "nf4"
    model = get_peft_model(result.model, LoraConfig(task_type="CAUSAL_LM", r=4))
    ids = torch.tensor([[5, 6, 7, 8]])
    model(input_ids=ids, labels=ids).loss.backward()
    gradients = [p.grad for n, p in model.named_parameters() if "lora_B" in n]
    assert all(g is not None and g.abs().sum() > 0 for g in gradients)


def test_double_quantisation_can_be_left_out(base: Path) -> None:
    layer = loaded(base, method="qlora", double_quant=False).model.model.layers[0].mlp.up_proj
    assert not layer.weight.quant_state.nested


def test_settings_of_the_model_arrive(base: Path) -> None:
    result = loaded(base, model={"dtype": "bfloat16", "attention": "eager"})
    assert result.dtype == "bfloat16"
    assert next(result.model.parameters()).dtype == torch.bfloat16
    assert result.model.config._attn_implementation == "eager"
    assert loaded(base).model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    ("wanted", "method", "on_gpu", "has_bf16", "expected"),
    [
        ("auto", "lora", True, True, "bfloat16"),
        ("auto", "full", True, True, "bfloat16"),
        ("auto", "lora", True, False, "float16"),
        ("auto", "qlora", True, False, "float16"),
        ("auto", "full", True, False, "float32"),
        ("auto", "freeze", True, False, "float32"),
        ("auto", "qlora", False, True, "float32"),
        ("bfloat16", "full", False, True, "bfloat16"),
        ("float32", "qlora", True, True, "float32"),
        ("float16", "lora", True, True, "float16"),
    ],
)
def test_the_number_format_fits_the_device(
    wanted: Any, method: Any, on_gpu: bool, has_bf16: bool, expected: str
) -> None:
    assert pick_dtype(wanted, method, on_gpu=on_gpu, has_bf16=has_bf16) == expected


@pytest.mark.parametrize(("method", "on_gpu"), [("full", True), ("freeze", True), ("lora", False)])
def test_float16_is_refused_where_it_cannot_work(method: Any, on_gpu: bool) -> None:
    with pytest.raises(TailfinError) as caught:
        pick_dtype("float16", method, on_gpu=on_gpu, has_bf16=True)
    assert caught.value.where == "model.dtype"


def test_lost_updates_are_measured(base: Path) -> None:
    model = {"dtype": "bfloat16"}
    found = loaded(base, method="full", learning_rate=1e-6, model=model).findings
    assert [finding.id for finding in found] == ["model.lost-updates"]
    assert "1e-06" in found[0].message
    assert loaded(base, method="full", learning_rate=1e-2, model=model).findings == ()
    assert loaded(base, method="lora", learning_rate=1e-6, model=model).findings == ()


def test_progress_is_in_bytes_of_the_weights(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.worker.load_progress._REPORT_EVERY_S", 0.0)
    seen: list[tuple[int, int]] = []
    load_model(str(base), a_spec(), report=lambda done, total: seen.append((done, total)))
    weights = sum(p.numel() * 4 for p in LlamaForCausalLM.from_pretrained(base).parameters())
    assert {total for _, total in seen} == {weights}
    done = [done for done, _ in seen]
    assert done[0] == 0
    assert done[-1] == weights
    assert done == sorted(done)
    steps = {b - a for a, b in pairwise(done)} - {0}
    assert len(steps) > 3, "parameters weigh what they are, not one each"
    assert 512 * 64 * 4 in steps, "the embedding came in one step of its size"


def test_progress_is_silent_between_half_seconds(base: Path) -> None:
    seen: list[int] = []
    load_model(str(base), a_spec(), report=lambda done, total: seen.append(done))
    assert len(seen) <= 4


def test_pickled_weights_load_with_progress_too(
    copy: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.worker.load_progress._REPORT_EVERY_S", 0.0)
    model = LlamaForCausalLM.from_pretrained(base)
    for path in copy.glob("model*"):
        path.unlink()
    torch.save(model.state_dict(), copy / "pytorch_model.bin")
    seen: list[tuple[int, int]] = []
    result = load_model(str(copy), a_spec(), report=lambda done, total: seen.append((done, total)))
    assert torch.equal(result.model.lm_head.weight, model.lm_head.weight)
    assert seen[-1][0] == seen[-1][1] == (copy / "pytorch_model.bin").stat().st_size
    assert len({done for done, _ in seen}) > 5


def test_the_bar_of_others_is_left_alone_and_restored(base: Path) -> None:
    from transformers.utils import logging

    def theirs(factory: Any, args: Any, kwargs: Any) -> Any:
        return factory(*args, **kwargs)

    before = logging.set_tqdm_hook(theirs)
    try:
        loaded(base)
    finally:
        assert logging.set_tqdm_hook(before) is theirs


def test_loading_never_asks_the_hub(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("loading opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    assert loaded(base).model is not None


@pytest.fixture
def frozen_volume(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Weights that do not come until the event is set."""
    release = threading.Event()
    original = load_progress._counted

    def waiting(items: list[Any], *rest: Any) -> Iterator[Any]:
        for number, item in enumerate(original(items, *rest)):
            if number == 2:
                release.wait(20)
            yield item

    monkeypatch.setattr("engine.worker.load_progress._counted", waiting)
    yield release
    release.set()


def test_a_volume_that_stands_still_is_told(base: Path, frozen_volume: threading.Event) -> None:
    told: list[tuple[float, str]] = []

    def on_stall(seconds: float, advice: str) -> None:
        told.append((seconds, advice))
        frozen_volume.set()

    load_model(str(base), a_spec(), report=lambda done, total: None, on_stall=on_stall, stall_s=0.3)
    assert told and told[0][0] >= 0.3
    assert str(base) in told[0][1]


def test_a_load_that_moves_is_no_stall(base: Path) -> None:
    told: list[str] = []
    load_model(
        str(base),
        a_spec(),
        report=lambda done, total: None,
        on_stall=lambda seconds, advice: told.append(advice),
        stall_s=5,
    )
    assert told == []
