"""All checks that look at one row."""

from __future__ import annotations

from engine.data.quality.check import RowCheck
from engine.data.quality.checks import (
    answers,
    cut_off,
    encoding,
    language,
    markup,
    personal,
    recomputed,
    references,
    residue,
    secrets,
)

ROW_CHECKS: tuple[RowCheck, ...] = (
    *secrets.CHECKS,
    *answers.CHECKS,
    *cut_off.CHECKS,
    *residue.CHECKS,
    *markup.CHECKS,
    *encoding.CHECKS,
    *language.CHECKS,
    *references.CHECKS,
    *recomputed.CHECKS,
    *personal.CHECKS,
)
