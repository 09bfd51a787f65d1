"""The terminal: whether it can draw, whether text arrives whole, and what outlives SSH."""

from __future__ import annotations

import os
import re

from engine.doctor.facts import Box, TerminalFacts
from engine.doctor.host import Host
from engine.findings import Finding, Severity

_FOLDERS = ("/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo")
# Without a database programs know these by themselves, and nothing can be said of the others.
_COMMON = (
    "xterm",
    "xterm-256color",
    "linux",
    "vt100",
    "screen",
    "screen-256color",
    "tmux-256color",
)
_NO_SCREEN = ("dumb", "unknown")


def read_terminal(host: Host) -> TerminalFacts:
    """Read the locale the way libc does: LC_ALL, then LC_CTYPE, then LANG."""
    env = host.env
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    _, _, charset = locale.partition(".")
    term = env.get("TERM", "")
    inside = next((name for name in ("TMUX", "STY", "ZELLIJ") if env.get(name)), "")
    return TerminalFacts(
        charset=charset.partition("@")[0],
        tmux=host.which("tmux"),
        in_tmux=inside == "TMUX",
        locale=locale,
        term=term,
        known=_is_known(host, term),
        over_ssh=bool(env.get("SSH_CONNECTION") or env.get("SSH_TTY") or env.get("SSH_CLIENT")),
        multiplexer={"TMUX": "tmux", "STY": "screen", "ZELLIJ": "zellij"}.get(inside, ""),
    )


def check_screen(box: Box) -> list[Finding]:
    """TERM: a terminal that draws nothing, or one this box has never heard of."""
    term = box.terminal.term
    if term in _NO_SCREEN:
        return [
            Finding(
                "terminal.dumb",
                "warn",
                f"TERM={term}: this terminal cannot move the cursor.",
                "tailfin doctor --plain",
                "TERM",
                "The screens cannot be drawn here; every command works as plain text. In a real "
                "terminal: export TERM=xterm-256color; over SSH connect with ssh -t.",
                safe=True,
            )
        ]
    if not term:
        said = "TERM is not set: no terminal, so commands answer as plain text."
        return [Finding("terminal.none", "info", said)]
    if box.terminal.known is False:
        return [
            Finding(
                "terminal.unknown",
                "warn",
                f"This box has no terminfo entry for TERM={term}.",
                "export TERM=xterm-256color",
                "TERM",
                "tailfin draws all the same; tmux, less and editors beside it do not start, and "
                "with tmux goes what keeps your shell when SSH drops.",
                safe=True,
            )
        ]
    return [Finding("terminal.term", "ok", f"TERM is {term}.")]


def check_locale(box: Box) -> list[Finding]:
    """The locale: without UTF-8 tmux turns every other letter into an underscore."""
    terminal = box.terminal
    if re.fullmatch(r"utf-?8", terminal.charset, re.IGNORECASE):
        return [Finding("terminal.locale", "ok", "The locale is UTF-8.")]
    named = f"The locale is {terminal.locale}" if terminal.locale else "No locale is set"
    message = f"{named}, not UTF-8: tmux turns letters beyond ASCII into underscores."
    why = (
        "Lines of the screens, and text of your data in any script but English, cannot be read; "
        "files opened without an encoding may fail."
    )
    return [
        Finding("terminal.locale", "warn", message, "export LC_ALL=C.UTF-8; tmux -u", "LC_ALL", why)
    ]


def check_tmux(box: Box) -> list[Finding]:
    """tmux keeps other work alive when SSH drops; runs need none."""
    terminal = box.terminal
    if terminal.in_tmux or terminal.multiplexer:
        inside = terminal.multiplexer or "tmux"
        return [Finding("terminal.tmux", "ok", f"This shell is inside {inside}.")]
    if terminal.tmux:
        message = "tmux is installed; training outlives SSH without it."
        return [Finding("terminal.tmux", "ok", message)]
    message = "tmux is not installed; training outlives SSH without it, your other commands do not."
    why = "Downloads and conversions started by hand end with the SSH connection."
    severity: Severity = "warn" if terminal.over_ssh else "info"
    fix = box.platform.install("tmux")
    return [Finding("terminal.no-tmux", severity, message, fix, why=why, safe=True)]


CHECKS = (check_screen, check_locale, check_tmux)


def _is_known(host: Host, term: str) -> bool | None:
    """Whether the terminal database has an entry; None where there is no database."""
    if not term or "/" in term:
        return None
    env = host.env
    home = env.get("HOME") or "/root"
    named = [env.get("TERMINFO", ""), *env.get("TERMINFO_DIRS", "").split(":")]
    conda = env.get("CONDA_PREFIX", "")
    folders = [*named, f"{home}/.terminfo", *_FOLDERS, f"{conda}/share/terminfo" if conda else ""]
    there = [folder for folder in folders if folder and host.names(folder)]
    # a folder per first letter, or per its number where letters have no case
    for folder in there:
        if any(
            host.exists(os.path.join(folder, first, term))
            for first in (term[0], f"{ord(term[0]):x}")
        ):
            return True
    if any(len(name) == 1 for folder in there for name in host.names(folder)):
        return False
    return None if term in _COMMON else False
