"""`tailfin budget SPEC --frontier`: the largest micro-batch for each length."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.memory.cards import Card
    from engine.memory.frontier import Batch, Corner
    from engine.memory.model_shape import ModelShape
    from engine.spec import Spec


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--frontier", action="store_true", help="the largest micro-batch that fits, per length"
    )


def answer(shape: ModelShape, spec: Spec, card: Card) -> tuple[dict[str, object], list[str]]:
    """`frontier` (length, largest and roomy with rows and peak_gib, least_gib) and its table."""
    from engine.memory.frontier import frontier

    corners = frontier(shape, spec, card)
    lines = [
        f"\nLargest micro-batch on {card.name} ({card.free_gib:.2f} GiB free), estimated:",
        f"{'tokens per row':>16}{'with room':>12}{'GiB':>9}{'just fits':>12}{'GiB':>9}",
        *map(_line, corners),
    ]
    return {"frontier": [asdict(corner) for corner in corners]}, lines


def _line(corner: Corner) -> str:
    if not corner.largest.rows:
        return f"{corner.length:>16}  not one row: it needs {corner.least_gib:.2f} GiB"
    return f"{corner.length:>16}{_cells(corner.roomy)}{_cells(corner.largest)}"


def _cells(batch: Batch) -> str:
    return f"{batch.rows:>12}{batch.peak_gib:>9.2f}" if batch.rows else f"{'-':>12}{'-':>9}"
