"""All checks that look at one row."""

from __future__ import annotations

from engine.data.quality.check import RowCheck
from engine.data.quality.checks import (
    cut_off,
    echo,
    encoding,
    filler,
    language,
    marker,
    markup,
    personal,
    recomputed,
    references,
    refusal,
    residue,
    secrets,
)

ROW_CHECKS: tuple[RowCheck, ...] = (
    *secrets.CHECKS,
    *marker.CHECKS,
    *refusal.CHECKS,
    *echo.CHECKS,
    *filler.CHECKS,
    *cut_off.CHECKS,
    *residue.CHECKS,
    *markup.CHECKS,
    *encoding.CHECKS,
    *language.CHECKS,
    *references.CHECKS,
    *recomputed.CHECKS,
    *personal.CHECKS,
)
