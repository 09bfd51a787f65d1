"""What a run needs of the card, part by part, against what is free of it."""

from __future__ import annotations

from engine.memory.budget import COMPONENTS, GIB, Budget, Phase
from tui.draw.bars import FULL, bar, part_letter
from tui.draw.line import Line, labelled, line, width_of, wrapped
from tui.draw.words import size

# component -> its name in the legend and the role that colours it
_PARTS = {
    "base weights": ("weights", "part-1"),
    "adapter": ("adapter", "part-2"),
    "gradients": ("gradients", "part-4"),
    "optimizer": ("optimizer", "part-5"),
    "activations": ("activations", "part-3"),
    "logits and loss": ("loss", "part-2"),
    "workspace": ("workspace", "part-6"),
    "fragmentation": ("fragmentation", "part-5"),
    "context": ("process", "part-7"),
}
_PHASES = {
    "load": "loading",
    "train": "training",
    "eval": "evaluating",
    "save": "saving",
}
_WORD = 6


def memory_lines(budget: Budget, width: int, *, ascii_only: bool, legend: bool) -> list[Line]:
    """The verdict, a stacked bar against what is free, and on wish what its parts are."""
    parts = _parts(budget.peak)
    runs = [(role, num_bytes) for _, role, num_bytes in parts]
    drawn = verdict_lines(budget, width)
    drawn.append(tuple(bar(runs, budget.card.free_gib * GIB, width, ascii_only)))
    return drawn + (_legend(parts, width, ascii_only) if legend else [])


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


def _parts(phase: Phase) -> list[tuple[str, str, int]]:
    """Name, role and bytes of the parts that are not nothing."""
    sizes = dict(zip(COMPONENTS, phase.sizes, strict=True))
    return [(*_PARTS[name], sizes[name]) for name in _PARTS if sizes[name] > 0]


def _legend(parts: list[tuple[str, str, int]], width: int, ascii_only: bool) -> list[Line]:
    lines: list[Line] = [()]
    for index, (name, role, num_bytes) in enumerate(parts):
        mark = part_letter(index) if ascii_only else FULL
        item = line((mark, role), f" {name} {size(num_bytes)}")
        if lines[-1] and width_of(lines[-1]) + 2 + width_of(item) > width:
            lines.append(())
        lines[-1] = (*lines[-1], *line("  "), *item) if lines[-1] else item
    return lines
