"""The room one model needs on each volume: download, checkpoints, merged model and GGUF."""

from __future__ import annotations

from dataclasses import dataclass

from engine.doctor.facts import GIB, StorageFacts
from engine.doctor.move import list_words, move, roomiest, size
from engine.doctor.storage import CACHE, RUNS
from engine.errors import TailfinError
from engine.findings import Finding

# A GGUF file in 16 bits, and the one of 8.5 bits per weight (Q8_0) that is made from it.
_GGUF_BYTES = 2 + 8.5 / 8
# Files being written beside what they replace, file systems that keep a reserve.
_SLACK = 1.1


@dataclass(frozen=True, slots=True)
class Need:
    """GiB one purpose takes on the volume of one role; `later`: only after the training."""

    purpose: str
    role: str
    gib: float
    later: bool = False


def model_needs(model: str, sets: tuple[str, ...] = ()) -> tuple[Need, ...]:
    """What a model (hub name, folder or spec file) needs; asks the hub, raises TailfinError."""
    from engine.memory.cards import card_of_size
    from engine.memory.estimate import estimate
    from engine.memory.model_config import read_config
    from engine.memory.model_shape import read_shape
    from engine.settings import load_spec

    if model.endswith(".toml"):
        spec = load_spec(model, sets).spec
    else:
        quoted = model.replace("\\", "\\\\").replace('"', '\\"')
        spec = load_spec(None, [f'model.path="{quoted}"', "data.path=unnamed", *sets]).spec
    source = read_config(spec.model.path, spec.model.revision)
    shape = read_shape(source.config, where=source.where)
    length = spec.data.max_length or 2048  # disk does not depend on it
    budget = estimate(shape, spec, length, card_of_size(80.0), download=source.download)
    storage = budget.storage
    return (
        Need("download", CACHE, storage.download * _SLACK / GIB),
        Need("checkpoints", RUNS, (storage.checkpoints + storage.adapter) / GIB),
        Need("merged model", RUNS, storage.merged / GIB, later=True),
        Need("GGUF", RUNS, budget.num_params * _GGUF_BYTES / GIB, later=True),
    )


def judge_model(model: str, storage: StorageFacts) -> list[Finding]:
    """Findings of the group disk for one model; what cannot be known is skipped with the reason."""
    try:
        needs = model_needs(model)
    except TailfinError as error:
        said = f"What {model} needs on disk is not known: {error.message}"
        return [Finding("disk.model", "skip", said, error.hint, model)]
    return judge_needs(model, needs, storage)


def judge_needs(model: str, needs: tuple[Need, ...], storage: StorageFacts) -> list[Finding]:
    """What each volume must hold, against what it has free."""
    findings = []
    for volume in storage.volumes:
        here = [need for need in needs if need.role in volume.roles and need.gib > 0]
        if not here or not volume.total_gib:
            continue
        total = sum(need.gib for need in here)
        before = sum(need.gib for need in here if not need.later)
        parts = list_words([f"{need.purpose} {size(need.gib)}" for need in here])
        message = (
            f"{model} needs {size(total)} on {volume.path}, which has {size(volume.free_gib)} "
            f"free: {parts}."
        )
        if total <= volume.free_gib:
            findings.append(Finding("disk.model", "ok", message, where=volume.path))
            continue
        roles = list(dict.fromkeys(need.role for need in here))
        target = roomiest(storage, {volume.path}, total)
        fix = move(storage, roles, target) if target else ""
        findings.append(
            Finding(
                "disk.model-too-large",
                "fail" if before > volume.free_gib else "warn",
                message,
                fix or f"Attach a volume with {size(total)} free, or choose a smaller model.",
                volume.path,
                "The download or a checkpoint ends with 'No space left on device'."
                if before > volume.free_gib
                else "The training fits; merging or converting its result does not.",
                safe=bool(fix),
            )
        )
    return findings
