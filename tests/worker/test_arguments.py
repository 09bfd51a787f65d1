"""The table from spec to TRL and PEFT: every setting arrives, or a module of ours acts on it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from peft import LoraConfig
from trl import SFTConfig

from engine.settings import layer
from engine.spec import Spec, field_paths
from engine.worker.arguments import ROUTES, lora_arguments, sft_arguments

# For every setting that goes to a library: a value that is not the default, and what arrives.
CHANGED: dict[str, tuple[object, object]] = {
    "data.max_length": (333, 333),
    "data.packing": (True, True),
    "train.rank": (7, 7),
    "train.alpha": (5.0, 5.0),
    "train.dropout": (0.25, 0.25),
    "train.targets": ("q_proj, v_proj", {"q_proj", "v_proj"}),
    "train.rslora": (True, True),
    "train.dora": (True, True),
    "train.learning_rate": (3e-3, 3e-3),
    "train.schedule": ("linear", "linear"),
    "train.warmup": (17, 17),
    "train.weight_decay": (0.125, 0.125),
    "train.max_grad_norm": (0.5, 0.5),
    "train.optimizer": ("lion_8bit", "lion_8bit"),
    "train.epochs": (7.5, 7.5),
    "train.max_steps": (11, 11),
    "train.micro_batch": (3, 3),
    "train.accumulation": (5, 5),
    "train.gradient_checkpointing": (False, False),
    "train.seed": (99, 99),
    "train.log_every": (4, 4),
    "eval.at_start": (False, False),
    "eval.micro_batch": (6, 6),
}


def _spec(path: str = "", value: object = None) -> Spec:
    base: dict[str, object] = {"model": {"path": "m"}, "data": {"path": "d"}}
    layers: list[tuple[str, Any]] = [("base", base)]
    if path:
        section, _, name = path.rpartition(".")
        layers.insert(0, ("change", {section: {name: value}} if section else {name: value}))
    return layer(layers).spec


def _config(spec: Spec, tmp_path: Path) -> SFTConfig:
    return SFTConfig(
        **sft_arguments(
            spec,
            output_dir=tmp_path,
            max_length=spec.data.max_length or 128,
            has_eval=True,
            resuming=False,
            dtype="float32",
            on_gpu=False,
        )
    )


def test_every_setting_has_exactly_one_route() -> None:
    assert sorted(ROUTES) == sorted(field_paths())


def test_every_setting_bound_for_a_library_is_tried_below() -> None:
    bound = {path for path, route in ROUTES.items() if route.target != "ours"}
    assert bound == set(CHANGED)


@pytest.mark.parametrize("path", sorted(CHANGED))
def test_a_changed_setting_arrives(path: str, tmp_path: Path) -> None:
    value, expected = CHANGED[path]
    route = ROUTES[path]
    default, changed = _spec(), _spec(path, value)
    if route.target == "sft":
        before = getattr(_config(default, tmp_path), route.name)
        after = getattr(_config(changed, tmp_path), route.name)
    else:
        before = getattr(LoraConfig(**(lora_arguments(default) or {})), route.name)
        after = getattr(LoraConfig(**(lora_arguments(changed) or {})), route.name)
    assert after == expected
    assert before != after


@pytest.mark.parametrize("path", sorted(p for p, r in ROUTES.items() if r.target == "ours"))
def test_a_setting_of_ours_is_read_where_the_table_says(path: str) -> None:
    relative = Path(*ROUTES[path].name.split("."))
    root = Path(__file__).resolve().parents[2]
    file = (root / relative).with_suffix(".py")
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    callers = "".join(
        (root / name).read_text(encoding="utf-8")
        for name in ("engine/worker/train.py", "engine/worker/rows.py", "engine/runs/create.py")
    )
    assert file.exists(), file
    assert f".{path.rpartition('.')[2]}" in text + callers or f'"{path}"' in text


def test_what_trl_must_not_decide_is_switched_off(tmp_path: Path) -> None:
    config = _config(_spec(), tmp_path)
    assert config.logging_nan_inf_filter is False
    assert config.save_strategy == "no" and config.eval_strategy == "no"
    assert config.bf16 is False and config.fp16 is False
    assert config.report_to == []


def test_arguments_are_known_to_the_libraries() -> None:
    known = inspect.signature(SFTConfig.__init__).parameters
    arguments = sft_arguments(
        _spec(),
        output_dir=Path("x"),
        max_length=1,
        has_eval=True,
        resuming=False,
        dtype="bfloat16",
        on_gpu=False,
    )
    assert set(arguments) <= set(known)
