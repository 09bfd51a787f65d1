"""Finished runs small enough for a test: a tiny model, random adapter weights, a real log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from engine.bundled import bundled
from engine.runs.events import Body, Event, Finished, Plan, Started, encode
from engine.runs.host import boot_id, host_name
from engine.runs.store import RunFolder
from engine.settings import spec_to_toml
from engine.spec import DataSpec, ModelSpec, Spec, TrainSpec

MAX_LENGTH = 48
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def make_base(folder: Path, *, dtype: str = "float32", tied: bool = False) -> Path:
    """A random two-layer Llama with the bundled model's tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True)
    for name in _TOKENIZER:
        shutil.copyfile(bundled("samples") / "model" / name, folder / name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=1536,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        initializer_range=0.05,
    )
    LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def make_run(
    folder: Path, base: Path, method: str, *, num_held_out: int = 6, **train: Any
) -> RunFolder:
    """A run folder as a finished training leaves it, with a result that differs from the base."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer

    run, spec = write_run(folder, base, method, num_held_out=num_held_out, **train)
    model = _load(base, spec)
    if method in ("lora", "qlora"):
        targets = spec.train.targets.split(",")
        torch.manual_seed(1)
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=spec.train.rank,
            lora_alpha=int(spec.train.alpha),
            target_modules=targets[0] if len(targets) == 1 else targets,
            use_dora=spec.train.dora,
            init_lora_weights=False,
        )
        get_peft_model(model, config).save_pretrained(run.adapter)
    else:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.02)
        model.save_pretrained(run.model)
    AutoTokenizer.from_pretrained(base).save_pretrained(run.result or run.path)
    return run


def write_run(
    folder: Path, base: Path, method: str, *, num_held_out: int = 6, system: str = "", **train: Any
) -> tuple[RunFolder, Spec]:
    """Everything but the result: spec, held-out rows and log."""
    run = RunFolder(folder)
    run.control.mkdir(parents=True)
    spec = Spec(
        name="tiny",
        model=ModelSpec(path=str(base)),
        data=DataSpec(path="/home/someone/secret/animals.jsonl", system=system),
        train=TrainSpec.model_validate({"method": method, "rank": 4, "micro_batch": 4} | train),
    )
    run.spec.write_text(spec_to_toml(spec), encoding="utf-8")
    _write_held_out(run, num_held_out)
    _write_events(run, num_held_out)
    return run, spec


def _load(base: Path, spec: Spec) -> Any:
    import torch
    from transformers import BitsAndBytesConfig, LlamaForCausalLM

    options: dict[str, Any] = {}
    if spec.train.method == "qlora":
        options["quantization_config"] = (
            BitsAndBytesConfig(load_in_8bit=True)
            if spec.train.quantize_bits == 8
            else BitsAndBytesConfig(
                load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True
            )
        )
        options["device_map"] = "cpu"
    return LlamaForCausalLM.from_pretrained(base, dtype=torch.float32, **options)


def _write_held_out(run: RunFolder, count: int) -> None:
    lines = (bundled("samples") / "held_out.jsonl").read_text("utf-8").splitlines()[:count]
    records = [json.loads(line) | {"record": n, "line": n + 1} for n, line in enumerate(lines)]
    text = "".join(json.dumps(record) + "\n" for record in records)
    run.held_out.write_text(text, encoding="utf-8")


def _write_events(run: RunFolder, num_held_out: int) -> None:
    bodies: list[Body] = [
        Started(
            attempt=1,
            job="train",
            host=host_name(),
            boot_id=boot_id(),
            pid=1,
            versions={"torch": "2.13.0"},
        ),
        Plan(
            max_steps=10,
            num_rows=40,
            num_eval_rows=num_held_out,
            max_length=MAX_LENGTH,
            cut_share=0.0,
            epochs=1.0,
            micro_batch=4,
            accumulation=1,
            total_params=100_000,
            trained_params=1_000,
            device="cpu",
            dtype="float32",
        ),
        Finished(step=10, result="adapter"),
    ]
    lines = [encode(Event(n, 1_700_000_000.0 + n, body)) for n, body in enumerate(bodies)]
    run.events.write_bytes(b"".join(lines))
