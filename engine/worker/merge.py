"""Writes a run's weights as one plain model: base and adapter merged, or the trained whole."""

from __future__ import annotations

import gc
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM
from transformers.integrations.bitsandbytes import dequantize_bnb_weight

from engine.doctor.cgroup import memory_limit
from engine.errors import EXIT_NO, EXIT_OOM, TailfinError
from engine.evaluate.delivered import Delivered
from engine.memory.storage import MERGE_HEADROOM
from engine.worker.companions import stored_dtype
from engine.worker.trained import Listener, load_as_trained

_MAX_SHARD = "5GB"
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def write_merged(
    delivered: Delivered, base: Path, target: Path, dtype: str, listener: Listener
) -> str:
    """Merge the adapter into the base and save it as `dtype`; returns what it was merged into.

    Under qlora the adapter corrects the quantised base, so it is merged into exactly that base,
    dequantised; the published weights would give another model than the one that was measured.
    """
    refuse_quantised(base)
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=getattr(torch, working_dtype(base, dtype, free_ram_bytes())),
        trust_remote_code=delivered.spec.model.trust_remote_code,
    )
    merged_into = "the published weights"
    if delivered.spec.train.method == "qlora":
        merged_into = f"the base as held in {delivered.spec.train.quantize_bits} bits, dequantised"
        _take_quantised(model, delivered, base, listener)
    merged = _with_adapter(model, delivered)
    _save(merged.to(getattr(torch, dtype)), target, listener)
    return merged_into


def write_whole(delivered: Delivered, target: Path, dtype: str, listener: Listener) -> None:
    """Copy the trained model's weights, or write them anew where another dtype is wanted."""
    if stored_dtype(delivered.result) != dtype:
        model = AutoModelForCausalLM.from_pretrained(
            delivered.result,
            dtype=getattr(torch, dtype),
            trust_remote_code=delivered.spec.model.trust_remote_code,
        )
        _save(model, target, listener)
        return
    paths = sorted(delivered.result.glob("model*.safetensors*"))
    with _growth(target, sum(path.stat().st_size for path in paths), listener):
        for path in paths:
            shutil.copyfile(path, target / path.name)


def refuse_quantised(base: Path) -> None:
    """Raise where the base was published quantised: there is nothing exact to merge into."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in config:
        raise TailfinError(
            "The base model was published quantised; merging into it is not in this version.",
            "Export the adapter (--to adapter), or train on the unquantised base.",
            where=base,
            exit_code=EXIT_NO,
        )


def working_dtype(base: Path, dtype: str, free_bytes: int) -> str:
    """The dtype the merge is added up in: float32 where RAM allows, so that it is rounded once.

    Raises TailfinError where not even the result fits.
    """
    if free_bytes > MERGE_HEADROOM * size_as(base, "float32"):
        return "float32"
    needed = int(MERGE_HEADROOM * size_as(base, dtype))
    if free_bytes > needed:
        return dtype
    raise TailfinError(
        f"Merging needs {needed / 1024**3:.1f} GiB of RAM and {free_bytes / 1024**3:.1f} are free.",
        "Export the adapter (--to adapter), or merge on a box with more RAM.",
        exit_code=EXIT_OOM,
    )


def free_ram_bytes() -> int:
    """Free RAM of the machine, or of the container where that is less."""
    free: int = psutil.virtual_memory().available
    limit = memory_limit(Path("/"))
    return min(free, limit.limit_bytes - limit.used_bytes) if limit else free


def weight_bytes(folder: Path) -> int:
    """Bytes of the weight files in a model folder."""
    paths = list(folder.glob("*.safetensors")) or list(folder.glob("*.bin"))
    return sum(path.stat().st_size for path in paths)


def size_as(folder: Path, dtype: str) -> int:
    """Bytes the weights of a folder take when held as `dtype`; auto is how they are stored."""
    stored = stored_dtype(folder)
    return weight_bytes(folder) * _BYTES[stored if dtype == "auto" else dtype] // _BYTES[stored]


def _take_quantised(model: Any, delivered: Delivered, base: Path, listener: Listener) -> None:
    """Overwrite the linear weights with what the quantised base holds.

    The quantised model is loaded anew and never run: on CPUs with AVX512-BF16 bitsandbytes 0.50
    repacks its weights at the first forward, after which they dequantise to garbage.
    """
    quantised = load_as_trained(str(base), delivered, listener).model
    count = 0
    for name, module in quantised.named_modules():
        if type(module).__name__ not in ("Linear4bit", "Linear8bitLt"):
            continue
        state = getattr(module, "state", None)
        weight = dequantize_bnb_weight(module.weight, state)
        model.get_submodule(name).weight.data.copy_(weight)
        count += 1
    del quantised
    gc.collect()
    assert count > 0, "a qlora base without a quantised layer"


def _with_adapter(model: Any, delivered: Delivered) -> Any:
    from peft import PeftModel

    embed, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and embed.weight is head.weight
    wrapped = PeftModel.from_pretrained(model, str(delivered.result))
    if tied and any(
        getattr(module, "base_layer", None) in (embed, head) for module in wrapped.modules()
    ):
        # PEFT 0.21 only warns, and the merged logits are wrong.
        raise TailfinError(
            "The adapter changes lm_head or the embeddings, which share one tensor in this base; "
            "they cannot be merged.",
            "Export the adapter (--to adapter), or train without them in train.targets.",
            where="train.targets",
            exit_code=EXIT_NO,
        )
    try:
        return wrapped.merge_and_unload(safe_merge=True)
    except ValueError as error:
        if "NaN" not in str(error):
            raise
    raise TailfinError(
        "The merged weights hold NaN: the adapter is damaged, or training diverged.",
        f"Look at the run: tailfin why {delivered.run.id}",
        where=delivered.result,
        exit_code=EXIT_NO,
    )


def _save(model: Any, target: Path, listener: Listener) -> None:
    expected = sum(p.numel() * p.element_size() for p in model.parameters())
    with _growth(target, expected, listener):
        model.save_pretrained(target, max_shard_size=_MAX_SHARD)


@contextmanager
def _growth(folder: Path, expected: int, listener: Listener) -> Iterator[None]:
    """Report the bytes in a folder while something writes into it."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.5):
            written = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
            listener.progress(min(written, expected - 1), expected, "bytes")

    thread = threading.Thread(target=watch, name="growth", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    listener.progress(expected, expected, "bytes")
