"""The spec: every setting of a run, declared once with type, bounds and one sentence of help.

The wizard's labels, `--set`, validation, the file format and the docs all come from here. Each
sentence says which way a setting pushes memory, speed or quality.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

Method = Literal["lora", "qlora", "full", "freeze"]
DataFormat = Literal[
    "auto",
    "messages",
    "sharegpt",
    "alpaca",
    "prompt_completion",
    "preference",
    "judged",
    "squad",
    "columns",
]
Schedule = Literal["cosine", "linear", "constant", "constant_with_warmup", "polynomial"]
Optimizer = Literal[
    "adamw", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "lion_8bit", "adafactor", "sgd"
]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]
Attention = Literal["auto", "sdpa", "eager", "flash_attention_2"]

_CONFIG = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _no_truth(value: object) -> object:
    """`rank = true` is a slip, not a one."""
    if isinstance(value, bool):
        raise ValueError("should be a number, not true or false")
    return value


_Number = BeforeValidator(_no_truth)


class ModelSpec(BaseModel):
    """Which model is trained and how it is loaded."""

    model_config = _CONFIG

    path: Annotated[str, Field(min_length=1)]
    """Local folder or hub name of the base model."""
    revision: str = ""
    """Hub branch, tag or commit; empty takes the default branch."""
    dtype: Dtype = "auto"
    """Number format of the base weights; auto takes bfloat16 where the card has it."""
    attention: Attention = "auto"
    """Attention kernel; sdpa saves memory against eager at long lengths, auto takes sdpa."""
    trust_remote_code: bool = False
    """Run Python code that ships with the model; only for sources you trust."""
    chat_template: str = "auto"
    """auto uses the model's own template; plain is a simple one for models without; or a file."""


# What stops a run before its first step and may be overridden by name.
OVERRIDABLE = (
    "data.untrained-rows",
    "data.eos-untrained",
    "data.masks-differ",
    "data.control-tokens",
)


class DataSpec(BaseModel):
    """What is trained on, and how it is cut."""

    model_config = _CONFIG

    path: Annotated[str, Field(min_length=1)]
    """Chat rows: JSON, JSONL, CSV, TSV or Parquet, also as .gz or .zst, or a folder of them."""
    format: DataFormat = "auto"
    """Row layout; auto recognises it by content and stops where two readings are possible."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Which column plays which part, such as prompt = "question"; needed for unknown columns."""
    system: str = ""
    """System prompt put before rows that have none; serve the model with the same one."""
    eval_path: str = ""
    """File of held-out rows; empty splits them off the training file."""
    eval_fraction: Annotated[float, _Number, Field(ge=0.0, le=0.5)] = 0.1
    """Share of rows held out; more makes the verdict steadier and leaves less to learn from."""
    eval_max_rows: Annotated[int, _Number, Field(ge=0)] = 200
    """At most so many held-out rows; more slow every evaluation. 0 means no limit."""
    max_length: Annotated[int, _Number, Field(ge=0, le=1_048_576)] = 0
    """Tokens per row; longer rows are cut, memory grows with it. 0 takes it from the data."""
    packing: bool = False
    """Put several short rows into one sequence; faster on short rows, same memory per token."""
    num_proc: Annotated[int, _Number, Field(ge=0, le=128)] = 0
    """Processes that tokenise; 0 tokenises in the worker itself, right below 50,000 rows."""
    max_untrained_share: Annotated[float, _Number, Field(ge=0.0, le=1.0)] = 0.01
    """Share of rows that may train nothing and are left out; more of them stop the run."""
    allow: str = ""
    """Findings that shall not stop the run, such as data.eos-untrained; kept with the run."""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The names in `allow`."""
        return tuple(name.strip() for name in self.allow.split(",") if name.strip())

    @field_validator("allow")
    @classmethod
    def _known(cls, allow: str) -> str:
        for name in allow.split(","):
            if name.strip() and name.strip() not in OVERRIDABLE:
                raise ValueError(f"{name.strip()!r} is none of {', '.join(OVERRIDABLE)}")
        return allow


class TrainSpec(BaseModel):
    """The method, the adapter and the optimisation."""

    model_config = _CONFIG

    method: Method = "lora"
    """lora trains small matrices; qlora does so on 4-bit weights; full all; freeze some layers."""
    rank: Annotated[int, _Number, Field(ge=1, le=1024)] = 16
    """Size of the LoRA matrices; higher can learn more and costs a little memory."""
    alpha: Annotated[float, _Number, Field(gt=0, le=4096)] = 32.0
    """LoRA scale; the update is multiplied by alpha / rank."""
    dropout: Annotated[float, _Number, Field(ge=0, lt=1)] = 0.0
    """LoRA dropout; a little (0.05) resists over-fitting on small data and costs memory."""
    targets: str = "all-linear"
    """Modules that get an adapter: all-linear, or names such as q_proj,v_proj; fewer learn less."""
    rslora: bool = False
    """Scale by alpha / sqrt(rank), steadier at high rank."""
    dora: bool = False
    """Learn a magnitude beside the direction; slightly better at low rank, slower."""
    quantize_bits: Literal[4, 8] = 4
    """Bits of the frozen base under qlora; 4 halves the weights of 8 at some loss of quality."""
    double_quant: bool = True
    """Quantise the 4-bit scales too; saves 0.4 bits per weight at no visible cost."""
    trainable_layers: Annotated[int, _Number, Field(ge=1, le=1000)] = 2
    """Last decoder layers trained under freeze; more learn more and cost optimizer memory."""

    learning_rate: Annotated[float, _Number, Field(gt=0, le=1)] = 2e-4
    """Step size; too high diverges, too low learns nothing. LoRA wants about 10 times full."""
    schedule: Schedule = "cosine"
    """How the learning rate falls over the run."""
    warmup: Annotated[float, _Number, Field(ge=0)] = 0.05
    """Warm-up: below 1 a share of all steps, from 1 on a number of steps."""
    weight_decay: Annotated[float, _Number, Field(ge=0, le=1)] = 0.0
    """Pull towards zero; resists over-fitting."""
    max_grad_norm: Annotated[float, _Number, Field(ge=0)] = 1.0
    """Gradients are clipped to this norm; 0 turns clipping off."""
    optimizer: Optimizer = "adamw"
    """adamw keeps 8 bytes per trained fp32 weight, the 8-bit ones 2; paged ones spill to RAM."""
    epochs: Annotated[float, _Number, Field(gt=0, le=1000)] = 3.0
    """Passes over the data; more than 3 tends to memorise."""
    max_steps: Annotated[int, _Number, Field(ge=0)] = 0
    """Optimizer steps; when above 0 it overrides epochs."""
    micro_batch: Annotated[int, _Number, Field(ge=1, le=4096)] = 2
    """Rows per forward pass; the first thing to halve when memory runs out."""
    accumulation: Annotated[int, _Number, Field(ge=1, le=65536)] = 8
    """Forward passes per optimizer step; effective batch = micro-batch x accumulation x devices."""
    gradient_checkpointing: bool = True
    """Recompute activations in the backward pass; saves most activation memory, costs a third."""
    loss_on: Literal["answers", "all"] = "answers"
    """answers trains on the assistant's words only; all trains on the questions too."""
    seed: Annotated[int, _Number, Field(ge=0, le=2**32 - 1)] = 42
    """Seed of the split, the order, the adapter's start and dropout."""
    log_every: Annotated[int, _Number, Field(ge=1)] = 1
    """Steps between logged points."""
    rehearse: bool = True
    """Try the longest rows before step 1, so that too little memory is told in the first minute."""


