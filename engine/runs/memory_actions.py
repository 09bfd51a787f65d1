"""Ways on after out of memory: what a resume does by itself, then other changes, with GiB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from engine.runs.actions import (
    Action,
    resume_action,
    resume_command,
    say_fewer_rows,
    train_command,
)
from engine.runs.effective import as_changes, effective_spec
from engine.runs.memory_facts import MemoryFacts, Place
from engine.runs.resume import is_resumable, plan_resume
from engine.runs.state import Observed
from engine.runs.store import RunFolder
from engine.spec import Spec

if TYPE_CHECKING:
    from engine.runs.prediction import Prediction

_MOST = 6
# Less than this held by others is a desktop or a monitor, and not worth a word.
_WORTH_FREEING_GIB = 0.25
_SHORTEST = 256
_COSTS = ("none", "speed", "quality")


def memory_actions(
    run: RunFolder,
    observed: Observed,
    facts: MemoryFacts,
    place: Place,
    prediction: Prediction | None,
    from_step: int,
) -> tuple[Action, ...]:
    """Ranked: the resume that keeps everything, a freed card, what fits by the estimate, the rest.

    `from_step` is the last whole checkpoint: above 0 there is progress that a new run would lose.
    Never empty: without a readable spec it is a resume as it is.
    """
    again = "Resume as it is, where there is more memory"
    try:
        spec = effective_spec(run, dict(observed.status.changes))
    except TailfinError:
        return (resume_action(run, again),)
    relief = _relief(run, observed, spec)
    keeps = _as_it_is(spec)
    actions = []
    if relief:
        actions.append(_relieved(run, observed, spec, relief, prediction))
    if facts.others_gib is not None and facts.others_gib >= _WORTH_FREEING_GIB:
        says = (
            f"Other processes hold {facts.others_gib:.2f} GiB of the card (nvidia-smi names them): "
            "end them, then resume unchanged"
        )
        actions.append(_with_peak(resume_action(run, says, keeps), prediction))
    others = _predicted(run, observed, prediction, from_step) if prediction else []
    # What usually helps frees memory of the card; RAM beside one is another matter.
    others = others or ([] if place == "RAM" else _unpredicted(run, observed, spec))
    taken = {action.changes for action in actions}
    actions += [action for action in others if action.changes not in taken]
    return (*actions[: _MOST - 1], _with_peak(resume_action(run, again, keeps), prediction))


def _relief(run: RunFolder, observed: Observed, spec: Spec) -> dict[str, object]:
    try:
        return plan_resume(observed, spec, run.id, {})
    except TailfinError:  # nothing is left to halve
        return {}


def _relieved(
    run: RunFolder,
    observed: Observed,
    spec: Spec,
    relief: Mapping[str, object],
    prediction: Prediction | None,
) -> Action:
    """What `tailfin resume RUN` does without further words."""
    changes = as_changes(relief)
    if "train.micro_batch" in relief:
        says, cost = say_fewer_rows(spec, relief), "none"
    elif "eval.micro_batch" in relief:
        before = spec.eval.micro_batch or spec.train.micro_batch
        says = f"Resume with {relief['eval.micro_batch']} rows per evaluation pass, not {before}"
        cost = "none"
    else:
        says = (
            "Resume with gradient checkpointing: less is kept, the backward pass computes it anew"
        )
        cost = "speed"
    peak = fits = None
    if prediction is not None:
        try:
            changed = effective_spec(run, dict(observed.status.changes) | changes)
            budget = prediction.shown(prediction.estimate(changed))
            peak, fits = budget.peak_gib, budget.fits
        except TailfinError:
            pass
    if fits is False:
        says += "; by the estimate not enough yet"
    return Action(says, tuple(changes.items()), resume_command(run), True, peak, cost)


def _as_it_is(spec: Spec) -> dict[str, str]:
    """What keeps a resume from halving: the batch it has already, asked for by name."""
    return {"train.micro_batch": json.dumps(spec.train.micro_batch)}


def _with_peak(action: Action, prediction: Prediction | None) -> Action:
    if prediction is None:
        return action
    peak = prediction.shown(prediction.estimate(prediction.spec)).peak_gib
    return Action(action.says, action.changes, action.command, action.resumes, peak, "none")


def _predicted(
    run: RunFolder, observed: Observed, prediction: Prediction, from_step: int
) -> list[Action]:
    """The estimate's remedies: what fits first, then by cost, then what keeps the progress.

    Of several for the same settings (half the rows, a quarter, ...) the mildest is enough.
    """
    from engine.memory.remedies import remedies
    from engine.settings import flatten, parse_set

    budget = prediction.estimate(prediction.spec)
    ranked: dict[tuple[str, ...], tuple[bool, int, bool, Action]] = {}
    for remedy in remedies(prediction.shape, prediction.spec, budget, limit=_MOST):
        changes = as_changes(dict(flatten(parse_set(remedy.sets))))
        resumes = is_resumable(changes)
        said = remedy.says if remedy.fits else f"{remedy.says}; by the estimate not enough alone"
        action = Action(
            says=f"Resume with {said}" if resumes else f"Start anew with {said}",
            changes=tuple(changes.items()),
            command=_command(run, observed, changes, resumes),
            resumes=resumes,
            predicted_gib=prediction.counted_gib(remedy.peak_gib),
            cost=remedy.cost,
        )
        loses = from_step > 0 and not resumes
        rank = (not remedy.fits, _COSTS.index(remedy.cost), loses, action)
        ranked.setdefault(tuple(sorted(changes)), rank)
    return [entry[-1] for entry in sorted(ranked.values(), key=lambda entry: entry[:-1])]


def _unpredicted(run: RunFolder, observed: Observed, spec: Spec) -> list[Action]:
    """What usually helps where nothing could be estimated."""
    actions = []
    plan = observed.status.plan
    length = spec.data.max_length or (plan.max_length if plan else 0)
    if length // 2 >= _SHORTEST:
        changes = {"data.max_length": json.dumps(length // 2)}
        says = f"Resume with rows cut at {length // 2} tokens instead of {length}"
        actions.append(_priced(resume_action(run, says, changes), "quality"))
    if spec.train.method != "qlora":
        changes = {"train.method": '"qlora"', "train.quantize_bits": "4"}
        says = "Start anew with 4-bit base weights (qlora)"
        command = _command(run, observed, changes, resumes=False)
        actions.append(Action(says, tuple(changes.items()), command, False, None, "quality"))
    return actions


def _priced(action: Action, cost: str) -> Action:
    return Action(action.says, action.changes, action.command, action.resumes, None, cost)


def _command(run: RunFolder, observed: Observed, changes: Mapping[str, str], resumes: bool) -> str:
    """A new run has this one's settings of now, not only those it began with."""
    if resumes:
        return resume_command(run, changes)
    return train_command(run, dict(observed.status.changes) | dict(changes))
