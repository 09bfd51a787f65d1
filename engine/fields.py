"""What a form needs about a setting: label, kind, bounds, help, and how it is typed.

All of it comes from the spec's own declarations; only what a rule cannot know stands here.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import types
import typing
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from engine.data.text import inert
from engine.errors import TailfinError
from engine.profiles import load_profile, profile_names
from engine.spec import SECTIONS, Spec, field_help, field_paths

Kind = Literal["text", "integer", "number", "switch", "choice", "table"]

# What most people change, in the order a form shows it; model and data have places of their own.
ESSENTIAL: tuple[str, ...] = (
    "name",
    "profile",
    "train.method",
    "train.epochs",
    "train.learning_rate",
    "train.rank",
    "train.alpha",
    "data.max_length",
    "train.micro_batch",
    "train.accumulation",
    "train.gradient_checkpointing",
    "data.eval_fraction",
)

_LABELS = {
    "name": "name of the run",
    "model.path": "base model",
    "model.dtype": "number format",
    "data.path": "data file",
    "data.format": "row format",
    "data.system": "system prompt",
    "data.eval_path": "held-out file",
    "data.eval_fraction": "held-out share",
    "data.eval_max_rows": "held-out rows at most",
    "data.num_proc": "tokenising processes",
    "data.max_untrained_share": "untrained rows allowed",
    "data.allow": "findings overridden",
    "train.alpha": "LoRA alpha",
    "train.dropout": "LoRA dropout",
    "train.targets": "target modules",
    "train.rslora": "rsLoRA",
    "train.dora": "DoRA",
    "train.quantize_bits": "bits of the base",
    "train.double_quant": "double quantisation",
    "train.warmup": "warm-up",
    "train.max_grad_norm": "gradient clipping norm",
    "train.micro_batch": "micro-batch",
    "train.log_every": "log every (steps)",
    "eval.every_steps": "evaluate every (steps)",
    "eval.at_start": "evaluate the base first",
    "eval.micro_batch": "evaluation batch",
    "eval.min_delta": "least improvement",
    "eval.keep_best": "deliver the best",
    "save.every_steps": "save every (steps)",
    "save.every_minutes": "save every (minutes)",
    "save.keep": "checkpoints kept",
}
# A pattern as words; what cannot be said of a pattern by rule.
_PATTERNS = {
    "name": "1 to 64 letters, digits, dots, dashes or underscores, a letter or digit first"
}
_SHOWN = 60
_ADAPTER = frozenset({"rank", "alpha", "dropout", "targets", "rslora", "dora"})
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# A table's key or value that needs no quotes.
_BARE = re.compile(r"[^\s,={}\"'](?:[^,={}\"'\n\r]*[^\s,={}\"'])?")
_SIDE = r"(\"(?:[^\"\\]|\\.)*\"|[^,=\"]+?)"
_PAIR = re.compile(rf"\s*{_SIDE}\s*=\s*{_SIDE}\s*(?:,\s*|\Z)")


@dataclass(frozen=True, slots=True)
class Field:
    """A setting as a form shows it.

    `section` is empty at the top level. `low` and `high` are the numbers the bounds name, in or
    out of the range as `bounds` says in words; `default` is written as it is typed, empty where
    there is none.
    """

    path: str
    section: str
    label: str
    kind: Kind
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    bounds: str
    help: str
    default: str

    @property
    def takes_digits(self) -> bool:
        """Whether it is a number."""
        return self.kind in ("integer", "number")


@cache
def describe(path: str) -> Field:
    """The field of a dotted path; raises TailfinError for a path that is no setting."""
    info = _info(path)
    section, _, name = path.rpartition(".")
    limits = _limits(info)
    numbers = [v for k, v in limits.items() if k in ("ge", "gt")]
    tops = [v for k, v in limits.items() if k in ("le", "lt")]
    default = info.get_default(call_default_factory=True)
    return Field(
        path=path,
        section=section,
        label=_LABELS.get(path) or name.replace("_", " ").replace("max ", "maximum "),
        kind=_kind(path, info),
        choices=_choices(path, info),
        low=numbers[0] if numbers else None,
        high=tops[0] if tops else None,
        bounds=_PATTERNS.get(path) or _bounds(limits),
        help=field_help(path),
        default="" if info.is_required() else written(default),
    )


def all_fields() -> tuple[Field, ...]:
    """Every setting, in declaration order."""
    return tuple(describe(path) for path in field_paths())


def parse(path: str, text: str) -> object:
    """The value of what a person typed into one field, checked alone.

    Raises TailfinError that names the field, what is allowed and what was typed. Spaces around
    anything but a text are let through.
    """
    field = describe(path)
    if field.kind == "text":
        value: object = text
    elif field.kind == "table":
        value = _table(field, text)
    elif field.kind == "switch":
        value = _TRUTH.get(text.strip().lower(), text)
    elif field.kind == "choice":
        return _chosen(field, text.strip())
    else:
        value = _number(field, text.strip())
    try:
        checked: object = _adapter(path).validate_python(value)
    except ValidationError:
        raise _refusal(field, text) from None
    return checked


def written(value: object) -> str:
    """A value the way it is typed: `true`, `0.0002`, a bare word, `prompt = question`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _decimal(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_part(str(k))} = {_part(str(v))}" for k, v in value.items())
    return str(value)


