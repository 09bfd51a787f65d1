"""Measures one row in this process: random weights, two real steps of TRL's trainer, the peaks.

    python -m tests.benchmarks.gpu.measure cuda|cpu '{"model": ..., ...}'

Prints one JSON object; `fits` is false where memory ran out.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from bitsandbytes.nn import Linear4bit, Params4bit
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.quantizers import AutoHfQuantizer
from trl import SFTConfig, SFTTrainer

from engine.worker.arguments import lora_arguments, sft_arguments
from engine.worker.device import card_of_process_gib
from engine.worker.load import quantization_config
from engine.worker.virtual_vram import Meter
from tests.benchmarks.gpu.rows import CONFIGS, GridRow
from tests.worker.tiny_tokenizer import byte_tokenizer

GIB = 2**30


def main(device: str, row: GridRow) -> dict[str, Any]:
    on_gpu = device == "cuda"
    if on_gpu and row.card_gib:
        total = torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(row.card_gib * GIB / total)
    meter = None if on_gpu else Meter(2**62)
    try:
        model = _model(row, device)
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        trainer = _trainer(row, model, on_gpu)
        if meter is None:
            trainer.train()
        else:
            for tensor in [*trainer.model.parameters(), *trainer.model.buffers()]:
                meter.count(tensor)
            with meter:
                trainer.train()
        fits = True
    except torch.OutOfMemoryError:
        fits = False
    figures: dict[str, Any] = {"fits": fits, "torch": torch.__version__}
    if meter is not None:
        return figures | {"device": "cpu", "tensors_gib": meter.peak_bytes / GIB}
    return figures | {
        "device": torch.cuda.get_device_name(0),
        "tensors_gib": torch.cuda.max_memory_allocated() / GIB,
        "reserved_gib": torch.cuda.max_memory_reserved() / GIB,
        "process_gib": card_of_process_gib(),
    }


def _model(row: GridRow, device: str) -> Any:
    """Random weights made where they are needed; a quantised model tensor by tensor."""
    spec = row.spec
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    config = AutoConfig.for_model(**CONFIGS[row.model])
    attention = spec.model.attention
    quantised = spec.train.method == "qlora"
    with torch.device("meta" if quantised else device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation=attention)
    model.config.use_cache = False
    if not quantised:
        return model
    name = str(dtype).removeprefix("torch.")
    wanted = quantization_config(4, spec.train.double_quant, name)
    quantizer = AutoHfQuantizer.from_config(wanted, pre_quantized=False)
    quantizer.preprocess_model(model=model, device_map=None)
    model = quantizer.postprocess_model(model)
    model.hf_quantizer = quantizer  # the trainer asks it whether it may train
    for module in model.modules():
        for key, old in list(module._parameters.items()):
            if old is not None and old.is_meta:
                module._parameters[key] = _drawn(module, key, old, dtype, device)
        for key, buffer in list(module._buffers.items()):
            if buffer is not None and buffer.is_meta:
                module._buffers[key] = torch.ones(buffer.shape, dtype=buffer.dtype, device=device)
    return model


def _drawn(module: Any, key: str, old: Any, dtype: torch.dtype, device: str) -> Any:
    if isinstance(module, Linear4bit) and key == "weight":
        shape = (module.out_features, module.in_features)
        values = torch.empty(shape, dtype=dtype, device=device).normal_(std=0.02)
        names = ("blocksize", "compress_statistics", "quant_type", "quant_storage")
        options = {name: getattr(old, name) for name in names}
        return Params4bit(values, requires_grad=False, module=module, **options).to(device)
    drawn = torch.empty(old.shape, dtype=dtype, device=device).normal_(std=0.02)
    return torch.nn.Parameter(drawn, requires_grad=old.requires_grad)


def _trainer(row: GridRow, model: Any, on_gpu: bool) -> SFTTrainer:
    """The worker's arguments over rows of which some are a token shorter, as real ones are."""
    spec = row.spec
    lora = lora_arguments(spec)
    options = sft_arguments(
        spec,
        output_dir=Path(tempfile.mkdtemp()),
        max_length=row.length,
        has_eval=False,
        resuming=False,
        dtype="bfloat16" if on_gpu else "float32",
        on_gpu=on_gpu,
        has_bf16=on_gpu,
    )
    lengths = (row.length, row.length - 1) * row.micro_batch
    rows = [{"input_ids": [20] * n, "labels": [20] * n} for n in lengths]
    return SFTTrainer(
        model=model,
        args=SFTConfig(**options),
        train_dataset=Dataset.from_list(rows),
        processing_class=byte_tokenizer(),
        peft_config=LoraConfig(**lora) if lora else None,
    )


if __name__ == "__main__":
    print("\n" + json.dumps(main(sys.argv[1], GridRow(**json.loads(sys.argv[2])))))
