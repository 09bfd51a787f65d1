"""A run that is about to start, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cost.forecast import Forecast
from engine.cost.price import Price
from engine.data.text import counted
from engine.fields import written
from engine.findings import Finding, worst_first
from engine.settings import Resolved
from engine.spec import Spec
from engine.steps import num_steps
from tui.draft import Draft
from tui.draw.words import about, size
from tui.panes.data_lines import Fact, num_held_out
from tui.widgets.memory_bar import tier, verdict, verdict_word
from tui.widgets.settings import value_of

if TYPE_CHECKING:
    from engine.memory.budget import Budget


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was found out for the review: free bytes, how long it takes and what an hour costs.

    `is_one_volume` says that runs and downloads take theirs from the same free bytes.
    """

    runs_free: int
    cache_free: int
    is_one_volume: bool
    forecast: Forecast | None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is trained: rows, rows per step, steps."""

    num_train: int
    num_held_out: int
    batch: int
    num_steps: int


def amount(draft: Draft, spec: Spec) -> Amount:
    """Rows and steps."""
    train, found = spec.train, draft.inspection
    num_rows = found.num_rows if found else 0
    held = num_held_out(found, spec.data, draft.held_out) if found else 0
    num_train = num_rows if spec.data.eval_path else num_rows - held
    batch = train.micro_batch * train.accumulation
    return Amount(num_train, held, batch, num_steps(spec, num_train))


def facts(
    draft: Draft, spec: Spec, root: Path, budget: Budget | None, outlook: Outlook | None
) -> list[Fact]:
    """Label and sentence of what will be trained, on what, how long and where."""
    much = amount(draft, spec)
    held = f", {counted(much.num_held_out, 'row')} held out" if much.num_held_out else ""
    many = f"{much.num_train:,} rows" if draft.inspection else "the rows"
    told = [
        ("trains", _method(spec)),
        ("model", _model(spec, budget)),
        ("data", f"{many} of {spec.data.path}{held}"),
        ("steps", _steps(spec, much)),
    ]
    if budget is not None:
        told.append(("memory", f"{verdict_word(budget)[0]}: {verdict(budget)} {tier(budget)}"))
    if outlook is not None:
        told.append(("time", _time(outlook.forecast, outlook.price)))
        if budget is not None:
            told.append(("disk", _disk(budget, outlook)))
    told.append(("run folder", f"{root}/DATE-TIME-{spec.name}"))
    return told


def chosen(resolved: Resolved) -> list[Fact]:
    """Every setting that is not a default, and who said so."""
    told = []
    for path, source in resolved.sources.items():
        if source != "default" and path not in ("model.path", "data.path"):
            name = Path(source).name if "/" in source else source
            told.append((path, f"{written(value_of(resolved.spec, path)) or 'none'}  ({name})"))
    return told


def failures(draft: Draft) -> list[Finding]:
    """What the doctor says keeps a run from starting."""
    return [f for group in draft.groups for f in group.findings if f.severity == "fail"]


def warnings(draft: Draft, budget: Budget | None) -> list[Finding]:
    """What else was found on the way and is not fine, worst first."""
    box = [f for group in draft.groups for f in group.findings if f.severity == "warn"]
    data = [f for file in (draft.inspection, draft.held_out) if file for f in file.findings]
    if draft.skip_bad_rows:  # said of rows that are left out: the person knows
        data = [f for f in data if f.severity != "fail"]
    found = worst_first([*data, *(budget.findings if budget else ()), *box])
    return [f for f in found if f.severity in ("fail", "warn")]


def _method(spec: Spec) -> str:
    train = spec.train
    adapter = f"a LoRA adapter, rank {train.rank}, alpha {train.alpha:g}"
    match train.method:
        case "lora":
            return f"{adapter}, on {train.targets}"
        case "qlora":
            return f"{adapter}, on {train.targets}, over {train.quantize_bits}-bit weights (qlora)"
        case "freeze":
            return f"the last {counted(train.trainable_layers, 'layer')}, all else frozen"
    return "all weights (full)"


def _model(spec: Spec, budget: Budget | None) -> str:
    if budget is None:
        return spec.model.path
    of = f"{_millions(budget.num_trained)} of {_millions(budget.num_params)} parameters trained"
    return f"{spec.model.path}, {of}"


def _millions(number: int) -> str:
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.2f} M"


def _steps(spec: Spec, much: Amount) -> str:
    train = spec.train
    each = f"micro-batch {train.micro_batch} x accumulation {train.accumulation}"
    many = "" if train.max_steps else f"{train.epochs:g} epochs, "
    rate = f"learning rate {written(train.learning_rate)}, {train.schedule}"
    return f"{many}about {much.num_steps:,} steps of {counted(much.batch, 'row')} ({each}); {rate}"


def _time(told: Forecast | None, price: Price | None) -> str:
    if told is None:
        return "not known yet; the rehearsal measures it before step 1"
    span = about(told.least_s)
    if told.most_s > told.least_s:
        span += f" to {about(told.most_s).removeprefix('about ')}"
    if price is not None:
        least, most = price.say(told.least_s), price.say(told.most_s)
        span += f", {least}" if least == most else f", {least} to {most}"
    return f"{span}, {told.basis}"


def _disk(budget: Budget, outlook: Outlook) -> str:
    storage = budget.storage
    runs = storage.checkpoints + storage.adapter + storage.merged
    said = f"{size(runs)} for checkpoints and exports, {size(outlook.runs_free)} free"
    if storage.download:
        said += f"; {size(storage.download)} to download, {size(outlook.cache_free)} free"
    return said


def too_little_disk(budget: Budget | None, outlook: Outlook | None) -> Sequence[Finding]:
    """A warning where the checkpoints or the download have no room."""
    if budget is None or outlook is None:
        return []
    storage, runs_free, cache_free = budget.storage, outlook.runs_free, outlook.cache_free
    need, download = storage.checkpoints + storage.adapter, storage.download or 0
    fewer = "Free space, keep fewer checkpoints, or start with: tailfin --runs DIR"
    elsewhere = "Free space, or set HF_HOME to a folder on a larger volume before starting tailfin."
    found = []
    if download > cache_free:
        said = f"{size(download)} are to be downloaded, but the model cache has {size(cache_free)}"
        found.append(Finding("review.cache-disk", "warn", f"{said} free.", elsewhere))
    if need > runs_free:
        said = f"Checkpoints need {size(need)}, but the runs folder has {size(runs_free)} free."
        found.append(Finding("review.disk", "warn", said, fewer, "save.keep"))
    if not found and outlook.is_one_volume and need + download > runs_free:
        said = f"The download and the checkpoints need {size(need + download)} of one volume"
        said += f" that has {size(runs_free)} free."
        found.append(Finding("review.shared-disk", "warn", said, elsewhere, "save.keep"))
    return found
