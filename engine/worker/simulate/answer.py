"""A simulated run as a budget: the same table as the estimate's, from operations that were seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from engine.memory.budget import GIB, TENSOR_COMPONENTS, Budget, Phase, PhaseName
from engine.memory.cards import Card
from engine.memory.estimate import CPU_BASELINE_BYTES
from engine.memory.model_shape import DTYPE_BYTES
from engine.memory.simulation import Simulation
from engine.memory.storage import Storage
from engine.spec import Spec
from engine.worker.simulate.cpu import cpu_kernels
from engine.worker.simulate.cuda import cuda_assumptions, cuda_kernels
from engine.worker.simulate.limits import not_modelled
from engine.worker.simulate.reserved import Held, held_of
from engine.worker.simulate.setting import Setting, setting_of
from engine.worker.simulate.trace import Trace, trace_run

# Margin above the simulated peak within which a run is called tight: the allocator's rules are
# replayed, its driver and its libraries' own buffers are not, and no card has checked it yet.
_SPREAD = 0.05


def simulate(
    config: Mapping[str, Any], spec: Spec, length: int, card: Card, *, corrections: bool = True
) -> Simulation:
    """Predict memory for rows of `length` tokens of the model that `config` (config.json) names.

    `corrections` model what CUDA's kernels allocate; without them it is a step on the CPU. Raises
    TailfinError for a model or a setting that cannot be simulated.
    """
    started = time.perf_counter()
    setting = setting_of(spec, length, card)
    kernels = cuda_kernels if corrections and card.is_gpu else cpu_kernels
    trace = trace_run(dict(config), setting, kernels=kernels)
    return Simulation(
        budget=_budget(trace, setting, length),
        not_modelled=tuple(not_modelled(config, spec)),
        assumptions=(*trace.assumed, *(cuda_assumptions(card) if corrections else ())),
        seconds=time.perf_counter() - started,
    )


def _budget(trace: Trace, setting: Setting, length: int) -> Budget:
    card = setting.card
    held = held_of(trace, card) if card.is_gpu else Held({}, 0)
    load, train, evaluation = (trace.peaks[name] for name in ("load", "train", "eval"))
    rest = tuple(
        size if name in ("base weights", "adapter", "optimizer") else 0
        for name, size in zip(TENSOR_COMPONENTS, evaluation.parts, strict=True)
    )
    phases = (
        _phase("load", load.moment, load.parts, card, held),
        _phase("train", train.moment, train.parts, card, held),
        _phase("eval", evaluation.moment, evaluation.parts, card, held),
        # A checkpoint is written while the allocator still holds what the evaluation left it.
        _phase("save", "writing a checkpoint", rest, card, held),
    )
    return Budget(
        card=card,
        length=length,
        phases=phases,
        spread_bytes=int(max(_SPREAD, card.miss) * train.total) if card.is_gpu else 0,
        storage=_storage(trace, setting),
        findings=(),
        num_params=trace.num_params,
        num_trained=trace.num_trained,
        tier="simulate",
    )


def _phase(name: PhaseName, moment: str, parts: tuple[int, ...], card: Card, held: Held) -> Phase:
    context = int(card.context_gib * GIB) if card.is_gpu else CPU_BASELINE_BYTES
    reserved = held.by_phase.get("eval" if name == "save" else name, 0)
    slack = max(reserved - sum(parts), 0) if card.is_gpu else 0
    return Phase(name, moment, (*parts, slack, context, int(card.taken_gib * GIB)))


def _storage(trace: Trace, setting: Setting) -> Storage:
    """Files of a run; the base's size on the hub is taken as two bytes per weight."""
    sizes = dict(zip(TENSOR_COMPONENTS, trace.peaks["eval"].parts, strict=True))
    item = DTYPE_BYTES[setting.dtype]
    num_base = trace.num_params - (trace.num_trained if setting.adapts else 0)
    result = sizes["adapter"] if setting.adapts else num_base * item
    checkpoint = result + sizes["optimizer"]
    return Storage(
        bare_ram=CPU_BASELINE_BYTES,
        largest=0,
        paged=0,
        result=result,
        download=num_base * 2,
        checkpoint=checkpoint,
        checkpoints=checkpoint * (setting.spec.save.keep + 2),
        merged=num_base * (2 if setting.adapts else item),
        adapts=setting.adapts,
    )
