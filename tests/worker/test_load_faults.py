"""A model that cannot be used as asked is one line that says why and what to do."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from engine.errors import TailfinError
from engine.worker.load_faults import explain_load, is_memory
from tests.worker.tiny_model import NUM_LAYERS, loaded, write_tiny_llama
from tests.worker.tiny_tokenizer import byte_tokenizer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_llama(tmp_path_factory.mktemp("base"))


@pytest.fixture
def copy(base: Path, tmp_path: Path) -> Path:
    return shutil.copytree(base, tmp_path / "copy")


def refused(folder: Path, **train: object) -> TailfinError:
    with pytest.raises(TailfinError) as caught:
        loaded(folder, **train)
    assert caught.value.hint
    return caught.value


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def unknown_type(folder: Path) -> None:
    edit_config(folder, model_type="brandnew9")


def no_type(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({"hidden_size": 8}))


def own_code(folder: Path) -> None:
    edit_config(
        folder,
        model_type="mymodel",
        auto_map={"AutoConfig": "code.MyConfig", "AutoModelForCausalLM": "code.MyModel"},
    )


def other_shape(folder: Path) -> None:
    edit_config(folder, intermediate_size=96)


def more_layers(folder: Path) -> None:
    edit_config(folder, num_hidden_layers=NUM_LAYERS + 1)


def cut_weights(folder: Path) -> None:
    shard = sorted(folder.glob("model-*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-1000])


def no_weights(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def foreign_tokenizer(folder: Path) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens([f"<extra{number}>" for number in range(600)])
    tokenizer.save_pretrained(folder)


def stored_quantised(folder: Path) -> None:
    edit_config(folder, quantization_config={"quant_method": "gptq", "bits": 4})


def not_causal(folder: Path) -> None:
    edit_config(folder, model_type="vit")


@pytest.mark.parametrize(
    ("damage", "error_id", "words"),
    [
        (unknown_type, "model.unknown-architecture", ["brandnew9"]),
        (no_type, "model.unknown-architecture", ["architecture"]),
        (own_code, "model.remote-code", ["Python code"]),
        (other_shape, "model.shape-mismatch", ["config.json"]),
        (more_layers, "model.weights-missing", ["layers.3", "random"]),
        (cut_weights, "model.incomplete", ["could not be read"]),
        (no_weights, "model.incomplete", ["safetensors"]),
        (broken_tokenizer, "model.load-failed", ["tokenizer"]),
        (foreign_tokenizer, "model.tokenizer-mismatch", ["512"]),
        (not_causal, "model.not-causal", ["left to right"]),
        (stored_quantised, "model.quantised", ["gptq", "full"]),
    ],
)
def test_a_model_that_cannot_be_used_says_why(
    copy: Path, damage: Callable[[Path], None], error_id: str, words: list[str]
) -> None:
    damage(copy)
    error = refused(copy, method="full")
    assert error.error_id == error_id
    for word in words:
        assert word in error.message
    assert "\n" not in error.message


def test_own_code_names_the_setting_that_allows_it(copy: Path) -> None:
    own_code(copy)
    error = refused(copy)
    assert error.where == "model.trust_remote_code"
    assert "--set model.trust_remote_code=true" in error.hint


def test_own_code_runs_where_it_is_allowed(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "m"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    (copy / "code_of_mine.py").write_text(
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class MyConfig(LlamaConfig):\n    model_type = 'mymodel'\n"
        "class MyModel(LlamaForCausalLM):\n    config_class = MyConfig\n"
    )
    auto_map = {
        "AutoConfig": "code_of_mine.MyConfig",
        "AutoModelForCausalLM": "code_of_mine.MyModel",
    }
    edit_config(copy, model_type="mymodel", auto_map=auto_map)
    result = loaded(copy, model={"trust_remote_code": True})
    assert type(result.model).__name__ == "MyModel"


def test_an_attention_kernel_that_is_not_there_is_named(base: Path) -> None:
    error = refused(base, model={"attention": "flash_attention_2"})
    assert error.error_id == "model.attention"
    assert error.where == "model.attention"


def test_tensors_nobody_uses_are_told_and_harmless(copy: Path) -> None:
    edit_config(copy, num_hidden_layers=NUM_LAYERS - 1)
    findings = loaded(copy).findings
    assert [finding.id for finding in findings] == ["model.unused-weights"]
    assert "layers.2" in findings[0].message


def test_running_out_of_memory_stays_what_it_is(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(LlamaForCausalLM, "from_pretrained", full)
    with pytest.raises(torch.OutOfMemoryError):
        loaded(base)
    assert is_memory(MemoryError())
    assert is_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not is_memory(RuntimeError("size mismatch"))


def test_a_missing_package_and_an_unknown_fault_are_one_line_each(tmp_path: Path) -> None:
    missing = explain_load(ImportError("No module named 'tiktoken'\nmore"), tmp_path, "x")
    assert (missing.error_id, "tiktoken" in missing.message) == ("model.needs-package", True)
    unknown = explain_load(ValueError("{odd} braces\nmore"), tmp_path, "the weights")
    assert "{odd} braces." in unknown.message
    assert "\n" not in unknown.message
