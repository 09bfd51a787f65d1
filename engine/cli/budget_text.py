"""What `tailfin budget` prints: the table of phases, the verdict, the changes that help."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from engine.cli.output import print_findings
from engine.command_line import set_words
from engine.findings import Finding
from engine.memory.budget import COMPONENTS, GIB, Budget
from engine.memory.cards import Card
from engine.memory.remedies import Remedy
from engine.spec import Spec
from engine.suggest import Suggestion

_TIERS = {"estimate": "estimate", "simulate": "simulated"}


def print_budget(spec: Spec, budget: Budget, fixes: list[Remedy], findings: list[Finding]) -> None:
    train, storage = spec.train, budget.storage
    print(
        f"Memory budget ({_TIERS[budget.tier]}) of {spec.model.path}\n"
        f"{train.method}, {train.micro_batch} x {budget.length} tokens, "
        f"{budget.num_params / 1e9:.3f} B parameters, {budget.num_trained / 1e6:.2f} M trained\n"
    )
    print(f"{'GiB':<18}" + "".join(f"{phase.name:>9}" for phase in budget.phases))
    for index, name in enumerate(COMPONENTS):
        sizes = [phase.sizes[index] for phase in budget.phases]
        if any(sizes):
            print(_row(name, sizes))
    print()
    print(_row("tensors", [phase.tensor_bytes for phase in budget.phases]))
    print(_row("reserved", [phase.reserved_bytes for phase in budget.phases]))
    print(_row("process", [phase.process_bytes for phase in budget.phases]))
    print(f"\nTraining is highest at: {budget.phase('train').moment}")
    print(f"\n{'GiB':<18}" + "".join(f"{stage.name:>9}" for stage in budget.stages))
    print(_row("RAM", [stage.ram for stage in budget.stages]))
    print(_row("disk, added", [stage.disk for stage in budget.stages]))
    print(
        f"Checkpoints: {spec.save.keep + 2} of {storage.checkpoint / GIB:.2f} GiB at once. "
        "A merge runs in RAM, not on the card.\n"
    )
    print_findings(findings)
    for fix in fixes:
        enough = "fits" if fix.fits else "not enough alone"
        costs = "" if fix.cost == "none" else f", costs {fix.cost}"
        print(f"  {fix.peak_gib:8.2f} GiB  {fix.says} ({enough}{costs})")


def print_suggested(suggested: Sequence[Suggestion], card: Card) -> None:
    if suggested:
        print(f"\nWhere nothing was chosen, {card.name} suggests:")
    for one in suggested:
        print(f"  {shlex.join(set_words({one.path: one.value})):<44}  {one.why}")


def verdict(budget: Budget, fixes: list[Remedy]) -> Finding:
    card, peak = budget.card, budget.peak
    need, free = budget.peak_gib, card.free_gib
    place = f"{card.name}: process {need:.2f} GiB of {free:.2f} GiB free"
    if not budget.fits:
        message = f"Does not fit {place}, {need - free:.2f} GiB too much in {peak.name}."
        return Finding("budget.verdict", "fail", message, _advice(fixes))
    if budget.is_tight:
        message = (
            f"Fits {place}, but the allocator was seen to need up to "
            f"{budget.spread_bytes / GIB:.2f} GiB more."
        )
        return Finding("budget.verdict", "warn", message, _advice(fixes))
    return Finding("budget.verdict", "ok", f"Fits {place}.")


def _advice(fixes: list[Remedy]) -> str:
    if not fixes:
        return "Take a card with more memory or a smaller model."
    best = fixes[0]
    words = " ".join(f"--set {word}" for word in best.sets)
    return f"{words}  ({best.peak_gib:.2f} GiB{'' if best.fits else ', still too much'})"


def _row(name: str, sizes: list[int]) -> str:
    cells = (f"{size / GIB:>9.2f}" if size else f"{'-':>9}" for size in sizes)
    return f"{name:<18}" + "".join(cells)
