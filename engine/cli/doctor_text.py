"""The doctor's report as text: for the person at the terminal, and for a ticket."""

from __future__ import annotations

import os
import platform
import sys
import textwrap
from collections.abc import Iterable
from datetime import datetime, timezone

from engine import __version__
from engine.doctor.checks import Group
from engine.doctor.facts import Box
from engine.doctor.host import Host
from engine.doctor.redact import redactor_for
from engine.findings import Finding

_WORDS = {"ok": "OK", "info": "INFO", "warn": "WARN", "fail": "FAIL", "skip": "SKIP"}
_COLOURS = {"fail": "31", "warn": "33", "ok": "32"}
_INDENT = " " * 6
_SHOWN = ("transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes")


def print_for_person(groups: Iterable[Group], sentence: str) -> None:
    """Every group with its findings; why and fix where something is wrong, and the verdict."""
    width = _width()
    for group in groups:
        print(group.name)
        for finding in group.findings:
            where = f" [{finding.where}]" if finding.where else ""
            told = _wrapped(f"{finding.message}{where}", width)
            print(f"{_word(finding)}  {told}")
            if finding.why and finding.severity in ("warn", "fail"):
                print(f"{_INDENT}why: {_wrapped(finding.why, width, 5)}")
            if finding.fix and finding.severity != "ok":
                print(f"{_INDENT}fix: {finding.fix}")  # never broken: it is copied
        print()
    print(sentence)


def print_plain(host: Host, box: Box, groups: Iterable[Group], sentence: str) -> None:
    """The report for a ticket: a head with versions, ids of findings, nothing that names anyone."""
    lines = [*_head(host, box), ""]
    for group in groups:
        lines.append(group.name)
        for finding in group.findings:
            where = f" [{finding.where}]" if finding.where else ""
            word = _WORDS[finding.severity]
            lines.append(f"{word:<4}  {finding.id}: {finding.message}{where}")
            if finding.why and finding.severity in ("warn", "fail"):
                lines.append(f"{_INDENT}why: {finding.why}")
            if finding.fix and finding.severity != "ok":
                lines.append(f"{_INDENT}fix: {finding.fix}")
        lines.append("")
    lines.append(sentence)
    text = redactor_for(host).text("\n".join(lines))
    print(text.encode("ascii", "backslashreplace").decode("ascii"))


def _head(host: Host, box: Box) -> list[str]:
    when = datetime.fromtimestamp(host.now(), timezone.utc)  # noqa: UP017 (Python 3.10)
    stack = box.stack
    installed = ", ".join(f"{n} {stack.installed[n]}" for n in _SHOWN if n in stack.installed)
    python = ".".join(map(str, stack.version)) if stack.runs else "does not run"
    torch = stack.torch.label if stack.torch else "none"
    kind = "container" if box.platform.is_container else "machine"
    where = " ".join(word for word in (box.platform.name, kind) if word)
    system = box.platform.distribution or "unknown system"
    driver = box.gpu.driver or "none"
    kernel = "" if host.is_recorded else f", kernel {platform.release()} {platform.machine()}"
    return [
        f"tailfin {__version__} doctor, {when:%Y-%m-%d %H:%M} UTC",
        f"Python {python}, torch {torch}{', ' if installed else ''}{installed}",
        f"{system} ({where}){kernel}, NVIDIA driver {driver}",
        "Secrets, names, addresses and ids are removed.",
    ]


def _word(finding: Finding) -> str:
    word = f"{_WORDS[finding.severity]:<4}"
    colour = _COLOURS.get(finding.severity)
    return f"\033[{colour}m{word}\033[0m" if colour and _has_colours() else word


def _has_colours() -> bool:
    env = os.environ
    return sys.stdout.isatty() and not env.get("NO_COLOR") and env.get("TERM", "dumb") != "dumb"


def _width() -> int:
    """Columns of the terminal; 0 where there is none, and nothing is broken into lines."""
    try:
        return max(os.get_terminal_size(sys.stdout.fileno()).columns, 40)
    except (OSError, ValueError, AttributeError):
        return 0


def _wrapped(text: str, width: int, more: int = 0) -> str:
    if not width:
        return text
    room = width - len(_INDENT) - more
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{_INDENT}{' ' * more}".join(lines)
