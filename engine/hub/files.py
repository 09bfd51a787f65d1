"""The one rule for which files of a model are needed to train it.

It follows the order in which transformers looks for weights: one safetensors file, a safetensors
index, one pickled file, a pickled index. Everything else that weighs (GGUF, ONNX, TensorFlow,
`original/` and `consolidated` copies) is never counted nor fetched.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase

CONFIG = "config.json"
# In the order transformers tries them; the ones that end in .json name the real files.
_WEIGHT_ENTRIES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
# Small files beside the weights: configuration, tokenizer, chat template, the model's own code.
_SIDE_FILES = (
    "*.json",
    "*.jinja",
    "*.model",
    "*.tiktoken",
    "*.py",
    "merges.txt",
    "vocab.txt",
)
_SIDE_FOLDERS = ("additional_chat_templates",)
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "*.model",
    "*.tiktoken",
    "tokenization_*.py",
)


def weight_entry(names: Collection[str]) -> str | None:
    """The file transformers would open first for the weights; None where there are none."""
    return next((name for name in _WEIGHT_ENTRIES if name in names), None)


def is_index(name: str) -> bool:
    return name.endswith(".index.json")


def shard_names(index: Mapping[str, object]) -> list[str]:
    """The weight files an index names; empty where it is not an index."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict):
        return []
    return sorted({str(name) for name in weight_map.values()})


def side_files(names: Collection[str]) -> list[str]:
    """The small files that are needed beside the weights."""
    return sorted(name for name in names if _is_side_file(name))


def has_tokenizer(names: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names for pattern in _TOKENIZER_FILES)


def instead_of_weights(names: Collection[str]) -> str:
    """What a place without usable weights holds instead, in words; empty where nothing is known."""
    if "adapter_config.json" in names:
        return "a LoRA adapter, not a base model"
    if any(name.endswith(".gguf") for name in names):
        return "GGUF files, which cannot be trained"
    if any(name.endswith((".h5", ".msgpack", ".ckpt")) for name in names):
        return "TensorFlow or Flax weights only"
    if any(name.endswith(".onnx") for name in names):
        return "ONNX files, which cannot be trained"
    if "model_index.json" in names:
        return "a diffusion pipeline, not a language model"
    return ""


def _is_side_file(name: str) -> bool:
    folder, _, base = name.rpartition("/")
    if folder:
        return folder in _SIDE_FOLDERS
    return not is_index(base) and any(fnmatchcase(base, pattern) for pattern in _SIDE_FILES)
