"""Writes down, at the end of each Python process of a journey, what it had imported.

Python imports a module of this name at its start where it finds one; a box puts this folder first
on PYTHONPATH, so that the very program a person starts is watched, unchanged.
"""

from __future__ import annotations

import atexit
import json
import os
import sys


def _write() -> None:
    said = {"command": sys.orig_argv, "modules": sorted(sys.modules)}
    path = os.path.join(os.environ["JOURNEY_WITNESS"], f"{os.getpid()}.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(said, file)


if os.environ.get("JOURNEY_WITNESS"):
    atexit.register(_write)
