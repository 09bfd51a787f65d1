"""What a draft adds up to: how long its rows are, the memory it needs, what would suit it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from engine.spec import Spec
from tui.draft import Draft

if TYPE_CHECKING:
    from engine.memory.budget import Budget
    from engine.memory.cards import Card
    from engine.memory.model_shape import ModelShape
    from engine.memory.remedies import Remedy
    from engine.memory.simulator import Wish
    from engine.suggest import Suggestion


# The newest ones say what this box is like; reading all of hundreds would take a while.
_MOST_RUNS = 30


def row_length(draft: Draft) -> tuple[int, bool]:
    """Tokens per row, and whether anybody knows: a person, or the count of the data."""
    from engine.memory.assumptions import assumed_length

    chosen = draft.value("data.max_length")
    if isinstance(chosen, int) and chosen:
        return chosen, True
    tokens = draft.inspection.tokens if draft.inspection else None
    if tokens is None:
        return assumed_length(draft.shape), False
    # A tokenizer may promise more than the model's own config does.
    limit = draft.shape.max_positions if draft.shape else 0
    return min(tokens.suggested, limit or tokens.suggested), True


def memory_of(draft: Draft, spec: Spec) -> Budget | TailfinError | None:
    """The estimate, or why there can be none; None while model or card are not known."""
    from engine.memory.estimate import estimate

    if draft.shape is None or draft.card is None:
        return None
    length = spec.data.max_length or row_length(draft)[0]
    download = draft.place.missing_bytes if draft.place else None
    try:
        return estimate(draft.shape, spec, length, draft.card, download=download)
    except TailfinError as error:
        return error


def wish_of(draft: Draft, spec: Spec) -> Wish | None:
    """What there is to simulate; None while model, card or the length of the rows is not known."""
    from engine.memory.simulator import Wish

    config = draft.place.config if draft.place is not None else draft.config
    if config is None or draft.card is None or draft.counting is not None:
        return None
    return Wish(config, spec, spec.data.max_length or row_length(draft)[0], draft.card)


def best_memory_of(draft: Draft, spec: Spec) -> Budget | TailfinError | None:
    """The simulated budget where there is one of these settings, else the estimate."""
    from engine.memory.simulation import Simulation
    from engine.memory.simulator import budget_of

    need, wish = memory_of(draft, spec), wish_of(draft, spec)
    found = draft.simulator.known(wish) if wish is not None else None
    if isinstance(found, Simulation) and need is not None and not isinstance(need, TailfinError):
        return budget_of(found, need)
    return need


def ways_out(draft: Draft, spec: Spec, budget: Budget) -> Sequence[Remedy]:
    """Changes that lower the peak, cheapest first; none where it fits with room to spare."""
    from engine.memory.remedies import remedies

    if draft.shape is None or (budget.fits and not budget.is_tight):
        return ()
    return remedies(draft.shape, spec, budget)


def suggestions_for(draft: Draft, spec: Spec) -> tuple[Suggestion, ...]:
    """Values for what nobody chose; those there are while model or card are not known.

    A profile that was chosen is kept whole: its settings are somebody's measured choice.
    """
    from engine.profiles import load_profile
    from engine.settings import flatten
    from engine.suggest import suggest

    if draft.shape is None or draft.card is None:
        return draft.suggestions
    fixed = {*draft.choices, *draft.filed}
    length, is_known = row_length(draft)
    if not is_known:
        fixed.add("data.max_length")
    num_rows = draft.inspection.num_rows if draft.inspection else 0
    try:
        if profile := draft.text("profile"):
            fixed |= {path for path, _ in flatten(load_profile(profile).settings)}
        return suggest(spec, draft.shape, length, draft.card, num_rows=num_rows, fixed=fixed)
    except TailfinError:  # the estimate says the same, where it is seen
        return draft.suggestions


def find_card(runs: str | None = None) -> Card:
    """The device of this box, as the runs there measured it; can take seconds."""
    from engine.memory.calibration import calibrated
    from engine.memory.device import this_device
    from engine.runs.measured import comparisons
    from engine.runs.store import list_runs

    card = this_device()
    try:
        return calibrated(card, comparisons(list_runs(runs)[:_MOST_RUNS]))
    except (OSError, TailfinError):  # a folder of runs that cannot be read says so elsewhere
        return card


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model's config.json and the shape that it describes."""

    config: Mapping[str, object]
    shape: ModelShape


def find_model(draft: Draft) -> FoundModel:
    """The draft's model, looked up where nobody did; raises TailfinError."""
    from engine.memory.model_config import read_config
    from engine.memory.model_shape import read_shape

    if draft.place is not None:
        return FoundModel(draft.place.config, read_shape(draft.place.config))
    found = read_config(draft.text("model.path"), draft.text("model.revision"))
    return FoundModel(found.config, read_shape(found.config, where=found.where))
