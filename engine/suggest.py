"""What a person who only presses Enter should get, on this card and for these rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.data.text import counted
from engine.memory.budget import GIB, Budget
from engine.memory.cards import Card
from engine.memory.estimate import estimate
from engine.memory.model_shape import ModelShape
from engine.settings import layer
from engine.spec import Spec, field_paths

# Rows per forward pass beyond which a pass hardly gets faster and padding grows.
_MOST_ROWS = 8
# Tokens per forward pass below which a card is not kept busy.
_BUSY_TOKENS = 2048
# Updates per pass over the data below which a small data set stays half learned.
_STEPS_PER_EPOCH = 20
_SMALLEST_BATCH = 2
# Share of the free memory that stays so: the estimate has a spread of its own for a card, none for
# RAM; without recomputation most of the memory is activations, its least certain part.
_SPARE_OF_RAM = 0.1
_SPARE_WITHOUT_CHECKPOINTING = 0.1
# Rows shown in all, by openai/openai-cookbook examples/Chat_finetuning_data_prep.ipynb: more passes
# where the usual ones show fewer than 100, fewer where they show more than 25,000.
_FEWEST_SHOWN, _MOST_SHOWN, _MOST_EPOCHS = 100, 25_000, 25
_METHODS = ("lora", "qlora", "full", "freeze")
_SUGGESTED = frozenset(
    {
        "profile",
        "model.dtype",
        "data.max_length",
        "train.method",
        "train.epochs",
        "train.micro_batch",
        "train.accumulation",
        "train.gradient_checkpointing",
    }
)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value for a setting nobody chose, and why, in one clause."""

    path: str
    value: object
    why: str


def suggest(
    spec: Spec,
    shape: ModelShape,
    length: int,
    card: Card,
    *,
    num_rows: int = 0,
    fixed: Collection[str] = (),
) -> tuple[Suggestion, ...]:
    """What differs from profile and defaults for rows of `length` tokens on `card`.

    `num_rows` are the rows of the data file, held-out ones included; 0 where nobody counted.
    `fixed` are the paths a person chose: they are kept and never suggested. What the spec holds at
    the other paths that can be suggested does not matter, so asking again with the suggestions laid
    in gives the same ones. Where nothing fits, the nearest is returned and the budget says no.
    Raises TailfinError for settings that cannot work with this model.
    """
    draft = _Draft(_chosen(spec, fixed), frozenset(fixed), shape, length, card)
    draft.add("data.max_length", length, "the length that suits these rows")
    _suggest_method(draft)
    _suggest_dtype(draft)
    num_train = _training_rows(draft.spec(), num_rows)
    _suggest_epochs(draft, num_train)
    _suggest_batch(draft, num_train)
    return tuple(draft.suggestions)


def suggested_layer(suggestions: Sequence[Suggestion]) -> dict[str, object]:
    """The suggestions as a nested table for `engine.settings.layer`."""
    return _nested({suggestion.path: suggestion.value for suggestion in suggestions})


@dataclass(slots=True)
class _Draft:
    """The person's choices, the suggestions so far, and what the two make together."""

    chosen: dict[str, object]
    fixed: frozenset[str]
    shape: ModelShape
    length: int
    card: Card
    suggestions: list[Suggestion] = field(default_factory=list)

    def spec(self, tried: Mapping[str, object] | None = None) -> Spec:
        """The spec, with values by dotted path that are only tried."""
        suggested = suggested_layer(self.suggestions)
        layers = [("you", self.chosen), ("tried", _nested(tried or {})), ("suggested", suggested)]
        return layer(layers).spec

    def budget(self, tried: Mapping[str, object]) -> Budget:
        return estimate(self.shape, self.spec(tried), self.length, self.card)

    def has_room(self, tried: Mapping[str, object]) -> bool:
        """Whether it fits with the spread that was seen, and with memory to spare."""
        budget, card = self.budget(tried), self.card
        spare = 0.0 if card.is_gpu else _SPARE_OF_RAM
        if tried.get("train.gradient_checkpointing") is False:
            spare += _SPARE_WITHOUT_CHECKPOINTING
        need_gib = (budget.peak.total_bytes + budget.spread_bytes) / GIB
        return need_gib <= card.usable_gib - spare * card.free_gib

    def add(self, path: str, value: object, why: str) -> None:
        """Keep a suggestion where it changes something that is free."""
        if path not in self.fixed and _value(self.spec(), path) != value:
            self.suggestions.append(Suggestion(path, value, why))

    @property
    def place(self) -> str:
        kind = "free on this card" if self.card.is_gpu else "of RAM free here"
        return f"the {self.card.free_gib:.1f} GiB {kind}"


