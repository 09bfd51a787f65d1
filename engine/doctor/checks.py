"""Every check by group, and the one sentence they add up to. A new check is one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.doctor import (
    disk,
    gpu_checks,
    hub_checks,
    limit_checks,
    rental,
    stack,
    terminal,
    torch_build,
)
from engine.doctor.deep.judge import judge
from engine.doctor.facts import Box
from engine.findings import Finding, any_fail, worst_first

Check = Callable[[Box], list[Finding]]

GROUPS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("GPU", gpu_checks.CHECKS),
    ("torch", torch_build.CHECKS),
    ("Python", stack.CHECKS),
    ("memory and processors", limit_checks.CHECKS),
    ("disk", disk.CHECKS),
    ("hub", hub_checks.CHECKS),
    ("platform", rental.CHECKS),
    ("terminal", terminal.CHECKS),
)


@dataclass(frozen=True, slots=True)
class Group:
    """What the checks of one group found, worst first."""

    name: str
    findings: tuple[Finding, ...]


def examine(box: Box, extra: Mapping[str, Sequence[Finding]] | None = None) -> list[Group]:
    """Run every check; groups with a failure come first, then those with a warning.

    `extra` are findings of other questions, by the name of the group they belong to.
    """
    more = extra or {}
    groups = [
        Group(
            name,
            tuple(worst_first([*(f for check in checks for f in check(box)), *more.get(name, ())])),
        )
        for name, checks in GROUPS
    ]
    groups.append(Group("deep", tuple(worst_first(judge(box, all_findings(groups))))))
    order = {"fail": 0, "warn": 1, "info": 2}
    return sorted(
        (group for group in groups if group.findings),
        key=lambda group: order.get(group.findings[0].severity, 3),
    )


def all_findings(groups: list[Group]) -> list[Finding]:
    return [finding for group in groups for finding in group.findings]


def verdict(box: Box, groups: list[Group]) -> str:
    """One sentence: what this box can do now."""
    findings = all_findings(groups)
    fails = sum(finding.severity == "fail" for finding in findings)
    if any_fail(findings):
        return f"This box cannot train yet: {_count(fails, 'failure')} to fix, named above."
    warns = sum(finding.severity == "warn" for finding in findings)
    tail = f", with {_count(warns, 'warning')}" if warns else ""
    cards = box.gpu.gpus
    if not cards and box.gpu.handed:
        return f"A GPU is handed to this box, but {box.gpu.trouble}; the rest is fine{tail}."
    if not cards:
        ram = f"{box.limits.usable_gib:.0f} GiB of RAM"
        return f"CPU only: this box can train tiny models on {_cores(box)} and {ram}{tail}."
    names = {card.name for card in cards}
    what = next(iter(names)) if len(names) == 1 else "GPUs of several kinds"
    vram = f"{sum(card.vram_gib for card in cards):.0f} GiB"
    digits = "bfloat16" if all(card.has_bf16 for card in cards) else "float16"
    return f"This box can train on {len(cards)} x {what} ({vram}, {digits}){tail}."


def _cores(box: Box) -> str:
    usable = min(float(box.limits.cores), box.limits.cpu_quota or float(box.limits.cores))
    return "1 processor" if usable == 1 else f"{usable:g} processors"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
