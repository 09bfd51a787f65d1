"""What a run needs of the card, part by part, against what is free of it."""

from __future__ import annotations

from engine.memory.budget import COMPONENTS, GIB, Budget, Phase
from tui.draw.bars import bar, part_letter
from tui.draw.line import Line, line, width_of, wrapped

# component -> its name in the legend and the role that colours it
_PARTS = {
    "base weights": ("weights", "part-1"),
    "adapter": ("adapter", "part-2"),
    "gradients": ("gradients", "part-2"),
    "optimizer": ("optimizer", "part-5"),
    "activations": ("activations", "part-3"),
    "logits and loss": ("loss", "part-4"),
    "workspace": ("workspace", "part-6"),
    "fragmentation": ("fragmentation", "part-7"),
    "context": ("process", "part-7"),
}
_PHASES = {
    "load": "loading the model",
    "train": "training",
    "eval": "evaluating",
    "save": "writing a checkpoint",
}


def memory_lines(budget: Budget, width: int, *, ascii_only: bool, legend: bool) -> list[Line]:
    """The verdict, a stacked bar, and where there is room its legend with GiB."""
    parts = _parts(budget.peak)
    runs = [(role, size / GIB) for _, role, size in parts]
    drawn = verdict_lines(budget, width)
    drawn.append(tuple(bar(runs, budget.card.free_gib, width, ascii_only)))
    return drawn + (_legend(parts, width, ascii_only) if legend else [])


def verdict_lines(budget: Budget, width: int) -> list[Line]:
    """Whether it fits, in a word and a sentence."""
    word = _word(budget)
    lines = wrapped(verdict(budget), max(width - 6, 10))
    return [
        (*line((f"{word[0] if number == 0 else '':<6}", word[1])), *drawn)
        for number, drawn in enumerate(lines)
    ]


def verdict(budget: Budget) -> str:
    """`Needs 9.8 of 23.6 GiB free on the RTX 4090: fits. Most while training.`"""
    card = budget.card
    need, free = budget.peak_gib, card.free_gib
    place = f"on the {card.name}" if card.is_gpu else f"of {card.name}, there is no GPU"
    says = "fits"
    if not budget.fits:
        says = f"does not fit, {gib(need - free)} GiB too much"
    elif budget.is_tight:
        says = f"tight, up to {gib(budget.spread_bytes / GIB)} GiB more were seen"
    where = f"Most while {_PHASES[budget.peak.name]}"
    return f"Needs {gib(need)} of {gib(free)} GiB free {place}: {says}. {where}."


def gib(value: float) -> str:
    """GiB with as many digits as matter."""
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def _word(budget: Budget) -> tuple[str, str]:
    if not budget.fits:
        return "FAIL", "fail"
    return ("WARN", "warn") if budget.is_tight else ("OK", "ok")


def _parts(phase: Phase) -> list[tuple[str, str, int]]:
    """Name, role and bytes of the parts that are not nothing."""
    sizes = dict(zip(COMPONENTS, phase.sizes, strict=True))
    return [(*_PARTS[name], sizes[name]) for name in _PARTS if sizes[name] > 0]


def _legend(parts: list[tuple[str, str, int]], width: int, ascii_only: bool) -> list[Line]:
    lines: list[Line] = [()]
    for index, (name, role, size) in enumerate(parts):
        mark = part_letter(index) if ascii_only else "█"
        item = line((mark, role), f" {name} {gib(size / GIB)}")
        if lines[-1] and width_of(lines[-1]) + 2 + width_of(item) > width:
            lines.append(())
        lines[-1] = (*lines[-1], *line("  "), *item) if lines[-1] else item
    return lines