def _chosen(spec: Spec, fixed: Collection[str]) -> dict[str, object]:
    """What a person chose, and what else differs from the profile and is not ours to suggest."""
    named: dict[str, object] = {
        "profile": spec.profile,
        "model": {"path": spec.model.path},
        "data": {"path": spec.data.path},
    }
    plain = layer([("profile", named)]).spec
    return _nested(
        {
            path: _value(spec, path)
            for path in field_paths()
            if path in fixed
            or path in ("model.path", "data.path")
            or (path not in _SUGGESTED and _value(spec, path) != _value(plain, path))
        }
    )


def _suggest_method(draft: _Draft) -> None:
    """LoRA where 16-bit weights have room, else 4-bit ones on a GPU; full is a person's choice."""
    now = draft.spec()
    if "train.method" in draft.fixed:
        draft.add("profile", now.train.method, f"the starting point for {now.train.method}")
        return
    by_profile = "profile" not in draft.fixed
    # a profile named after its method is a choice of that method
    if not by_profile and (now.train.method != "lora" or now.profile in _METHODS):
        return
    path = "profile" if by_profile else "train.method"
    least: dict[str, object] = {"train.micro_batch": 1, "train.gradient_checkpointing": True}
    whole: dict[str, object] = {path: "lora", **least}
    if draft.has_room(whole):
        weights = "16-bit weights fit" if draft.card.is_gpu else "LoRA fits"
        draft.add(path, "lora", f"{weights} {draft.place}")
        return
    if not draft.card.is_gpu:
        draft.add(path, "lora", "4-bit weights need a GPU, and full training needs more RAM still")
        return
    budget, small = draft.budget(whole), draft.budget({path: "qlora", **least})
    would = "would be tight at" if budget.fits else "need"
    do = "fit" if small.fits else f"need {small.peak_gib:.1f} GiB of"
    said = f"16-bit weights {would} {budget.peak_gib:.1f} GiB, 4-bit ones {do} {draft.place}"
    draft.add(path, "qlora", said)


def _suggest_dtype(draft: _Draft) -> None:
    now = draft.spec()
    if now.model.dtype != "auto":
        return
    if not draft.card.is_gpu:
        draft.add("model.dtype", "float32", "it is what a CPU computes in")
    elif not draft.card.has_bf16 and now.train.method in ("lora", "qlora"):
        draft.add("model.dtype", "float16", "this card has no bfloat16")


def _training_rows(spec: Spec, num_rows: int) -> int:
    """Rows left to train on after the split (engine.data.split has the rule)."""
    data = spec.data
    if data.eval_path or not data.eval_fraction:
        return num_rows
    held_out = max(1, round(num_rows * data.eval_fraction))
    return max(num_rows - min(held_out, data.eval_max_rows or held_out), 0)


