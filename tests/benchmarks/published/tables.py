"""Tables of published rows: residuals by source, remedies in pairs, verdicts, and the rest."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.memory.budget import GIB
from tests.benchmarks.published.closed import closed_bytes
from tests.benchmarks.published.rows import Row


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row beside its predictions in GiB; NaN where there is none."""

    row: Row
    closed: float
    closed_outer: float
    simulated: float = math.nan
    allocated: float = math.nan
    reserved: float = math.nan

    @property
    def error(self) -> float:
        """Of the closed estimate, tensors."""
        return self.closed / self.row.measured - 1

    @property
    def simulated_error(self) -> float:
        return self.simulated / self.row.measured - 1

    @property
    def outer_error(self) -> float:
        return self.closed_outer / self.row.outer[1] - 1

    @property
    def simulated_outer(self) -> float:
        """Reserved by the simulated allocator; the driver sees the card's context too."""
        context = 0.0 if self.row.outer[0] == "reserved" else self.row.card.context_gib
        return self.reserved + context

    @property
    def simulated_outer_error(self) -> float:
        return self.simulated_outer / self.row.outer[1] - 1


def closed_outcome(row: Row) -> Outcome:
    """Without a simulation."""
    made = closed_bytes(row)
    tensors, outer = (size / GIB for size in made) if made else (math.nan, math.nan)
    return Outcome(row, tensors, outer)


def print_stack(outcomes: list[Outcome]) -> None:
    """Every row's residuals, then a summary per tier."""
    outer = outcomes[0].row.outer[0]
    print(outcomes[0].row.stack)
    print(
        f"  {'row':58s} {'tensors':>8s} {'closed':>7s} {'simul.':>7s} {'alloc.':>7s}"
        f"   {outer:>8s} {'closed':>7s} {'simul.':>7s}"
    )
    for o in outcomes:
        print(
            f"  {o.row.label[:58]:58s} {o.row.measured:8.3f} {_share(o.error)} "
            f"{_share(o.simulated_error)} {_share(o.allocated / o.row.measured - 1)}"
            f"   {o.row.outer[1]:8.3f} {_share(o.outer_error)} {_share(o.simulated_outer_error)}"
        )
    summaries: list[tuple[str, Callable[[Outcome], float]]] = [
        ("tensors, closed", lambda o: o.error),
        ("tensors, simulated", lambda o: o.simulated_error),
        ("allocated, simulated", lambda o: o.allocated / o.row.measured - 1),
        (f"{outer}, closed", lambda o: o.outer_error),
        (f"{outer}, simulated", lambda o: o.simulated_outer_error),
    ]
    for name, error in summaries:
        print(f"  {name}: {summary(error(o) for o in outcomes)}")
    print()


def print_gaps(outcomes: list[Outcome]) -> None:
    """The gap that rows of a kind share, in MiB, beside what explains it."""
    print("gaps that rows of a kind share (simulated tensors - measured, MiB)")
    kinds: dict[tuple[str, str, str], list[float]] = {}
    for o in outcomes:
        if not math.isnan(o.simulated):
            gap = (o.simulated - o.row.measured) * 1024
            heads = o.row.config.get("num_attention_heads", 0)
            grouped = heads != o.row.config.get("num_key_value_heads", heads)
            key = (o.row.stack, o.row["method"], "grouped heads" if grouped else "all heads")
            kinds.setdefault(key, []).append(gap)
    for (stack, method, heads), gaps in sorted(kinds.items()):
        print(
            f"  {stack.partition(':')[0]:20s} {method:10s} {heads:14s} {len(gaps):3d} rows, "
            f"mean {statistics.mean(gaps):+7.1f}, from {min(gaps):+.1f} to {max(gaps):+.1f}"
        )
    for line in _REASONS:
        print(f"  {line}")
    print()


