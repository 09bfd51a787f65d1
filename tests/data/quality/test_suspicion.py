"""Rows that more and graver checks struck come first."""

from __future__ import annotations

from engine.data.quality.suspicion import order_suspects
from engine.findings import Severity

SEVERITIES: dict[str, Severity] = {"grave": "fail", "usual": "warn", "slight": "info"}


def test_graver_and_more_hits_come_first() -> None:
    hits = {"slight": [9, 4], "grave": [4], "usual": [7, 9, 2]}
    found = order_suspects(hits, SEVERITIES, 100)
    assert [one.record for one in found] == [4, 9, 2, 7]
    assert found[0].checks == ("grave", "slight")


def test_what_half_of_the_set_has_weighs_less() -> None:
    hits = {"common": list(range(80)), "rare": [90]}
    found = order_suspects(hits, {}, 100)
    assert found[0].record == 90


def test_a_row_struck_twice_by_one_check_counts_once() -> None:
    [once] = order_suspects({"usual": [3, 3]}, SEVERITIES, 100)
    [other] = order_suspects({"usual": [5]}, SEVERITIES, 100)
    assert once.weight == other.weight and once.checks == ("usual",)


def test_a_set_without_hits_has_no_suspects() -> None:
    assert list(order_suspects({}, SEVERITIES, 0)) == []
