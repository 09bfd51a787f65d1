"""`tailfin budget SPEC`: what a run needs of a card, of RAM and of disk, before it is started.

With --json the envelope's `data` holds:
  tier ("estimate" or "simulate"), fits, is_tight, peak_gib (process memory at the worst moment),
  length (tokens per row), method, num_params, num_trained, card (name, is_gpu, usable_gib,
  taken_gib, free_gib),
  components (GiB of each at the training peak), phases (load, train, eval, save: moment,
  tensors_gib, reserved_gib, process_gib, components), ram_gib, disk_gib (download, checkpoint,
  checkpoints, adapter, merged), stages (download, load, train, save, merge: name, ram_gib, disk_gib
  that it adds), fixes (says, sets, cost, peak_gib, fits, is_tight, step_time,
  gives_up), suggested (path, value, why: what this card asks for where nothing was chosen);
  time and money (see budget_cost); with --frontier also frontier, with --cards cards and
  smallest_card; with --simulate, where it
  could be, estimate (tier, fits, is_tight, peak_gib, components, phases beside the simulated ones,
  null for an architecture that only the simulation knows), not_modelled, assumptions, seconds,
  else simulation_problem (reason, fix)
The verdict is about the process, the last of the three tiers (tensors, reserved, process), against
what is free of the card.
Exit code 1 when it does not fit or cannot work, 2 when the model or the spec cannot be used.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from engine.cli.output import note, print_json
from engine.cli.spec_arguments import add_runs_argument, add_spec_arguments, resolve_spec
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError
from engine.findings import Finding, any_fail

if TYPE_CHECKING:
    from engine.cli.budget_length import RowLength
    from engine.memory.cards import Card
    from engine.memory.model_config import ModelConfig
    from engine.memory.model_shape import ModelShape
    from engine.settings import Resolved
    from engine.spec import Spec


def configure(parser: argparse.ArgumentParser) -> None:
    from engine.cli import budget_calibration, budget_cards, budget_frontier, budget_simulate

    add_spec_arguments(parser)
    add_runs_argument(parser)
    budget_calibration.add_options(parser)
    budget_frontier.add_options(parser)
    budget_cards.add_options(parser)
    budget_simulate.add_options(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--card", metavar="NAME", help="judge against this card, such as A100-80GB")
    where.add_argument(
        "--gpu-gib", type=float, metavar="N", help="judge against a card with N GiB of memory"
    )


def run(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from engine.cli import budget_calibration, budget_simulate
    from engine.cli.budget_data import budget_data
    from engine.cli.budget_length import row_length
    from engine.cli.budget_text import print_budget, print_suggested, verdict
    from engine.memory.estimate import estimate
    from engine.memory.model_config import read_config
    from engine.memory.remedies import remedies
    from engine.memory.simulation import Simulation
    from engine.memory.simulator import budget_of
    from engine.suggest import suggest

    if args.calibration:
        return budget_calibration.run(args)
    resolved = _resolved(args)
    spec = resolved.spec
    source = read_config(spec.model.path, spec.model.revision)
    shape = _shape(source, may_be_unknown=args.simulate)
    rows = row_length(spec, shape)
    length, findings = rows.tokens, list(rows.findings)
    card = _card(args)
    if source.note:
        findings.append(Finding("budget.source", "info", source.note, where=source.where))
    estimated = estimate(shape, spec, length, card, download=source.download) if shape else None
    simulating = budget_simulate.Simulating(source.config, length, card) if args.simulate else None
    answer = simulating.step(spec) if simulating else None
    findings += budget_simulate.findings_of(answer) if answer else []
    budget = budget_of(answer, estimated) if isinstance(answer, Simulation) else estimated
    if budget is None:
        raise _unknown(source, findings)
    findings += budget.findings
    needs_help = not budget.fits or budget.is_tight
    fixes = remedies(shape, spec, estimated) if needs_help and shape and estimated else []
    fixes = simulating.fixes(spec, fixes) if simulating else fixes
    suggested = suggest(spec, shape, length, card, fixed=_chosen(resolved)) if shape else ()
    findings.append(verdict(budget, fixes))
    ok = not any_fail(findings)
    more, lines = _more(args, shape, spec, rows, card) if shape else ({}, [])
    if answer is not None:
        more |= budget_simulate.data_of(answer, estimated)
        lines = [*budget_simulate.lines_of(answer, estimated), *lines]
    if args.json:
        told = [asdict(one) for one in suggested]
        data = budget_data(spec, budget, fixes) | {"suggested": told} | more
        print_json("budget", ok=ok, data=data, findings=findings)
    else:
        print_budget(spec, budget, fixes, findings)
        print_suggested(suggested, card)
        print("\n".join(lines), end="\n" if lines else "")
    return EXIT_DONE if ok else EXIT_NO


def _resolved(args: argparse.Namespace) -> Resolved:
    if args.spec is None and args.data is None:
        args.sets = ["data.path=unnamed", *args.sets]  # the budget does not open it
    return resolve_spec(args)


def _shape(source: ModelConfig, *, may_be_unknown: bool) -> ModelShape | None:
    """The model's shape; None for an architecture that has no closed form but may be simulated."""
    from engine.memory.model_shape import read_shape

    try:
        return read_shape(source.config, where=source.where)
    except TailfinError as error:
        if may_be_unknown and error.error_id == "budget.not-modelled":
            return None
        raise


def _unknown(source: ModelConfig, findings: list[Finding]) -> TailfinError:
    """Neither a closed form nor a simulation."""
    why = next(one for one in findings if one.id == "budget.simulate")
    said = f"There is no closed form for {source.where}. {why.message}"
    return TailfinError(said, why.fix, where=source.where, error_id="budget.not-modelled")


def _more(
    args: argparse.Namespace, shape: ModelShape, spec: Spec, rows: RowLength, card: Card
) -> tuple[dict[str, object], list[str]]:
    """What the further questions answer: parts of the data, and lines of text."""
    from engine.cli import budget_cards, budget_cost, budget_frontier
    from engine.runs.store import list_runs

    length, runs = rows.tokens, list_runs(args.runs)
    answers = [budget_cost.answer(shape, spec, length, card, rows.amount, runs)]
    if args.frontier:
        answers.append(budget_frontier.answer(shape, spec, card))
    if args.cards:
        answers.append(budget_cards.answer(shape, spec, length))
    data = {name: value for more, _ in answers for name, value in more.items()}
    return data, [line for _, lines in answers for line in lines]


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
    from engine.memory.calibration import calibrated
    from engine.memory.device import this_device
    from engine.runs.measured import comparisons
    from engine.runs.store import list_runs

    card = calibrated(this_device(), comparisons(list_runs(args.runs)))
    if not card.is_gpu:
        note("There is no GPU here: compared with RAM. Ask about a card: --card NAME, --gpu-gib N")
    return card
