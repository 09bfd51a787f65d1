"""What an export says about itself: export_report.json beside the weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import EXIT_NO, TailfinError

REPORT = "export_report.json"
_CONFIG = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class ExportedFile(BaseModel):
    """One file of the export."""

    model_config = _CONFIG
    name: str
    num_bytes: int
    sha256: str


class Parity(BaseModel):
    """The exported form, loaded by plain libraries, against the trained model.

    Logits are compared over `num_positions` positions of `num_prompts` held-out prompts and their
    greedy answers. `relative_l2` is the size of the difference against the logits' own spread,
    `effect_l2` that of what training changed, and `kept` the share of that change the export
    still has (1 is all; 0 is the base). `greedy_equal` counts positions with the same top token,
    `ties` those where the trained model itself hardly preferred one.
    """

    model_config = _CONFIG
    passed: bool
    num_prompts: int
    num_positions: int
    max_abs_diff: float
    relative_l2: float
    tolerance: float
    effect_l2: float
    kept: float
    greedy_equal: int
    ties: int
    tokens_equal: bool
    reasons: list[str]


class ExportReport(BaseModel):
    """One exported form."""

    model_config = _CONFIG
    v: Literal[1] = 1
    form: str
    run: str
    created: str
    method: str
    base_model: str
    merged_into: str
    dtype: str
    parity: Parity
    notes: list[str]
    versions: dict[str, str]
    files: list[ExportedFile]


def write_report(folder: Path, report: ExportReport) -> None:
    with open(folder / REPORT, "w", encoding="utf-8") as file:
        file.write(report.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_report(folder: Path) -> ExportReport:
    """The report of an export; raises TailfinError where there is none or it is damaged."""
    path = folder / REPORT
    try:
        return ExportReport.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is damaged"
        raise TailfinError(
            f"{path} could not be read: {said}.", "Export again.", where=path, exit_code=EXIT_NO
        ) from None


def plain(report: ExportReport) -> dict[str, object]:
    """The report as JSON values, non-finite numbers as strings."""
    table: dict[str, object] = json.loads(report.model_dump_json())
    return table
