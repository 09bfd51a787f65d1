"""What a run is told to need before it begins, written into its log beside what it will measure."""

from __future__ import annotations

from engine.memory.budget import GIB
from engine.memory.device import this_device
from engine.memory.estimate import estimate
from engine.memory.model_config import read_config
from engine.memory.model_shape import read_shape
from engine.runs.events import Predicted
from engine.spec import Spec


def foretell(spec: Spec, model_folder: str, length: int) -> Predicted | None:
    """The estimate for rows of `length` tokens on this box's device; None where there is none.

    Whatever stands in the way of an estimate (an unknown architecture, an odd config) must not
    stand in the way of the run. Can take seconds where the driver sleeps.
    """
    try:
        source = read_config(model_folder)
        shape = read_shape(source.config, where=source.where)
        budget = estimate(shape, spec, length, this_device())
    except Exception:
        return None
    train = budget.phase("train")
    return Predicted(
        tier=budget.tier,
        device=budget.card.name,
        tensors_gib=_gib(train.tensor_bytes),
        reserved_gib=_gib(train.reserved_bytes),
        process_gib=_gib(train.process_bytes),
        spread_gib=_gib(budget.spread_bytes),
        eval_tensors_gib=_gib(budget.phase("eval").tensor_bytes),
        checkpoint_bytes=budget.storage.checkpoint,
    )


def _gib(num_bytes: int) -> float:
    return round(num_bytes / GIB, 4)
