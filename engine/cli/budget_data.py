"""What `tailfin budget --json` answers; engine.cli.budget lists the fields."""

from __future__ import annotations

from dataclasses import asdict

from engine.memory.budget import GIB, Budget, Phase
from engine.memory.remedies import Remedy
from engine.spec import Spec


def budget_data(spec: Spec, budget: Budget, fixes: list[Remedy]) -> dict[str, object]:
    card, storage = budget.card, budget.storage
    disk = ("download", "checkpoint", "checkpoints", "adapter", "merged")
    return {
        **tier_data(budget),
        "length": budget.length,
        "method": spec.train.method,
        "num_params": budget.num_params,
        "num_trained": budget.num_trained,
        "card": {
            "name": card.name,
            "is_gpu": card.is_gpu,
            "usable_gib": card.usable_gib,
            "taken_gib": card.taken_gib,
            "free_gib": card.free_gib,
        },
        "ram_gib": storage.host_ram / GIB,
        "disk_gib": {name: getattr(storage, name) / GIB for name in disk},
        "stages": [
            {"name": stage.name, "ram_gib": stage.ram / GIB, "disk_gib": stage.disk / GIB}
            for stage in budget.stages
        ],
        "fixes": [asdict(fix) for fix in fixes],
    }


def tier_data(budget: Budget) -> dict[str, object]:
    """What the estimate and the simulation both say."""
    return {
        "tier": budget.tier,
        "fits": budget.fits,
        "is_tight": budget.is_tight,
        "peak_gib": budget.peak_gib,
        "components": budget.phase("train").components_gib(),
        "phases": {phase.name: _phase(phase) for phase in budget.phases},
    }


def _phase(phase: Phase) -> dict[str, object]:
    return {
        "moment": phase.moment,
        "tensors_gib": phase.tensor_bytes / GIB,
        "reserved_gib": phase.reserved_bytes / GIB,
        "process_gib": phase.process_bytes / GIB,
        "components": phase.components_gib(),
    }
