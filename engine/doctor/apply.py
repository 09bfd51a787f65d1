"""Runs the one command that fixes a finding, for a person who saw it and agreed."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO

# Long enough for a package manager on a slow link, short enough not to be forgotten.
LIMIT_S = 900.0
_TAIL_LINES = 200
_LOOK_S = 0.1
# After a polite end, so long until the process is killed.
_GRACE_S = 3.0
# What a shell changes by itself.
_OF_THE_SHELL = frozenset({"_", "SHLVL", "PWD", "OLDPWD"})


@dataclass(frozen=True, slots=True)
class Applied:
    """How it ended: `code` is None where it was cancelled or ran past its limit.

    `environment` holds the variables that the command set, for whatever is started next; their
    values may be tokens and are not for showing.
    """

    code: int | None
    tail: tuple[str, ...] = ()
    seconds: float = 0.0
    was_cancelled: bool = False
    environment: Mapping[str, str] | None = None

    @property
    def succeeded(self) -> bool:
        return self.code == 0


def apply(
    command: str,
    environment: Mapping[str, str],
    *,
    limit_s: float = LIMIT_S,
    is_cancelled: Callable[[], bool] = lambda: False,
    said: Callable[[tuple[str, ...]], None] = lambda tail: None,
) -> Applied:
    """Run a command in a shell without a terminal and wait for its end; blocks, so use a thread.

    What the shell's own environment holds afterwards is read back, so that `export A=b` counts
    here too. `said` gets the last lines whenever there are new ones. Raises OSError where no shell
    can be started.
    """
    shell = shutil.which("bash", path=environment.get("PATH")) or "/bin/sh"
    began = time.monotonic()
    with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else _in_memory() as after:
        number = after.fileno()
        process = subprocess.Popen(
            [shell, "-c", f"{command}\nended=$?\nenv -0 >/dev/fd/{number}\nexit $ended"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            pass_fds=(number,),
            start_new_session=True,
        )
        lines, was_cancelled, is_late = _follow(process, began + limit_s, is_cancelled, said)
        after.seek(0)
        changed = _changed(environment, after.read())
    is_whole = not was_cancelled and not is_late
    return Applied(
        process.returncode if is_whole else None,
        lines,
        time.monotonic() - began,
        was_cancelled,
        changed if is_whole and process.returncode == 0 else {},
    )


def _in_memory() -> IO[bytes]:
    """A file on no disk: the fault may be that every disk is full."""
    return os.fdopen(os.memfd_create("environment", 0), "w+b")


def _follow(
    process: subprocess.Popen[bytes],
    deadline: float,
    is_cancelled: Callable[[], bool],
    said: Callable[[tuple[str, ...]], None],
) -> tuple[tuple[str, ...], bool, bool]:
    """Read what it says until it ends; ends it where asked for or late."""
    assert process.stdout is not None
    lines: deque[str] = deque(maxlen=_TAIL_LINES)
    rest = b""
    was_cancelled = is_late = False
    with selectors.DefaultSelector() as selector, process.stdout as out:
        os.set_blocking(out.fileno(), False)
        selector.register(out, selectors.EVENT_READ)
        is_open = True
        while is_open or process.poll() is None:
            # What it left behind may hold the pipe for ever: its own end counts.
            has_ended = process.poll() is not None
            if is_open and selector.select(0 if has_ended else _LOOK_S):
                read = os.read(out.fileno(), 1 << 16)
                is_open = bool(read)
                *whole, rest = (rest + read).replace(b"\r\n", b"\n").split(b"\n")
                for text in whole:  # a progress bar writes over its own line
                    lines.append(text.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace"))
                if whole:
                    said(tuple(lines))
            elif has_ended:
                break
            elif not is_open:
                time.sleep(_LOOK_S)
            if not (was_cancelled or is_late):
                was_cancelled = not has_ended and is_cancelled()
                is_late = not has_ended and time.monotonic() > deadline
                if was_cancelled or is_late:
                    _end(process)
    if rest:
        lines.append(rest.rpartition(b"\r")[2].decode("utf-8", "replace"))
    return tuple(lines), was_cancelled, is_late


def _end(process: subprocess.Popen[bytes]) -> None:
    """End its whole group, first politely."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            continue


def _changed(before: Mapping[str, str], after: bytes) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in os.fsdecode(after).split("\0"))
    return {
        name: value
        for name, equals, value in pairs
        if equals and name not in _OF_THE_SHELL and before.get(name) != value
    }
