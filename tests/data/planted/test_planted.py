"""The row checks against planted defects; misses are named with their figures, not hidden."""

from __future__ import annotations

import pytest

from tests.data.planted.build import DEFECTS, build
from tests.data.planted.table import FINDINGS, Figures, figures, findings_of

_ASKED = 0.95
# Recall on 5,000 rows with seed 7, by `python -m tests.data.planted.table`, 24 November 2026.
KNOWN_MISSES = {
    "refusal": 0.857,
    "boilerplate": 0.859,
    "missing-attachment": 0.906,
    "vague-question": 0.653,
    "merged-example": 0.910,
    "template-residue": 0.780,
    "placeholder": 0.827,
}


@pytest.fixture(scope="module")
def measured() -> dict[str, Figures]:
    rows = build(5000, 7)
    return figures(rows, findings_of(rows))


def test_every_defect_has_its_findings() -> None:
    assert set(FINDINGS) == set(DEFECTS)


def test_the_same_seed_makes_the_same_rows() -> None:
    assert build(300, 3) == build(300, 3)
    assert build(300, 3) != build(300, 4)


def test_structural_defects_and_healthy_rows_of_a_small_set() -> None:
    rows = build(600, 11)
    told = findings_of(rows)
    seen = figures(rows, told)
    for label in ("empty-answer", "role-order", "missing-answer", "control-tokens"):
        assert seen[label].planted > 0 and seen[label].recall == 1.0, label
    assert not [row for row, ids in zip(rows, told, strict=True) if ids and not row.label]


@pytest.mark.slow
@pytest.mark.parametrize(
    "label",
    [
        pytest.param(
            label,
            marks=pytest.mark.xfail(
                strict=True,
                raises=AssertionError,
                reason=f"recall {KNOWN_MISSES[label]:.3f}",
            ),
        )
        if label in KNOWN_MISSES
        else label
        for label in FINDINGS
    ],
)
def test_recall_of_planted_defects(label: str, measured: dict[str, Figures]) -> None:
    assert measured[label].recall >= _ASKED


@pytest.mark.slow
@pytest.mark.parametrize("label", FINDINGS)
def test_precision_against_healthy_rows(label: str, measured: dict[str, Figures]) -> None:
    assert measured[label].precision >= _ASKED
