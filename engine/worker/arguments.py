"""The one table from the spec to TRL and PEFT: where every setting goes.

`ROUTES` names for each dotted path either the argument it becomes or the module of ours that
acts on it. A test walks over every setting and checks that it arrives or is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.spec import Spec

Target = Literal["sft", "lora", "ours"]


@dataclass(frozen=True, slots=True)
class Route:
    """`sft` and `lora` name an argument of SFTConfig and LoraConfig; `ours` a module of ours."""

    target: Target
    name: str


def _sft(name: str) -> Route:
    return Route("sft", name)


def _lora(name: str) -> Route:
    return Route("lora", name)


def _ours(name: str) -> Route:
    return Route("ours", name)


ROUTES: dict[str, Route] = {
    "name": _ours("engine.runs.store"),
    "profile": _ours("engine.settings"),
    "model.path": _ours("engine.worker.load"),
    "model.revision": _ours("engine.worker.load"),
    "model.dtype": _ours("engine.worker.load"),
    "model.attention": _ours("engine.worker.load"),
    "model.trust_remote_code": _ours("engine.worker.load"),
    "model.chat_template": _ours("engine.worker.tokens"),
    "data.path": _ours("engine.data.read"),
    "data.format": _ours("engine.data.read"),
    "data.columns": _ours("engine.data.read"),
    "data.system": _ours("engine.data.read"),
    "data.eval_path": _ours("engine.worker.rows"),
    "data.eval_fraction": _ours("engine.worker.rows"),
    "data.eval_max_rows": _ours("engine.worker.rows"),
    "data.max_length": _sft("max_length"),
    "data.packing": _sft("packing"),
    "data.num_proc": _ours("engine.worker.rows"),
    "data.max_untrained_share": _ours("engine.worker.rows"),
    "data.allow": _ours("engine.worker.rows"),
    "train.method": _ours("engine.worker.load"),
    "train.rank": _lora("r"),
    "train.alpha": _lora("lora_alpha"),
    "train.dropout": _lora("lora_dropout"),
    "train.targets": _lora("target_modules"),
    "train.rslora": _lora("use_rslora"),
    "train.dora": _lora("use_dora"),
    "train.quantize_bits": _ours("engine.worker.load"),
    "train.double_quant": _ours("engine.worker.load"),
    "train.trainable_layers": _ours("engine.worker.load"),
    "train.learning_rate": _sft("learning_rate"),
    "train.schedule": _sft("lr_scheduler_type"),
    "train.warmup": _sft("warmup_steps"),
    "train.weight_decay": _sft("weight_decay"),
    "train.max_grad_norm": _sft("max_grad_norm"),
    "train.optimizer": _sft("optim"),
    "train.epochs": _sft("num_train_epochs"),
    "train.max_steps": _sft("max_steps"),
    "train.micro_batch": _sft("per_device_train_batch_size"),
    "train.accumulation": _sft("gradient_accumulation_steps"),
    "train.gradient_checkpointing": _sft("gradient_checkpointing"),
    "train.loss_on": _ours("engine.worker.tokens"),
    "train.seed": _sft("seed"),
    "train.log_every": _sft("logging_steps"),
    "train.rehearse": _ours("engine.worker.rehearse"),
    "eval.every_steps": _ours("engine.worker.watch"),
    "eval.at_start": _sft("eval_on_start"),
    "eval.micro_batch": _sft("per_device_eval_batch_size"),
    "eval.patience": _ours("engine.worker.watch"),
    "eval.min_delta": _ours("engine.worker.watch"),
    "eval.keep_best": _ours("engine.worker.train"),
    "save.every_steps": _ours("engine.worker.watch"),
    "save.every_minutes": _ours("engine.worker.watch"),
    "save.keep": _ours("engine.worker.watch"),
}

# The spec's names for optimizers to transformers' (OptimizerNames in training_args.py).
_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_bnb_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
    "paged_adamw_32bit": "paged_adamw_32bit",
    "lion_8bit": "lion_8bit",
    "adafactor": "adafactor",
    "sgd": "sgd",
}


def sft_arguments(
    spec: Spec,
    *,
    output_dir: Path,
    max_length: int,
    has_eval: bool,
    resuming: bool,
    dtype: str,
    on_gpu: bool,
    has_bf16: bool = False,
) -> dict[str, object]:
    """Keyword arguments for `trl.SFTConfig`.

    `max_length` is the resolved one in tokens, `dtype` the loaded model's (`bfloat16`, ...),
    `has_bf16` whether the card computes in bfloat16.
    """
    train, evaluation = spec.train, spec.eval
    return {
        "output_dir": str(output_dir),
        "max_length": max_length,
        "packing": spec.data.packing,
        "eval_packing": False,
        "learning_rate": train.learning_rate,
        "lr_scheduler_type": train.schedule,
        # below 1 transformers takes it as a share of all steps, from 1 on as steps
        "warmup_steps": train.warmup,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "optim": _OPTIMIZERS[train.optimizer],
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps or -1,
        "per_device_train_batch_size": train.micro_batch,
        "per_device_eval_batch_size": evaluation.micro_batch or train.micro_batch,
        "gradient_accumulation_steps": train.accumulation,
        "gradient_checkpointing": train.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "seed": train.seed,
        "logging_steps": train.log_every,
        "eval_on_start": evaluation.at_start and has_eval and not resuming,
        # Autocast over a half-precision base; over float32 weights only where all of them are
        # trained: they keep what bfloat16 would round away, the arithmetic runs in bfloat16.
        "bf16": dtype == "bfloat16" or (has_bf16 and train.method in ("full", "freeze")),
        "fp16": dtype == "float16",
        "use_cpu": not on_gpu,
        "dataloader_pin_memory": on_gpu,
        # What follows is ours to decide: when to evaluate and save, what stays, what is logged.
        "eval_strategy": "no",
        "save_strategy": "no",
        "save_total_limit": None,
        "load_best_model_at_end": False,
        "prediction_loss_only": True,
        "report_to": "none",
        "disable_tqdm": True,
        "logging_first_step": True,
        # On by default upstream, where it replaces a NaN loss by an average: a zero in the log.
        "logging_nan_inf_filter": False,
        "remove_unused_columns": True,
        "push_to_hub": False,
    }


def lora_arguments(spec: Spec) -> dict[str, object] | None:
    """Keyword arguments for `peft.LoraConfig`, or None for methods without an adapter."""
    train = spec.train
    if train.method not in ("lora", "qlora"):
        return None
    names = [name.strip() for name in train.targets.split(",") if name.strip()]
    return {
        "task_type": "CAUSAL_LM",
        "r": train.rank,
        "lora_alpha": train.alpha,
        "lora_dropout": train.dropout,
        "target_modules": names[0] if names == ["all-linear"] else names,
        "use_rslora": train.rslora,
        "use_dora": train.dora,
        "bias": "none",
    }
