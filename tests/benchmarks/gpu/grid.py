"""The GPU grid: what is foretold of real configs beside what a card measures.

    python -m tests.benchmarks.gpu.grid [--minutes 9] [--out build/gpu-grid.jsonl] [--dry-run]
                                        [--keep profiles/measured.toml]

Each row runs in a process of its own and is appended to the file when it is done; rows that are
there already are left out the next time. With --dry-run only the predictions are printed. --keep
writes all rows of the file as the table that `tailfin profiles` shows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from engine.measured_rows import MeasuredRow, write_measured
from engine.memory.calibration import Comparison, Figure, summarise
from engine.memory.cards import Card, find_card
from engine.memory.device import this_device
from engine.memory.estimate import estimate
from engine.memory.model_shape import read_shape
from tests.benchmarks.gpu.rows import CONFIGS, GridRow, grid

_ROW_S = 180.0
_TIERS: tuple[Figure, ...] = ("tensors", "reserved", "process")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="gpu.grid", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=Path("build/gpu-grid.jsonl"))
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--card", default="H200", help="whose predictions a dry run prints")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--keep", type=Path, help="table to write, such as profiles/measured.toml")
    parser.add_argument("--only", help="rows whose description contains this")
    args = parser.parse_args(argv)
    rows = [row for row in grid() if not args.only or args.only in row.key]
    if args.device == "cpu":
        rows = [GridRow("tiny", method, 64, 2) for method in ("lora", "qlora", "full")]
    card = find_card(args.card) if args.dry_run else this_device()
    if args.dry_run:
        for row in rows:
            print(f"{row.key:<58} {_words(foretold(row, card))}")
        return 0
    done = _read(args.out)
    deadline = time.monotonic() + args.minutes * 60
    for row in rows:
        if row.key in done:
            continue
        if time.monotonic() > deadline:
            print("The time is up; the same command goes on with the next row.")
            break
        told = {
            "row": asdict(row),
            "date": date.today().isoformat(),
            "foretold": foretold(row, card),
            **_run(row, args.device),
        }
        done[row.key] = told
        args.out.parent.mkdir(parents=True, exist_ok=True)
        with args.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
        print(f"{row.key:<58} {_words(told['foretold'])}  measured {_words(told)}", flush=True)
    told_rows = [told for told in done.values() if "error" not in told]
    _table(told_rows)
    if args.keep:
        write_measured([_measured(told) for told in told_rows], args.keep)
        print(f"{len(told_rows)} rows kept in {args.keep}")
    return 0


def foretold(row: GridRow, card: Card) -> dict[str, Any]:
    """The closed estimate in GiB of each tier, and whether it fits."""
    judged = row.card_of(card)
    budget = estimate(read_shape(CONFIGS[row.model]), row.spec, row.length, judged)
    phase = budget.phase("train")
    sizes = (phase.tensor_bytes, phase.reserved_bytes, phase.process_bytes)
    return {"fits": budget.fits} | {
        f"{tier}_gib": size / 2**30 for tier, size in zip(_TIERS, sizes, strict=True)
    }


def _measured(told: dict[str, Any]) -> MeasuredRow:
    row, said = GridRow(**told["row"]), told["foretold"]
    return MeasuredRow(
        card=told["device"],
        stack=f"torch {told['torch']}",
        date=told["date"],
        model=row.model,
        method=row.method,
        length=row.length,
        micro_batch=row.micro_batch,
        gradient_checkpointing=row.checkpointing,
        attention=row.attention,
        double_quant=row.double_quant,
        card_gib=row.card_gib,
        fits=told["fits"],
        foretold_fits=said["fits"],
        **{f"{tier}_gib": round(told.get(f"{tier}_gib") or 0.0, 3) for tier in _TIERS},
        **{f"foretold_{tier}_gib": round(said[f"{tier}_gib"], 3) for tier in _TIERS},
    )


def _run(row: GridRow, device: str) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.gpu.measure", device]
    env = os.environ | {"PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True"}
    try:
        done = subprocess.run(
            [*command, json.dumps(asdict(row))],
            capture_output=True, text=True, timeout=_ROW_S, env=env, check=False,
        )  # fmt: skip
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {_ROW_S:.0f} s"}
    except (ValueError, IndexError):
        return {"error": (done.stderr.strip().splitlines() or ["no word"])[-1][:300]}


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Rows of an earlier call; a line that was cut off is measured again, and so are errors."""
    found = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            told = json.loads(line)
            if "error" not in told:
                found[GridRow(**told["row"]).key] = told
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _table(told: list[dict[str, Any]]) -> None:
    compared = [
        Comparison(
            GridRow(**one["row"]).key, one["device"], f"torch {one['torch']}", "", "estimate",
            tier, one["foretold"][f"{tier}_gib"], one[f"{tier}_gib"],
        )
        for one in told
        if one["fits"]
        for tier in _TIERS
        if one.get(f"{tier}_gib")
    ]  # fmt: skip
    for line in summarise(compared):
        print(
            f"{line.device}, {line.stack}, {line.figure}: {line.count} rows, mean error "
            f"{line.mean:.1%}, bias {line.bias:+.1%}, worst {line.worst:+.1%}"
        )
    judged = [one for one in told if one["row"]["card_gib"] or not one["fits"]]
    right = sum(one["fits"] == one["foretold"]["fits"] for one in judged)
    print(f"fits or not on imitated cards: {right} of {len(judged)} foretold right")
    for one in judged:
        if one["foretold"]["fits"] and not one["fits"]:
            print(f"  called to fit and did not: {GridRow(**one['row']).key}")


def _words(figures: dict[str, Any]) -> str:
    if "error" in figures:
        return str(figures["error"])
    sizes = [f"{figures[f'{tier}_gib']:.2f}" for tier in _TIERS if f"{tier}_gib" in figures]
    return f"{' / '.join(sizes)} GiB {'fits' if figures['fits'] else 'does not fit'}"


if __name__ == "__main__":
    sys.exit(main())
