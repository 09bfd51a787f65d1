"""The table of measured rows: what real cards took, beside what was foretold of them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from engine.bundled import bundled

_HEAD = """\
# Rows measured on real cards, each with what was foretold of it. Written by `make gpu-bench`; do
# not edit: a figure that nobody measured is not a row. Memory in GiB at the training peak: tensors
# and reserved as torch counts them, process as the driver does (0: the driver does not tell).
# card_gib above 0: a card of that size was imitated by a limit.

"""


@dataclass(frozen=True, slots=True)
class MeasuredRow:
    """One setting on one card; memory in GiB, `date` as YYYY-MM-DD, `stack` names the versions."""

    card: str
    stack: str
    date: str
    model: str
    method: str
    length: int
    micro_batch: int
    gradient_checkpointing: bool
    attention: str
    double_quant: bool
    card_gib: float
    fits: bool
    foretold_fits: bool
    tensors_gib: float
    reserved_gib: float
    process_gib: float
    foretold_tensors_gib: float
    foretold_reserved_gib: float
    foretold_process_gib: float


@cache
def measured_rows() -> tuple[MeasuredRow, ...]:
    """All rows of profiles/measured.toml."""
    return read_measured(measured_file())


def measured_file() -> Path:
    return bundled("profiles") / "measured.toml"


def read_measured(file: Path) -> tuple[MeasuredRow, ...]:
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["rows"]
    return tuple(MeasuredRow(**row) for row in rows)


def write_measured(rows: Iterable[MeasuredRow], file: Path) -> None:
    """Replace the table by these rows, in the order given."""
    import tomli_w

    lines = []
    for row in rows:
        words = (tomli_w.dumps({name: value}).strip() for name, value in asdict(row).items())
        lines.append(f"  {{ {', '.join(words)} }},\n")
    text = _HEAD + ("rows = [\n" + "".join(lines) + "]\n" if lines else "rows = []\n")
    file.write_text(text, encoding="utf-8")
