"""Which machine and boot this is, so that a run on a shared or copied folder is told apart."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def host_name() -> str:
    return os.environ.get("TAILFIN_HOST") or socket.gethostname()


def boot_id() -> str:
    """The kernel's id of this boot; empty where /proc does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