_REASONS = (
    "The allocator counts a block whole where less than 1 MiB of it is left over, so small gaps",
    "below the measured figure are blocks that were not split; the column `alloc.` is the same",
    "stream replayed through the simulated allocator, whose order of loading is ours, not theirs.",
    "Driver's figures of full fine-tuning lie below the simulated ones where the card was full:",
    "cached blocks were given back to make room, which is replayed here without a limit.",
    "Open: GPTBigCode at 8 rows is low by about one copy of its logits; its loss in that version",
    "leaves them in bfloat16, and nothing more is known.",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two rows of one measurement series that differ in one remedy: before and after it."""

    remedy: str
    before: Outcome
    after: Outcome

    def effect(self, figure: Callable[[Outcome], float]) -> float:
        """Share of the peak that the remedy leaves."""
        return figure(self.after) / figure(self.before)

    def miss(self, figure: Callable[[Outcome], float]) -> float:
        """How far a predicted effect is from the measured one."""
        return self.effect(figure) / self.effect(lambda o: o.row.measured) - 1


def pairs_of(outcomes: Iterable[Outcome]) -> list[Pair]:
    """All such pairs, equal settings counted once."""
    distinct: dict[tuple[str, ...], Outcome] = {}
    for o in outcomes:
        distinct.setdefault((*_settings(o.row), o.row["measured_peak_gib"]), o)
    found = []
    for before in distinct.values():
        for after in distinct.values():
            remedy = _remedy(_settings(before.row), _settings(after.row))
            if remedy:
                found.append(Pair(remedy, before, after))
    return sorted(found, key=lambda pair: (pair.remedy, pair.before.row.label))


def print_pairs(pairs: list[Pair]) -> None:
    """Measured and predicted effect of each pair."""
    print("remedies: measured peak after / before, and how far the predicted ratio is off")
    for pair in pairs:
        before, after = pair.before.row.label, pair.after.row.label
        print(
            f"  {pair.remedy:12s} {before[:46]:46s} -> {after[:46]:46s} "
            f"{pair.effect(lambda o: o.row.measured):6.3f} "
            f"closed {_share(pair.miss(lambda o: o.closed))} "
            f"simulated {_share(pair.miss(lambda o: o.simulated))}"
        )
    for name in sorted({pair.remedy for pair in pairs}):
        ours = [pair for pair in pairs if pair.remedy == name]
        print(f"  {name}, closed: {summary(p.miss(lambda o: o.closed) for p in ours)}")
        print(f"  {name}, simulated: {summary(p.miss(lambda o: o.simulated) for p in ours)}")
    print("  no pair of a described stack differs in checkpointing or in a fused loss alone\n")


def print_others(rows: list[Row]) -> None:
    """The rows that are not compared, counted by what keeps them apart and by source."""
    print(f"other stack, not compared: {len(rows)} rows")
    counts = Counter((row.why, row["framework"], row["source"].split(" ")[0]) for row in rows)
    for (why, framework, source), count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {count:4d}  {why:55s} {framework[:44]:44s} {source}")
    print()


def summary(errors: Iterable[float]) -> str:
    """Mean, bias and worst of relative errors; rows without a prediction are counted apart."""
    every = list(errors)
    told = [error for error in every if not math.isnan(error)]
    if not told:
        return "no predictions"
    missing = f", {len(every) - len(told)} without a prediction" if len(told) < len(every) else ""
    return (
        f"{len(told)} rows, mean error {statistics.mean(map(abs, told)):.2%}, "
        f"bias {statistics.mean(told):+.2%}, lowest {min(told):+.2%}, highest {max(told):+.2%}"
        f"{missing}"
    )


def _settings(row: Row) -> tuple[str, ...]:
    names = ("method", "micro_batch", "attention_impl", "grad_ckpt", "model", "seq_len", "rank")
    series = row["source"].partition("#")[0].partition(" row ")[0]
    return (*(row[name] for name in names), series, row.note("stack"), row.note("accel"))


def _remedy(before: tuple[str, ...], after: tuple[str, ...]) -> str:
    different = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    match different:
        case [0] | [0, 8] if (before[0], after[0]) == ("LoRA", "QLoRA-nf4"):
            return "4-bit"
        case [1] if int(before[1]) == 2 * int(after[1]):
            return "micro-batch"
        case [2] if before[2] == "eager":
            return "attention"
        case [3] if before[3] == "no":
            return "checkpoints"
    return ""


def _share(value: float) -> str:
    return f"{'':7s}" if math.isnan(value) else f"{value:+7.2%}"