def applies(path: str, spec: Spec) -> bool:
    """Whether a setting changes anything in this spec, so that a form need not ask for it."""
    section, _, name = path.rpartition(".")
    train, data = spec.train, spec.data
    holds_out = bool(data.eval_path) or data.eval_fraction > 0
    if section == "train" and name in _ADAPTER:
        return train.method in ("lora", "qlora")
    if section == "eval":
        return holds_out and (name != "min_delta" or spec.eval.patience > 0)
    match path:
        case "train.quantize_bits":
            return train.method == "qlora"
        case "train.double_quant":
            return train.method == "qlora" and train.quantize_bits == 4
        case "train.trainable_layers":
            return train.method == "freeze"
        case "train.epochs":
            return train.max_steps == 0
        case "train.warmup":
            return train.schedule != "constant"
        case "data.eval_fraction":
            return not data.eval_path
        case "data.eval_max_rows":
            return holds_out and not data.eval_path
        case "data.columns":
            return data.format in ("auto", "columns")
        case "model.revision":
            return not spec.model.path.startswith((".", "/", "~"))
    return True


def _info(path: str) -> FieldInfo:
    section, _, name = path.rpartition(".")
    model = SECTIONS.get(section) if section else Spec
    info = model.model_fields.get(name) if model is not None else None
    if info is None or path in SECTIONS:
        near = difflib.get_close_matches(path, field_paths(), n=1, cutoff=0.5)
        raise TailfinError(
            f"{path} is not a setting.",
            f"Did you mean {near[0]}?" if near else "See: tailfin profiles show lora",
            where=path,
        )
    return info


def _kind(path: str, info: FieldInfo) -> Kind:
    kind: Any = info.annotation
    if path == "profile" or typing.get_origin(kind) is Literal:
        return "choice"
    if isinstance(kind, types.GenericAlias):
        return "table"
    kinds: dict[Any, Kind] = {bool: "switch", int: "integer", float: "number", str: "text"}
    return kinds[kind]


def _choices(path: str, info: FieldInfo) -> tuple[str, ...]:
    if path == "profile":
        return tuple(profile_names())
    if typing.get_origin(info.annotation) is Literal:
        return tuple(written(value) for value in typing.get_args(info.annotation))
    return ()


def _limits(info: FieldInfo) -> dict[str, float]:
    """The numeric bounds among a field's metadata, by their operator."""
    found: dict[str, float] = {}
    for meta in info.metadata:
        for operator in ("ge", "gt", "le", "lt"):
            limit = getattr(meta, operator, None)
            if isinstance(limit, int | float):
                found[operator] = limit
    return found


def _bounds(limits: dict[str, float]) -> str:
    if "ge" in limits and "le" in limits:
        return f"{written(limits['ge'])} to {written(limits['le'])}"
    words = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    return ", ".join(words[op].format(written(limit)) for op, limit in limits.items())


@cache
def _adapter(path: str) -> TypeAdapter[Any]:
    info = _info(path)
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(kind)


def _number(field: Field, text: str) -> int | float:
    value = _as_number(field.kind, text)
    if value is None:
        raise _refusal(field, text)
    return value


def _as_number(kind: Kind, text: str) -> int | float | None:
    # an input method may type digits at full width
    plain = unicodedata.normalize("NFKC", text)
    try:
        if kind == "integer":
            return int(plain)
        return value if math.isfinite(value := float(plain)) else None
    except ValueError:
        return None


def _chosen(field: Field, text: str) -> object:
    if field.path == "profile" and (not text or text in field.choices):
        return text
    if field.path == "profile" and text.endswith(".toml") and text.isprintable():
        load_profile(text)
        return text
    if text not in field.choices:
        raise _refusal(field, text)
    values = typing.get_args(_info(field.path).annotation)
    return next(value for value in values if written(value) == text)


def _table(field: Field, text: str) -> dict[str, str]:
    """`prompt = question, completion = "a, b"` as a table."""
    table: dict[str, str] = {}
    place, inside = 0, text.strip()
    if inside.startswith("{") and inside.endswith("}"):  # as a spec file has it
        inside = inside[1:-1].strip()
    while place < len(inside):
        pair = _PAIR.match(inside, place)
        if pair is None:
            raise _refusal(field, text)
        try:
            table[_unquoted(pair[1])] = _unquoted(pair[2])
        except ValueError:
            raise _refusal(field, text) from None
        place = pair.end()
    return table


def _part(text: str) -> str:
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _unquoted(text: str) -> str:
    return str(json.loads(text, strict=False)) if text.startswith('"') else text


def _decimal(value: float) -> str:
    """Plain digits where they are short, else with an exponent; reads back as the same number."""
    if not math.isfinite(value):
        return str(value)
    plain = format(Decimal(repr(value)), "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    if len(plain) <= 12:
        return plain
    mantissa, _, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else repr(value)


def _refusal(field: Field, text: str) -> TailfinError:
    wanted = {
        "integer": "a whole number",
        "number": "a number",
        "switch": "true or false",
        "table": "pairs such as prompt = question, completion = answer",
        "choice": _either(field.choices),
        "text": "text that can be stored" if text.strip() else "filled in",
    }[field.kind]
    is_number = field.kind in ("integer", "number")
    if is_number and field.bounds and _as_number(field.kind, text) is not None:
        wanted = field.bounds
    elif field.bounds:
        wanted = f"{wanted}, {field.bounds}" if is_number else field.bounds
    typed = inert(text.strip())
    got = (
        f" (got {typed if len(typed) <= _SHOWN else typed[: _SHOWN - 3] + '...'})" if typed else ""
    )
    return TailfinError(
        f"{field.label} must be {wanted}{got}.",
        "Type another value.",
        where=field.path,
        error_id="spec.invalid",
    )


def _either(choices: tuple[str, ...]) -> str:
    *first, last = choices or ("",)
    return f"{', '.join(first)} or {last}" if first else last