class EvalSpec(BaseModel):
    """When held-out loss is measured, and what it decides."""

    model_config = _CONFIG

    every_steps: Annotated[int, _Number, Field(ge=0)] = 0
    """Steps between evaluations; 0 takes about five per run. More cost time."""
    at_start: bool = True
    """Measure held-out loss before the first step too, so that the base has its figure."""
    micro_batch: Annotated[int, _Number, Field(ge=0, le=4096)] = 0
    """Rows per evaluation pass; 0 takes the training micro-batch."""
    patience: Annotated[int, _Number, Field(ge=0)] = 0
    """Early stopping after so many evaluations without improvement; 0 never stops early."""
    min_delta: Annotated[float, _Number, Field(ge=0)] = 0.0
    """Improvement of held-out loss below this counts as none."""
    keep_best: bool = True
    """Deliver the checkpoint with the lowest held-out loss instead of the last one."""


class SaveSpec(BaseModel):
    """When checkpoints are written and how many stay."""

    model_config = _CONFIG

    every_steps: Annotated[int, _Number, Field(ge=0)] = 0
    """Steps between checkpoints; 0 saves at every evaluation."""
    every_minutes: Annotated[float, _Number, Field(ge=0)] = 10.0
    """Minutes between checkpoints, so that a lost box costs no more; 0 turns it off."""
    keep: Annotated[int, _Number, Field(ge=1, le=100)] = 2
    """Whole checkpoints kept beside the best one; each costs disk."""


class Spec(BaseModel):
    """Everything a run needs; `spec.toml` holds exactly this."""

    model_config = _CONFIG

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")] = "run"
    """Short name of the run; becomes part of its folder's name."""
    profile: str = ""
    """Starting point from profiles/ that fills what you did not choose."""
    model: ModelSpec
    data: DataSpec
    train: TrainSpec = TrainSpec()
    eval: EvalSpec = EvalSpec()
    save: SaveSpec = SaveSpec()

    @model_validator(mode="after")
    def _fits_together(self) -> Spec:
        train = self.train
        if train.dora and train.method == "full":
            raise ValueError("train.dora needs an adapter method; train.method is full")
        if train.warmup >= 1 and train.max_steps and train.warmup >= train.max_steps:
            raise ValueError(
                f"train.warmup ({train.warmup:g} steps) is not below train.max_steps "
                f"({train.max_steps})"
            )
        return self


SECTIONS: dict[str, type[BaseModel]] = {
    "model": ModelSpec,
    "data": DataSpec,
    "train": TrainSpec,
    "eval": EvalSpec,
    "save": SaveSpec,
}


def field_paths() -> list[str]:
    """Every setting as a dotted path (`train.rank`), in declaration order."""
    paths = [name for name in Spec.model_fields if name not in SECTIONS]
    for section, model in SECTIONS.items():
        paths += [f"{section}.{name}" for name in model.model_fields]
    return paths


def field_help(path: str) -> str:
    """The help sentence of a dotted path."""
    section, _, name = path.rpartition(".")
    fields = (SECTIONS[section] if section else Spec).model_fields
    return fields[name].description or ""
