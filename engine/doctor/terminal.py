"""The terminal: whether text arrives whole, and whether a multiplexer is at hand."""

from __future__ import annotations

import re

from engine.doctor.facts import Box, TerminalFacts
from engine.doctor.host import Host
from engine.findings import Finding


def read_terminal(host: Host) -> TerminalFacts:
    """Read the locale the way libc does: LC_ALL, then LC_CTYPE, then LANG."""
    env = host.env
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    _, _, charset = locale.partition(".")
    return TerminalFacts(
        charset=charset.partition("@")[0],
        tmux=host.which("tmux"),
        in_tmux=bool(env.get("TMUX")),
    )


def check_locale(box: Box) -> list[Finding]:
    """The locale: without UTF-8 tmux turns every other letter into an underscore."""
    if re.fullmatch(r"utf-?8", box.terminal.charset, re.IGNORECASE):
        return [Finding("terminal.locale", "ok", "The locale is UTF-8.")]
    message = "The locale is not UTF-8: tmux turns letters beyond ASCII into underscores."
    return [Finding("terminal.locale", "warn", message, "export LC_ALL=C.UTF-8; tmux -u")]


def check_tmux(box: Box) -> list[Finding]:
    """tmux keeps other work alive when SSH drops; runs need none."""
    terminal = box.terminal
    if terminal.in_tmux:
        return [Finding("terminal.tmux", "ok", "This shell is inside tmux.")]
    if terminal.tmux:
        message = "tmux is installed; training outlives SSH without it."
        return [Finding("terminal.tmux", "ok", message)]
    message = "tmux is not installed; training outlives SSH without it, your other commands do not."
    return [Finding("terminal.no-tmux", "info", message, "apt-get install -y tmux")]


CHECKS = (check_locale, check_tmux)
