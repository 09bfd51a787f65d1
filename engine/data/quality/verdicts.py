"""What a person said of rows: kept in a file, counted into a share with an interval."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from engine.data.quality.census import count_chunk
from engine.data.quality.checks import ROW_CHECKS
from engine.data.quality.interval import wilson
from engine.data.quality.signature import digest
from engine.data.quality.suspicion import order_suspects
from engine.data.rows import Row
from engine.data.source import Source
from engine.errors import TailfinError

Order = Literal["sample", "suspicion"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row judged; `row` is a digest of its text, so that a changed row counts no more.

    `drawn` says how the row was chosen: only a random sample says something of the whole set.
    """

    record: int
    row: int
    is_bad: bool
    drawn: Order


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of bad rows in the set, with its 95 % interval (Wilson)."""

    num_judged: int
    num_bad: int
    low: float
    high: float


def draw(source: Source, order: Order, seed: int) -> list[int]:
    """Record numbers of the usable rows in the order in which they are to be judged."""
    counted = [count_chunk(source.reader, chunk) for chunk in source.chunks()]
    records = [int(record) for part in counted for record in part.records]
    if order == "sample":
        random.Random(seed).shuffle(records)
        return records
    hits: dict[str, list[int]] = {}
    for part in counted:
        for check, struck in part.hits.items():
            hits.setdefault(check, []).extend(struck)
    severities = {check.id: check.severity for check in ROW_CHECKS}
    return [one.record for one in order_suspects(hits, severities, len(records))]


def rows_in_order(source: Source, records: Sequence[int]) -> Iterator[Row]:
    """The rows of these records, in their order; a few thousand at a time are held."""
    for start in range(0, len(records), 1000):
        wanted = records[start : start + 1000]
        found = {
            row.record: row
            for chunk in source.chunks()
            for row in source.read(chunk).rows
            if row.record in set(wanted)
        }
        yield from (found[record] for record in wanted)


def fingerprint(row: Row) -> int:
    """A digest of all turns of a row."""
    return digest(json.dumps(row.as_dicts(), ensure_ascii=False))


def estimate(verdicts: Sequence[Verdict]) -> Estimate:
    """The share among the rows that were drawn at random."""
    sampled = [one for one in verdicts if one.drawn == "sample"]
    num_bad = sum(one.is_bad for one in sampled)
    return Estimate(len(sampled), num_bad, *wilson(num_bad, len(sampled)))


def read_verdicts(file: Path) -> list[Verdict]:
    """All verdicts of a file, the last one of each row; a line that was cut off is left out."""
    found: dict[int, Verdict] = {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise TailfinError(
            f"The verdicts in {file} could not be read: {error}.",
            "Name another file: --verdicts FILE",
            where=file,
        ) from None
    for line in lines:
        try:
            told = Verdict(**json.loads(line))
        except (ValueError, TypeError):
            continue
        found[told.record] = told
    return list(found.values())


def add_verdict(file: Path, verdict: Verdict) -> None:
    """Append one verdict at once, so that an interruption loses nothing."""
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(verdict)) + "\n")
    except OSError as error:
        raise TailfinError(
            f"The verdict could not be written to {file}: {error.strerror}.",
            "Name a file in a folder of yours: --verdicts FILE",
            where=file,
        ) from None
