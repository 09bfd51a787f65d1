"""The model card: README.md of an export, with nothing in it that should stay on the box."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from engine import __version__
from engine.evaluate.delivered import Delivered
from engine.evaluate.report import last_report
from engine.export.targets import Form

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """How it was loaded in training: the dtype, and the bits of a quantised base (0: none)."""

    dtype: str
    bits: int


def model_card(delivered: Delivered, form: Form, load: LoadFacts, notes: list[str]) -> str:
    """The card as Markdown with the hub's YAML head."""
    spec = delivered.spec
    base = base_name(spec.model.path)
    parts = [
        _head(delivered, form),
        f"# {spec.name}",
        _opening(form, base, delivered),
        "## Load it",
        _snippet(form, base, load),
        "## How it was trained",
        _training_table(delivered),
        "## Held-out loss",
        _losses(delivered),
    ]
    if notes:
        parts += ["## Worth knowing", "\n".join(f"- {note}" for note in notes)]
    parts += [
        "## Licence",
        "See the base model's licence: it covers this model too.",
        f"Made with tailfin {__version__} on {time.strftime('%Y-%m-%d')} ({_versions(delivered)}).",
    ]
    return "\n\n".join(parts) + "\n"


def base_name(path: str) -> str:
    """The base as others may see it: its hub name, or the last part of a local path."""
    return path if is_hub_name(path) else Path(path).name


def is_hub_name(path: str) -> bool:
    """True where the base was named as on the hub, not as a folder of this box."""
    return bool(_HUB_NAME.fullmatch(path)) and not Path(path).expanduser().exists()


def _head(delivered: Delivered, form: Form) -> str:
    lines = ["---"]
    if is_hub_name(delivered.spec.model.path):
        lines.append(f"base_model: {delivered.spec.model.path}")
    lines.append(f"library_name: {'peft' if form == 'adapter' else 'transformers'}")
    lines += ["pipeline_tag: text-generation", "tags:", "- tailfin"]
    if delivered.is_adapter:
        lines.append("- lora")
    return "\n".join([*lines, "---"])


def _opening(form: Form, base: str, delivered: Delivered) -> str:
    how = {
        "lora": "a LoRA adapter",
        "qlora": "a LoRA adapter trained on quantised weights",
        "full": "full fine-tuning",
        "freeze": "fine-tuning of its last layers",
    }[delivered.spec.train.method]
    if form == "adapter":
        return f"A LoRA adapter for {base}. It needs that base model to run."
    return f"{base} with {how} merged in." if delivered.is_adapter else f"{base} after {how}."


def _snippet(form: Form, base: str, load: LoadFacts) -> str:
    head = ["```python", "from transformers import AutoModelForCausalLM, AutoTokenizer"]
    if form == "merged":
        body = ['model = AutoModelForCausalLM.from_pretrained("PATH_OF_THIS_FOLDER", dtype="auto")']
    else:
        dtype = f"torch.{load.dtype}"
        body = ["from peft import PeftModel", "import torch"]
        extra = ""
        if load.bits:
            body.append("from transformers import BitsAndBytesConfig")
            extra = f", quantization_config={_quantization(load.bits, dtype)}"
        body += [
            "",
            f'base = AutoModelForCausalLM.from_pretrained("{base}", dtype={dtype}{extra})',
            'model = PeftModel.from_pretrained(base, "PATH_OF_THIS_FOLDER")',
        ]
    tail = [
        'tokenizer = AutoTokenizer.from_pretrained("PATH_OF_THIS_FOLDER")',
        'messages = [{"role": "user", "content": "Hello"}]',
        "inputs = tokenizer.apply_chat_template(",
        '    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"',
        ")",
        "output = model.generate(**inputs, max_new_tokens=100)",
        "print(tokenizer.decode(output[0], skip_special_tokens=True))",
        "```",
    ]
    return "\n".join(head + body + tail)


def _quantization(bits: int, dtype: str) -> str:
    if bits == 8:
        return "BitsAndBytesConfig(load_in_8bit=True)"
    return (
        "BitsAndBytesConfig(\n    load_in_4bit=True, bnb_4bit_quant_type='nf4', "
        f"bnb_4bit_compute_dtype={dtype})"
    )


def _training_table(delivered: Delivered) -> str:
    spec, plan = delivered.spec, delivered.status.plan
    train = spec.train
    rows = [
        ("Method", train.method),
        ("Base model", base_name(spec.model.path)),
        ("Data", Path(spec.data.path).name),
        ("Loss on", train.loss_on),
        ("Tokens per row, at most", str(delivered.max_length)),
    ]
    if spec.model.revision:
        rows.insert(2, ("Base revision", spec.model.revision))
    if plan is not None:
        rows += [
            ("Rows trained", str(plan.num_rows)),
            ("Rows held out", str(plan.num_eval_rows)),
            ("Steps", str(plan.max_steps)),
            ("Trained parameters", f"{plan.trained_params:,} of {plan.total_params:,}"),
        ]
    if delivered.is_adapter:
        rows += [
            ("Rank, alpha, dropout", f"{train.rank}, {train.alpha:g}, {train.dropout:g}"),
            ("Targets", train.targets),
            ("rsLoRA, DoRA", f"{_yes(train.rslora)}, {_yes(train.dora)}"),
        ]
    if train.method == "qlora":
        rows.append(("Base held in", f"{train.quantize_bits} bits"))
    rows += [
        ("Learning rate", f"{train.learning_rate:g}, {train.schedule}, warm-up {train.warmup:g}"),
        ("Batch", f"{train.micro_batch} x {train.accumulation} rows"),
        ("Optimizer", train.optimizer),
        ("Seed", str(train.seed)),
    ]
    if spec.data.system:
        rows.append(("System prompt", "one was put before rows without; serve with the same"))
    return "\n".join(
        ["| setting | value |", "|---|---|", *(f"| {k} | {_cell(v)} |" for k, v in rows)]
    )


def _losses(delivered: Delivered) -> str:
    report = last_report(delivered.run, since=delivered.status.started_time)
    if report is not None and report.base and report.tuned and report.difference:
        return (
            f"Per trained token, on {report.num_rows} rows: {_number(report.base.loss)} before, "
            f"{_number(report.tuned.loss)} after ({report.difference.verdict})."
        )
    evals = [point for point in delivered.status.evals if math.isfinite(point.loss)]
    if not evals:
        plan = delivered.status.plan
        if plan is not None and plan.num_eval_rows:
            return "Not measured: it was stopped before its first evaluation."
        return "Not measured: no rows were held out."
    best = min(evals, key=lambda point: point.loss)
    first = evals[0]
    return (
        f"{_number(first.loss)} at step {first.step}, lowest {_number(best.loss)} at step "
        f"{best.step} (per trained token)."
    )


def _versions(delivered: Delivered) -> str:
    """The stack it was trained with, else the one it is exported with."""
    started = delivered.status.started
    known = dict(started.versions or {}) if started else {}
    names = ("torch", "transformers", "peft", "trl")
    for name in names:
        if name not in known:
            try:
                known[name] = version(name)
            except PackageNotFoundError:
                continue
    return ", ".join(f"{name} {known[name]}" for name in names if name in known)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else str(value)
