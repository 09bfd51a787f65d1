"""What the estimate says a run needs where it ran, to stand beside what happened."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.memory.budget import COMPONENTS, GIB, Budget
from engine.memory.cards import Card, card_of_driver, card_of_size
from engine.memory.estimate import CPU_BASELINE_BYTES, estimate
from engine.memory.model_shape import ModelShape
from engine.runs.effective import effective_spec
from engine.runs.memory_facts import MemoryFacts, Place
from engine.runs.state import LIVE, Observed
from engine.runs.store import RunFolder
from engine.spec import Spec

_GIB_OF_PROCESS = CPU_BASELINE_BYTES / GIB


@dataclass(frozen=True, slots=True)
class Prediction:
    """The estimate of a run's effective spec, and what asks for others like it.

    `card` is what the estimate was made for. Virtual memory counts tensors alone: there `card`
    has room for the process on top, and everything given out is without it.
    """

    shape: ModelShape
    spec: Spec
    length: int
    card: Card
    is_virtual: bool

    def estimate(self, spec: Spec) -> Budget:
        """The budget of another spec on the same device, at its own length where it sets one."""
        return estimate(self.shape, spec, spec.data.max_length or self.length, self.card)

    def shown(self, budget: Budget) -> Budget:
        """A budget of `estimate` as it compares with what the limit counts."""
        if not self.is_virtual:
            return budget
        phases = tuple(replace(p, sizes=_tensors_alone(p.sizes)) for p in budget.phases)
        limit = Card(self.card.name, self.card.usable_gib - _GIB_OF_PROCESS, (0, 0), 0.0, False)
        return replace(budget, card=limit, phases=phases)

    def counted_gib(self, process_gib: float) -> float:
        """A process peak in GiB as the limit counts it."""
        return process_gib - _GIB_OF_PROCESS if self.is_virtual else process_gib


def predict(
    run: RunFolder, observed: Observed, facts: MemoryFacts | None = None, place: Place = ""
) -> Prediction | None:
    """What an estimate needs to know of a run; None where that cannot be known.

    No network is asked: a hub model's config is read from the cache, where the run put it. Can
    take seconds where the driver sleeps.
    """
    try:
        spec = effective_spec(run, dict(observed.status.changes))
        plan = observed.status.plan
        length = spec.data.max_length or (plan.max_length if plan else 0)
        shape = _shape(spec)
        if not length or shape is None:
            return None
        limit = facts.limit_gib if facts else None
        card = _card(observed, limit, place)
        if card is None:
            return None
        prediction = Prediction(shape, spec, length, card, place == "virtual GPU" and bool(limit))
        prediction.estimate(spec)
    except Exception:  # it only helps to explain: whatever is wrong with it, the rest is told
        return None
    return prediction


def _tensors_alone(sizes: tuple[int, ...]) -> tuple[int, ...]:
    others = ("context", "other processes")
    named = zip(COMPONENTS, sizes, strict=True)
    return tuple(0 if name in others else size for name, size in named)


def _shape(spec: Spec) -> ModelShape | None:
    from engine.memory.model_config import read_config
    from engine.memory.model_shape import read_shape

    path = _config_path(spec)
    if path is None:
        return None
    source = read_config(path)
    return read_shape(source.config, where=source.where)


def _config_path(spec: Spec) -> str | None:
    from pathlib import Path

    if Path(spec.model.path).expanduser().exists():
        return spec.model.path
    from huggingface_hub import constants

    from engine.hub.cache import RepoCache

    cache = RepoCache.of(spec.model.path)
    commit = cache.commit(spec.model.revision or constants.DEFAULT_REVISION)
    file = cache.snapshot(commit) / "config.json"
    return str(file) if commit and file.is_file() else None


def _card(observed: Observed, limit_gib: float | None, place: Place) -> Card | None:
    """The device of the run: this one, or what its log says of a card that is not here.

    None for RAM beside a card: how much of it a step takes there is not estimated.
    """
    from engine.memory.device import this_device, this_ram

    if place == "virtual GPU" and limit_gib:
        return Card("virtual VRAM", limit_gib + _GIB_OF_PROCESS, (0, 0), 0.0, is_gpu=False)
    name = observed.status.plan.device if observed.status.plan else ""
    if name == "cpu":
        here = this_ram()
    else:
        here = this_device()
        if place == "RAM" and (name or here.is_gpu):
            return None
        if not here.is_gpu and limit_gib and place == "GPU":
            here = _card_named(name, limit_gib)
    # What it holds itself is not another process's.
    return replace(here, taken_gib=0.0) if observed.state in LIVE else here


def _card_named(name: str, limit_gib: float) -> Card:
    card = card_of_driver(name)
    if card is not None:
        return replace(card, name=name, usable_gib=limit_gib)
    unknown = card_of_size(limit_gib)
    return replace(unknown, name=name or unknown.name)
