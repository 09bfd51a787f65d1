"""Lets a child process end with the process that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading


def end_with_stdin() -> None:
    """From now on, end at once when standard input does, and all workers started meanwhile.

    Whoever starts such a child holds the other end of a pipe and never writes to it; the kernel
    closes that end however its holder ends, kill -9 included. No polling, no race with a parent
    that ended early, and any POSIX system has it. (PR_SET_PDEATHSIG would fire when the *thread*
    that started the child ends, as threads of a pool do.)
    """
    threading.Thread(target=_wait_and_end, name="lifeline", daemon=True).start()


def _wait_and_end() -> None:
    with contextlib.suppress(OSError):  # no standard input at all counts as ended
        while os.read(0, 4096):
            pass
    # A session or group of its own means that nobody else is in it but our workers.
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