def _suggest_epochs(draft: _Draft, num_train: int) -> None:
    train = draft.spec().train
    if not num_train or train.max_steps:
        return
    more = min(_MOST_EPOCHS, _FEWEST_SHOWN // num_train)
    fewer = max(1, _MOST_SHOWN // num_train)
    if train.epochs < more:
        why = f"{counted(num_train, 'row')} must be shown more than {train.epochs:g} times"
        draft.add("train.epochs", float(more), why)
    elif train.epochs > fewer:
        why = f"{num_train:,} rows teach enough in {counted(fewer, 'epoch')}"
        draft.add("train.epochs", float(fewer), why)


@dataclass(frozen=True, slots=True)
class _Step:
    """How an effective batch is made: rows per pass, passes, activations recomputed or kept."""

    rows: int
    passes: int
    checkpointing: bool

    @property
    def values(self) -> dict[str, object]:
        return {
            "train.micro_batch": self.rows,
            "train.accumulation": self.passes,
            "train.gradient_checkpointing": self.checkpointing,
        }


def _suggest_batch(draft: _Draft, num_train: int) -> None:
    """The fewest passes that fit, then no recomputation where even that has room."""
    usual = _usual_step(draft)
    most = usual.rows * usual.passes
    effective = _effective_batch(draft, most, num_train)
    steps = _steps(draft, effective, most_rows=max(_MOST_ROWS, usual.rows))
    at = next((i for i, step in enumerate(steps) if draft.has_room(step.values)), None)
    with_it = steps[-1 if at is None else at]
    step = with_it
    if at is not None:
        step = _without_checkpointing(draft, steps[at : at + 2]) or with_it
    rows = f"{step.rows} {'row fits' if step.rows == 1 else 'rows fit'} {draft.place}"
    if at is None:
        rows = "fewer rows at a time need less memory"
    elif step.rows < with_it.rows:
        rows += " without recomputing anything"
    elif at > 0:
        rows += f", {2 * step.rows} hardly would"
    draft.add("train.micro_batch", step.rows, rows)
    made = step.rows * step.passes
    batch = f"{'keeps' if made == most else 'makes'} an effective batch of {counted(made, 'row')}"
    if effective < most:
        batch += f", {num_train // made} steps per epoch"
    draft.add("train.accumulation", step.passes, batch)
    without = "all fits without it, and steps take about a quarter less time"
    if step.checkpointing:
        without = f"without it, it would hardly fit {draft.place}"
    draft.add("train.gradient_checkpointing", step.checkpointing, without)


def _usual_step(draft: _Draft) -> _Step:
    """What the profile has, whatever the person made of it."""
    now = draft.spec()
    named = _nested({p: _value(now, p) for p in ("profile", "model.path", "data.path")})
    train = layer([("profile", named)]).spec.train
    return _Step(train.micro_batch, train.accumulation, train.gradient_checkpointing)


def _effective_batch(draft: _Draft, usual: int, num_train: int) -> int:
    """The usual one, or the largest power of two that leaves enough steps for few rows."""
    if not num_train or draft.spec().train.max_steps:
        return usual
    most = max(_SMALLEST_BATCH, num_train // _STEPS_PER_EPOCH)
    return usual if usual <= most else 1 << (most.bit_length() - 1)


def _steps(draft: _Draft, effective: int, *, most_rows: int) -> list[_Step]:
    """Ways to make the effective batch that leave the person's choices alone; most rows first."""
    train = draft.spec().train
    checkpointing = train.gradient_checkpointing
    if "train.gradient_checkpointing" not in draft.fixed:
        checkpointing = True
    has_rows, has_passes = ("train." + n in draft.fixed for n in ("micro_batch", "accumulation"))
    if has_rows:
        passes = train.accumulation if has_passes else max(1, effective // train.micro_batch)
        return [_Step(train.micro_batch, passes, checkpointing)]
    most = effective // train.accumulation if has_passes else effective
    powers = (2**n for n in reversed(range(max(1, min(most, most_rows)).bit_length())))
    if has_passes:
        return [_Step(rows, train.accumulation, checkpointing) for rows in powers]
    return [
        _Step(rows, effective // rows, checkpointing) for rows in powers if effective % rows == 0
    ]


def _without_checkpointing(draft: _Draft, steps: Sequence[_Step]) -> _Step | None:
    """The first of these steps that has room without recomputation and keeps a card busy."""
    if "train.gradient_checkpointing" in draft.fixed:
        return None
    for step in steps:
        bare = replace(step, checkpointing=False)
        is_busy = step is steps[0] or step.rows * draft.length >= _BUSY_TOKENS
        if is_busy and draft.has_room(bare.values):
            return bare
    return None


def _nested(values: Mapping[str, object]) -> dict[str, object]:
    nested: dict[str, object] = {}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        table = nested.setdefault(section, {}) if section else nested
        assert isinstance(table, dict)
        table[name] = value
    return nested


def _value(spec: Spec, path: str) -> object:
    value: object = spec
    for name in path.split("."):
        value = getattr(value, name)
    return value
