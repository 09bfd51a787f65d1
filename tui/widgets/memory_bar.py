"""What a run needs of the card, part by part, against what is free of it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.memory.budget import COMPONENTS, GIB, Budget, Phase
from engine.memory.cards import Card
from tui.draw.bars import OTHERS, limit_bar, part_letter
from tui.draw.line import Line, labelled, line, width_of, wrapped
from tui.draw.words import size

# component -> its name in the legend, the role that colours it, and its own glyph: colours repeat,
# and on a terminal of 16 fewer still are apart. Braille has one width everywhere.
_PARTS = {
    "base weights": ("weights", "part-1", "\u28ff"),
    "adapter": ("adapter", "part-2", "\u2836"),
    "gradients": ("gradients", "part-4", "\u281b"),
    "optimizer": ("optimizer", "part-5", "\u283f"),
    "activations": ("activations", "part-3", "\u2895"),
    "logits and loss": ("loss", "part-2", "\u2847"),
    "workspace": ("workspace", "part-6", "\u28c9"),
    "fragmentation": ("fragmentation", "part-5", "\u2809"),
    "context": ("process", "part-7", "\u28db"),
}
_PHASES = {
    "load": "loading",
    "train": "training",
    "eval": "evaluating",
    "save": "saving",
}
_WORD = 6


def memory_lines(budget: Budget, width: int, *, ascii_only: bool, legend: bool) -> list[Line]:
    """The verdict, a stacked bar with a line at what is free, and on wish what its parts are."""
    parts = _parts(budget.peak)
    card = budget.card
    drawn = verdict_lines(budget, width)
    drawn.append(
        tuple(
            limit_bar(
                [(part.role, part.num_bytes) for part in parts],
                card.free_gib * GIB,
                card.usable_gib * GIB,
                width,
                ascii_only,
                [part.glyph for part in parts],
            )
        )
    )
    return drawn + (_legend(parts, card, width, ascii_only) if legend else [])


def tiers(budget: Budget) -> str:
    """`tensors 7.31, reserved 7.60, process 7.90 GiB`, at the worst moment."""
    peak = budget.peak
    told = (peak.tensor_bytes, peak.reserved_bytes, peak.process_bytes)
    names = ("tensors", "reserved", "process")
    said = ", ".join(f"{name} {size / GIB:.2f}" for name, size in zip(names, told, strict=True))
    return f"{said} GiB"


def verdict_lines(budget: Budget, width: int) -> list[Line]:
    """Whether it fits, in a word and a sentence."""
    word, role = verdict_word(budget)
    return labelled(word, wrapped(verdict(budget), max(width - _WORD, 10)), _WORD, role)


def verdict(budget: Budget) -> str:
    """`Needs 9.8 of 23.6 GiB free on the RTX 4090: fits.`"""
    card = budget.card
    need, free = budget.peak_gib, card.free_gib
    place = f"free on the {card.name}"
    if not card.is_gpu:
        place = "free RAM (no GPU)" if card.name == "RAM" else f"free in {card.name} (no GPU)"
    says = "fits"
    if not budget.fits:
        says = f"does not fit, {gib(need - free)} GiB too much while {_PHASES[budget.peak.name]}"
    elif budget.is_tight:
        says = f"tight, up to {gib(budget.spread_bytes / GIB)} GiB more were seen"
    return f"Needs {gib(need)} of {gib(free)} GiB {place}: {says}."


def tier(budget: Budget) -> str:
    """Where the figures are from, as a sentence."""
    return "Simulated." if budget.tier == "simulate" else "An estimate."


def verdict_word(budget: Budget) -> tuple[str, str]:
    """The verdict's word and its role."""
    if not budget.fits:
        return "FAIL", "fail"
    return ("WARN", "warn") if budget.is_tight else ("OK", "ok")


def phases_said(budget: Budget) -> str:
    """`Most while training rows of 128 tokens; loading takes 5.1, saving 6.0 GiB`."""
    peak = budget.peak
    others = ", ".join(
        f"{_PHASES[phase.name]} {gib(phase.process_bytes / GIB)}"
        for phase in budget.phases
        if phase is not peak
    )
    return f"Most while {_PHASES[peak.name]}, rows of {budget.length} tokens ({others} GiB)."


def gib(value: float) -> str:
    """GiB with as many digits as matter."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class _Part:
    name: str
    role: str
    glyph: str
    num_bytes: int


def _parts(phase: Phase) -> list[_Part]:
    """The parts that are not nothing."""
    sizes = dict(zip(COMPONENTS, phase.sizes, strict=True))
    return [_Part(*_PARTS[name], sizes[name]) for name in _PARTS if sizes[name] > 0]


def _legend(parts: list[_Part], card: Card, width: int, ascii_only: bool) -> list[Line]:
    lines: list[Line] = [()]
    items = [
        line(
            (part_letter(index) if ascii_only else part.glyph, part.role),
            f" {part.name} {size(part.num_bytes)}",
        )
        for index, part in enumerate(parts)
    ]
    if card.taken_gib * GIB >= 2**20:
        items.append(line((OTHERS, "dim"), f" others {size(card.taken_gib * GIB)}"))
    for item in items:
        if lines[-1] and width_of(lines[-1]) + 2 + width_of(item) > width:
            lines.append(())
        lines[-1] = (*lines[-1], *line("  "), *item) if lines[-1] else item
    return lines
