"""`tailfin budget SPEC`: what a run needs of a card, of RAM and of disk, before it is started.

With --json the envelope's `data` holds:
  tier ("estimate"), fits, is_tight, peak_gib (process memory at the worst moment), length (tokens
  per row), method, num_params, num_trained, card (name, is_gpu, usable_gib, taken_gib, free_gib),
  components (GiB of each at the training peak), phases (load, train, eval, save: moment,
  tensors_gib, reserved_gib, process_gib, components), ram_gib, disk_gib (download, checkpoint,
  checkpoints, adapter, merged), fixes (says, sets, cost, peak_gib, fits), suggested (path, value,
  why: what this card asks for where nothing was chosen)
Exit code 1 when it does not fit or cannot work, 2 when the model or the spec cannot be used.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.cli.output import note, print_findings, print_json
from engine.cli.spec_arguments import add_spec_arguments, resolve_spec
from engine.errors import EXIT_DONE, EXIT_NO
from engine.findings import Finding, any_fail

if TYPE_CHECKING:
    from engine.memory.budget import Budget, Phase
    from engine.memory.cards import Card
    from engine.memory.model_shape import ModelShape
    from engine.memory.remedies import Remedy
    from engine.settings import Resolved
    from engine.spec import Spec
    from engine.suggest import Suggestion


def configure(parser: argparse.ArgumentParser) -> None:
    add_spec_arguments(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--card", metavar="NAME", help="judge against this card, such as A100-80GB")
    where.add_argument(
        "--gpu-gib", type=float, metavar="N", help="judge against a card with N GiB of memory"
    )


def run(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from engine.memory.estimate import estimate
    from engine.memory.model_config import read_config
    from engine.memory.model_shape import read_shape
    from engine.memory.remedies import remedies
    from engine.suggest import suggest

    if args.spec is None and args.data is None:
        args.sets = ["data.path=unnamed", *args.sets]  # the budget does not open it
    resolved = resolve_spec(args)
    spec = resolved.spec
    source = read_config(spec.model.path, spec.model.revision)
    shape = read_shape(source.config, where=source.where)
    length, findings = _length(spec, shape)
    card = _card(args)
    budget = estimate(shape, spec, length, card, download=source.download)
    if source.note:
        findings.append(Finding("budget.source", "info", source.note, where=source.where))
    findings += budget.findings
    fixes = [] if budget.fits and not budget.is_tight else remedies(shape, spec, budget)
    suggested = suggest(spec, shape, length, card, fixed=_chosen(resolved))
    findings.append(_verdict(budget, fixes))
    ok = not any_fail(findings)
    if args.json:
        data = _data(spec, budget, fixes) | {"suggested": [asdict(one) for one in suggested]}
        print_json("budget", ok=ok, data=data, findings=findings)
    else:
        _print(spec, budget, fixes, findings)
        _print_suggested(suggested, card)
    return EXIT_DONE if ok else EXIT_NO


def _length(spec: Spec, shape: ModelShape) -> tuple[int, list[Finding]]:
    if spec.data.max_length:
        return spec.data.max_length, []
    from engine.memory.assumptions import assumed_length

    length = assumed_length(shape)
    message = f"No length was given: {length} tokens per row were assumed."
    fix = "tailfin data report FILE --model MODEL suggests one; then: --max-length N"
    return length, [Finding("budget.length", "info", message, fix, "data.max_length")]


def _chosen(resolved: Resolved) -> set[str]:
    """Paths that a person set; the length too where none is known, so that none is suggested."""
    paths = {
        path
        for path, source in resolved.sources.items()
        if source != "default" and not source.startswith("profile ")
    }
    return paths if resolved.spec.data.max_length else paths | {"data.max_length"}


def _card(args: argparse.Namespace) -> Card:
    from engine.memory.cards import card_of_size, find_card

    if args.card is not None:
        return find_card(args.card)
    if args.gpu_gib is not None:
        return card_of_size(args.gpu_gib)
    from engine.memory.device import this_device

    card = this_device()
    if not card.is_gpu:
        note("There is no GPU here: compared with RAM. Ask about a card: --card NAME, --gpu-gib N")
    return card


def _verdict(budget: Budget, fixes: list[Remedy]) -> Finding:
    from engine.memory.budget import GIB

    card, peak = budget.card, budget.peak
    need, free = budget.peak_gib, card.free_gib
    place = f"{card.name}: {need:.2f} GiB of {free:.2f} GiB free"
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


def _print(spec: Spec, budget: Budget, fixes: list[Remedy], findings: list[Finding]) -> None:
    from engine.memory.budget import COMPONENTS, GIB

    train, storage = spec.train, budget.storage
    print(
        f"Memory budget (estimate) of {spec.model.path}\n"
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
    print(
        f"RAM {storage.host_ram / GIB:.1f} GiB; disk: download {storage.download / GIB:.1f}, "
        f"checkpoints {storage.checkpoints / GIB:.1f} "
        f"({spec.save.keep + 2} of {storage.checkpoint / GIB:.2f}), "
        f"merged export {storage.merged / GIB:.1f} GiB\n"
    )
    print_findings(findings)
    for fix in fixes:
        enough = "fits" if fix.fits else "not enough alone"
        costs = "" if fix.cost == "none" else f", costs {fix.cost}"
        print(f"  {fix.peak_gib:8.2f} GiB  {fix.says} ({enough}{costs})")


def _print_suggested(suggested: Sequence[Suggestion], card: Card) -> None:
    import shlex

    from engine.command_line import set_words

    if suggested:
        print(f"\nWhere nothing was chosen, {card.name} suggests:")
    for one in suggested:
        print(f"  {shlex.join(set_words({one.path: one.value})):<44}  {one.why}")


def _row(name: str, sizes: list[int]) -> str:
    from engine.memory.budget import GIB

    cells = (f"{size / GIB:>9.2f}" if size else f"{'-':>9}" for size in sizes)
    return f"{name:<18}" + "".join(cells)


def _data(spec: Spec, budget: Budget, fixes: list[Remedy]) -> dict[str, object]:
    from dataclasses import asdict

    from engine.memory.budget import GIB

    card, storage = budget.card, budget.storage
    disk = ("download", "checkpoint", "checkpoints", "adapter", "merged")
    return {
        "tier": budget.tier,
        "fits": budget.fits,
        "is_tight": budget.is_tight,
        "peak_gib": budget.peak_gib,
        "length": budget.length,
        "method": spec.train.method,
        "num_params": budget.num_params,
        "num_trained": budget.num_trained,
        "card": {
            "name": card.name,
            "is_gpu": card.is_gpu,
            "usable_gib": card.usable_gib,
            "taken_gib": card.taken_gib,
            "free_gib": card.free_gib,
        },
        "components": budget.phase("train").components_gib(),
        "phases": {phase.name: _phase(phase) for phase in budget.phases},
        "ram_gib": storage.host_ram / GIB,
        "disk_gib": {name: getattr(storage, name) / GIB for name in disk},
        "fixes": [asdict(fix) for fix in fixes],
    }


def _phase(phase: Phase) -> dict[str, object]:
    from engine.memory.budget import GIB

    return {
        "moment": phase.moment,
        "tensors_gib": phase.tensor_bytes / GIB,
        "reserved_gib": phase.reserved_bytes / GIB,
        "process_gib": phase.process_bytes / GIB,
        "components": phase.components_gib(),
    }
