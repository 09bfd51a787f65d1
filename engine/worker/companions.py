"""The files beside exported weights: config, generation config and tokenizer, the base's own.

transformers 5 writes tokenizer and config files that version 4 misreads (tokenizer_class
"TokenizersBackend" does not load, rope_parameters are ignored and rope_theta silently becomes
10000), so whatever training did not change is copied from the base byte for byte.
"""

from __future__ import annotations

import json
import shutil
import struct
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

_TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "*.model",
    "*.tiktoken",
    "chat_template.jinja",
    "chat_template.json",
    "tokenization_*.py",
)
_LEGAL = ("LICENSE*", "LICENCE*", "NOTICE*", "USE_POLICY*")
_PROBES = ("Hello there!\n\tx = 3.14  # naïve façade", "数据 データ 데이터 🐉", "  two  spaces ")
_STORED = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def write_tokenizer(
    base: Path, trained: Path, target: Path, template: str, *, trust: bool = False
) -> list[str]:
    """Copy the tokenizer's files into `target`; returns what a reader should know.

    `template` is the Jinja text it was trained with; `trust` runs code that ships with the model.
    """
    from transformers import AutoTokenizer

    before, after = (
        AutoTokenizer.from_pretrained(folder, trust_remote_code=trust) for folder in (base, trained)
    )
    if not same_tokens(before, after):
        _copy(trained, target, _TOKENIZER)
        return ["Training changed the tokenizer; its files need transformers 5 or newer."]
    _copy(base, target, _TOKENIZER)
    own = before.chat_template
    if (own.get("default") if isinstance(own, dict) else own) == template:
        return []
    (target / "chat_template.jinja").write_text(template, encoding="utf-8")
    config = target / "tokenizer_config.json"
    if config.is_file():
        edit_json(config, {"chat_template": template})
    return ["The chat template is the one it was trained with, not the base model's."]


def same_tokens(before: Any, after: Any) -> bool:
    """Whether two tokenizers give the same ids; a padding token is no difference for a reader."""
    names = ("bos_token_id", "eos_token_id", "unk_token_id")
    if any(getattr(before, name) != getattr(after, name) for name in names):
        return False
    if before.get_vocab() != after.get_vocab():
        return False
    return all(before(text)["input_ids"] == after(text)["input_ids"] for text in _PROBES)


def write_config(
    base: Path, target: Path, *, dtype: str, end_id: int | None, end_token: str
) -> list[str]:
    """Put the base's config files into `target`, with the stored dtype and the end token added.

    `end_id` is the id that ends an answer in the trained template.
    """
    _copy(base, target, ("config.json", "generation_config.json", "*.py", *_LEGAL))
    config = json.loads((target / "config.json").read_text(encoding="utf-8"))
    if stored_dtype(base) != dtype or "quantization_config" in config:
        key = "dtype" if "dtype" in config else "torch_dtype"
        edit_json(target / "config.json", {key: dtype}, remove=("quantization_config",))
    generation = target / "generation_config.json"
    known = _ends(generation) or _ends(target / "config.json")
    if end_id is None or end_id in known:
        return []
    if not generation.is_file():
        generation.write_text("{}", encoding="utf-8")
    edit_json(generation, {"eos_token_id": [*known, end_id]})
    return [
        f"generation_config.json also stops at {end_token}, which ends an answer in the trained "
        "template; the base's own file does not."
    ]


def stored_dtype(folder: Path) -> str:
    """The dtype a checkpoint's config names, else that of its first floating tensor."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = config.get("dtype") or config.get("torch_dtype")
    if named in _STORED.values():
        return str(named)
    for path in sorted(folder.glob("*.safetensors")):
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
        for name, tensor in header.items():
            if name != "__metadata__" and tensor["dtype"] in _STORED:
                return _STORED[tensor["dtype"]]
    return "float32"


def edit_json(path: Path, values: dict[str, object], remove: tuple[str, ...] = ()) -> None:
    """Change some top-level keys of a JSON file and keep the rest and its order."""
    table = json.loads(path.read_text(encoding="utf-8")) | values
    kept = {key: value for key, value in table.items() if key not in remove}
    path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy(source: Path, target: Path, patterns: tuple[str, ...]) -> None:
    for path in sorted(source.iterdir()):
        if path.is_file() and any(fnmatchcase(path.name, pattern) for pattern in patterns):
            shutil.copyfile(path, target / path.name)


def _ends(path: Path) -> list[int]:
    """The end token ids a config file names."""
    if not path.is_file():
        return []
    value = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id")
    return [value] if isinstance(value, int) else list(value or [])
