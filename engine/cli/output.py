"""How a command answers: one JSON object on stdout with --json, plain text otherwise."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import TextIO

from engine.errors import TailfinError
from engine.findings import Finding, worst_first

_WORDS = {"ok": "OK", "info": "INFO", "warn": "WARN", "fail": "FAIL", "skip": "SKIP"}


def print_json(
    command: str, *, ok: bool, data: Mapping[str, object], findings: Iterable[Finding] = ()
) -> None:
    """Print the envelope `{"schema":"tailfin.<command>/1","ok","data","findings"}` on stdout."""
    envelope = {
        "schema": f"tailfin.{command}/1",
        "ok": ok,
        "data": dict(data),
        "findings": [finding.as_dict() for finding in findings],
    }
    # A terminal that is not UTF-8 gets escapes instead of an error.
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(envelope, ensure_ascii=not is_utf8))


def print_findings(findings: Iterable[Finding], stream: TextIO | None = None) -> None:
    """Print findings as text, worst first: a word, the message, the place and the fix."""
    out = stream if stream is not None else sys.stdout
    for finding in worst_first(findings):
        where = f" [{finding.where}]" if finding.where else ""
        print(f"{_WORDS[finding.severity]:<4}  {finding.message}{where}", file=out)
        if finding.fix:
            print(f"      fix: {finding.fix}", file=out)


def error_finding(error: TailfinError) -> Finding:
    return Finding(error.error_id, "fail", error.message, error.hint, error.where)


def note(message: str) -> None:
    """One line for the person, on stderr, so that stdout stays parseable."""
    print(message, file=sys.stderr, flush=True)
