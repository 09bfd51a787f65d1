"""A run of the bundled model and data that ended in a scripted way."""

from __future__ import annotations

from pathlib import Path

from engine.bundled import bundled
from engine.runs.checkpoints import write_manifest
from engine.runs.events import Body, Plan
from engine.runs.host import boot_id, host_name
from engine.runs.state import Observed, observe
from engine.runs.store import RunFolder
from engine.settings import spec_to_toml
from engine.spec import Spec
from tests.runs.script import Script, started

TRACE = "report/trace-20260101-000000.txt"


def a_plan(*, max_length: int = 128, device: str = "cpu") -> Plan:
    return Plan(
        max_steps=100,
        num_rows=400,
        num_eval_rows=4,
        max_length=max_length,
        cut_share=0.0,
        epochs=1.0,
        micro_batch=8,
        accumulation=4,
        total_params=2_043_648,
        trained_params=204_800,
        device=device,
        dtype="float32" if device == "cpu" else "bfloat16",
    )


def write_spec(run: RunFolder, **sections: dict[str, object]) -> None:
    """`spec.toml` on the bundled model and data, with these settings by section."""
    samples = bundled("samples")
    values: dict[str, dict[str, object]] = {
        "model": {"path": str(samples / "model")},
        "data": {"path": str(samples / "good.jsonl")},
        "train": {"micro_batch": 8, "accumulation": 4},
    }
    for section, settings in sections.items():
        values[section] = values.get(section, {}) | settings
    run.path.mkdir(parents=True, exist_ok=True)
    run.spec.write_text(spec_to_toml(Spec.model_validate(values)), encoding="utf-8")


def end_with(run: RunFolder, *bodies: Body, changes: dict[str, str] | None = None) -> Observed:
    """Write a log of this box that ends so, and look at the run."""
    run.path.mkdir(parents=True, exist_ok=True)
    begun = started(host=host_name(), boot_id=boot_id(), changes=changes)
    Script().add(begun, *bodies).write(run.events)
    return observe(run)


def add_checkpoint(run: RunFolder, step: int) -> None:
    folder = run.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"w" * 2**20)
    write_manifest(folder, step)


def write_trace(run: RunFolder, text: str) -> str:
    """A traceback's file; returns its name as an event gives it."""
    path = run.path / TRACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return TRACE


def make_folder(root: Path, name: str = "20260101-000000-run") -> RunFolder:
    run = RunFolder(root / name)
    run.path.mkdir(parents=True)
    return run
