"""What a check saw: the value every check, report and preflight returns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["ok", "info", "warn", "fail", "skip"]
_ORDER: dict[Severity, int] = {"fail": 0, "warn": 1, "info": 2, "skip": 3, "ok": 4}


@dataclass(frozen=True, slots=True)
class Finding:
    """One observation with its verdict.

    `id` is stable and dotted (`gpu.driver-too-old`); `message` says what was seen and why it
    matters; `fix` is a command or action, empty when there is nothing to do; `where` names the
    file, line, field, device or volume; `skip` says why something was not looked at. `why` is what
    it means for fine-tuning. `safe`: `fix` is one shell command that takes nothing away, so it may
    be run for a person who saw it and pressed a key.
    """

    id: str
    severity: Severity
    message: str
    fix: str = ""
    where: str = ""
    why: str = ""
    safe: bool = False

    def as_dict(self) -> dict[str, str | bool]:
        """For JSON; `why` and `safe` are there only where they say something."""
        told = asdict(self)
        return {name: told[name] for name in told if told[name] or name not in ("why", "safe")}


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sorted by severity, the order of equal ones kept."""
    return sorted(findings, key=lambda finding: _ORDER[finding.severity])


def any_fail(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "fail" for finding in findings)
