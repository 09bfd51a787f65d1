"""Precision and recall of the row checks on planted defects: python -m tests.data.planted.table"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.data.quality.check import View
from engine.data.quality.checks import ROW_CHECKS
from engine.data.source import open_source
from tests.data.planted.build import DEFECTS, Planted, build

# The findings that name a defect. Several may name one; any of them counts.
FINDINGS: dict[str, tuple[str, ...]] = {
    "empty-answer": ("data.empty-answer",),
    "role-order": ("data.role-order", "data.ends-on-user"),
    "missing-answer": ("data.no-answer", "data.ends-on-user"),
    "refusal": ("data.refusals",),
    "boilerplate": ("data.boilerplate", "data.filler"),
    "na-answer": ("data.marker-answers",),
    "missing-attachment": ("data.absent-media", "data.link-questions", "data.missing-input"),
    "vague-question": ("data.vague-questions", "data.missing-input"),
    "merged-example": ("data.template-residue", "data.role-markers"),
    "template-residue": ("data.template-residue", "data.role-markers", "data.control-tokens"),
    "placeholder": ("data.placeholders",),
    "copied-prompt": ("data.copied-prompts", "data.echo"),
    "looping": ("data.looping",),
    "cut-off": ("data.cut-off",),
    "mojibake": ("data.mojibake",),
    "control-characters": (
        *("data.control-characters", "data.invisible-characters", "data.bidi-controls"),
    ),
    "control-tokens": ("data.control-tokens",),
    "wrong-arithmetic": ("data.wrong-arithmetic",),
}


@dataclass(frozen=True)
class Figures:
    """`found` of `planted` rows; `false` are rows struck that carry no fitting label."""

    planted: int
    found: int
    false: int

    @property
    def recall(self) -> float:
        return self.found / self.planted if self.planted else 1.0

    @property
    def precision(self) -> float:
        struck = self.found + self.false
        return self.found / struck if struck else 1.0


def findings_of(rows: Iterable[Planted]) -> list[set[str]]:
    """The ids that strike each row, from the file as it is read and from every row check."""
    told: list[set[str]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row.record(), ensure_ascii=False) + "\n")
                told.append(set())
        source = open_source(str(path))
        for chunk in source.chunks():
            read = source.read(chunk)
            for fault in read.faults:
                told[fault.record].add(f"data.{fault.kind}")
            for kept in read.rows:
                view = View(kept)
                told[kept.record] |= {check.id for check in ROW_CHECKS if check.find(view)}
    return told


def figures(rows: list[Planted], told: list[set[str]]) -> dict[str, Figures]:
    """Per label. A finding on a healthy row is false; one on another defect's row is not counted,
    since such rows may rightly have several."""
    made: dict[str, Figures] = {}
    for label, ids in FINDINGS.items():
        named = set(ids)
        planted = [bool(named & seen) for row, seen in _pairs(rows, told) if row.label == label]
        false = sum(bool(named & seen) for row, seen in _pairs(rows, told) if not row.label)
        made[label] = Figures(len(planted), sum(planted), false)
    return made


def _pairs(rows: list[Planted], told: list[set[str]]) -> list[tuple[Planted, set[str]]]:
    return list(zip(rows, told, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--family", choices=("open", "heldout"), default="open")
    parser.add_argument("--show", default="", help="a label, or healthy, or a finding's id")
    asked = parser.parse_args()
    rows = build(asked.rows, asked.seed, asked.family)
    told = findings_of(rows)
    print(f"{'defect':20} {'planted':>7} {'found':>6} {'false':>6} {'prec.':>6} {'recall':>6}")
    for label, one in figures(rows, told).items():
        shares = f"{one.precision:6.3f} {one.recall:6.3f}"
        print(f"{label:20} {one.planted:7} {one.found:6} {one.false:6} {shares}")
    healthy = [(row, seen) for row, seen in _pairs(rows, told) if not row.label]
    print(f"healthy rows: {len(healthy)}, struck: {sum(bool(seen) for _, seen in healthy)}")
    if asked.show in DEFECTS:
        ids = set(FINDINGS[asked.show])
        for row, seen in _pairs(rows, told):
            if row.label == asked.show and not ids & seen:
                print("missed", sorted(seen), ascii(row.turns)[:400])
    elif asked.show:
        for row, seen in healthy:
            if asked.show in seen or (asked.show == "healthy" and seen):
                print("false", sorted(seen), row.kind, row.turns)


if __name__ == "__main__":
    main()
