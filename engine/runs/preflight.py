"""What is checked before a run folder is made: the data, the model, the room on disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from engine.findings import Finding, any_fail, worst_first
from engine.spec import Spec

if TYPE_CHECKING:
    from engine.data.rows import DataFile
    from engine.hub import ModelPlace

# Room for the log, a small adapter and its optimizer; big models say their own need on top.
_LEAST_BYTES = 200 * 1024**2


@dataclass(frozen=True, slots=True)
class Preflight:
    """What was found: the rows, the model's place, and everything worth saying."""

    data: DataFile
    model: ModelPlace
    findings: tuple[Finding, ...]


def preflight(spec: Spec, root: Path, *, skip_bad_rows: bool = False) -> Preflight:
    """Read the data and find the model; raises TailfinError for what would end the run early.

    Nothing is downloaded and nothing is written: a missing model, a licence not accepted or an
    unreadable row is said before anything else starts.
    """
    from engine.data.leakage import leaked
    from engine.data.read import read_data

    place = check_place(spec, root)
    data = spec.data
    file = read_data(data.path, layout=data.format, columns=data.columns, system=data.system)
    findings = list(file.problems)
    if data.eval_path:
        other = read_data(
            data.eval_path, layout=data.format, columns=data.columns, system=data.system
        )
        findings += [*other.problems, *leaked(file.rows, other.rows, data.eval_path)]
    if any_fail(findings) and not skip_bad_rows:
        bad = [f for f in worst_first(findings) if f.severity == "fail"]
        raise TailfinError(
            "The data has rows that cannot be used: " + " ".join(f.message for f in bad),
            "Correct them, or leave them out with --skip-bad-rows. "
            f"The whole list: tailfin data report {data.path}",
            where=data.path,
            error_id=bad[0].id,
        )
    if not file.rows:
        raise TailfinError(
            f"{data.path} has no usable row.",
            f"See why with: tailfin data report {data.path}",
            where=data.path,
        )
    return Preflight(file, place, tuple(findings))


def check_place(spec: Spec, root: Path) -> ModelPlace:
    """The part of `preflight` that reads no data: the model, two files, and room for the run."""
    from engine.data.leakage import refuse_same_file
    from engine.hub import find_model

    refuse_same_file(spec.data.path, spec.data.eval_path)
    place = find_model(spec.model.path, spec.model.revision)
    existing = next(p for p in [root, *root.parents] if p.exists())
    free = shutil.disk_usage(existing).free
    if free >= _LEAST_BYTES:
        return place
    raise TailfinError(
        f"The volume of {root} has {free / 1024**2:.0f} MiB free; a run needs at least "
        f"{_LEAST_BYTES / 1024**2:.0f} MiB for its log and checkpoints.",
        "Free space, or name a folder on a bigger volume with --runs DIR.",
        where=root,
        exit_code=1,
        error_id="disk.full",
    )
