"""`tailfin profiles --card NAME`: starting points for common models on a card."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from engine.cli.output import print_json

if TYPE_CHECKING:
    from engine.measured_rows import MeasuredRow
    from engine.starting_points import StartingPoint

_WORDS = {"fits": "OK", "tight": "tight", "no": "does not fit"}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--card", metavar="NAME", help="starting points on this card")
    parser.add_argument(
        "--model-size", metavar="SIZE", help="of models of about this size, such as 7B, or of one"
    )


def run(args: argparse.Namespace) -> int:
    from engine.errors import TailfinError
    from engine.measured_rows import measured_rows
    from engine.memory.cards import card_of_driver, find_card
    from engine.starting_points import kept_points, known_models, models_of_size, starting_points

    models = models_of_size(args.model_size) if args.model_size else list(known_models())
    card = find_card(args.card) if args.card else None
    names = {model.name for model in models}
    found = [
        point
        for point in kept_points()
        if point.model in names and (card is None or point.card == card.name)
    ]
    if not found:  # a card without rows of its own: the same mechanism, asked now
        if card is None:
            raise TailfinError("The table has no rows.", "Make it: make starting-points")
        found = starting_points(models, [card])
    measured = [
        row
        for row in measured_rows()
        if row.model in names and (card is None or card_of_driver(row.card) == card)
    ]
    if args.json:
        rows = [asdict(point) for point in found]
        told = {"starting_points": rows, "measured": [asdict(row) for row in measured]}
        print_json("profiles", ok=True, data=told)
    else:
        _print(found)
        _print_measured(measured)
    return 0


def _print(found: list[StartingPoint]) -> None:
    print(
        f"{'model':<18}{'card':<24}{'method':<8}{'tokens':>7}{'batch':>9}{'recompute':>11}"
        f"{'GiB':>8}{'left':>8}"
    )
    for one in found:
        batch = f"{one.micro_batch} x {one.accumulation}"
        recompute = "yes" if one.gradient_checkpointing else "no"
        mark = ", suggested" if one.suggested else ""
        print(
            f"{one.model:<18}{one.card:<24}{one.method:<8}{one.length:>7}{batch:>9}{recompute:>11}"
            f"{one.peak_gib:>8.2f}{one.headroom_gib:>8.2f}  {_WORDS[one.verdict]}{mark}"
        )
    print("\nPeaks are estimates of the whole process.")


def _print_measured(rows: list[MeasuredRow]) -> None:
    if not rows:
        print("No row was measured on such a card (make gpu-bench measures and keeps them).")
        return
    print("\nMeasured, process in GiB (foretold):")
    for row in rows:
        took = f"{row.process_gib:.2f}" if row.fits else "out of memory"
        size = f" limited to {row.card_gib:g} GiB" if row.card_gib else ""
        print(
            f"  {row.model:<18}{row.method:<8}{row.micro_batch} x {row.length:<7}"
            f"{took} ({row.foretold_process_gib:.2f})  {row.card}{size}, {row.stack}, {row.date}"
        )
