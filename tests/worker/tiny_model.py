"""A tiny Llama on disk, and specs that load it."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engine.spec import Spec
from engine.worker.load import LoadedModel, load_model
from tests.worker.tiny_tokenizer import byte_tokenizer

NUM_LAYERS = 3


def write_tiny_llama(folder: Path) -> Path:
    """Random weights in several safetensors files, with a tokenizer that fits."""
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="200KB")
    byte_tokenizer().save_pretrained(folder)
    assert (folder / "model.safetensors.index.json").exists()
    return folder


def a_spec(**train: object) -> Spec:
    """A spec with these train settings; `model` holds those of the model."""
    model = train.pop("model", {})
    assert isinstance(model, dict)
    return Spec.model_validate(
        {"model": {"path": "m", **model}, "data": {"path": "d"}, "train": train}
    )


def loaded(folder: Path, **train: object) -> LoadedModel:
    return load_model(str(folder), a_spec(**train), report=lambda done, total: None)
