"""What the words after `tailfin` ask of the screens, and whether screens can be shown at all."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Place = Literal["home", "attach", "replay", "demo"]


@dataclass(frozen=True, slots=True)
class Options:
    """How the screens look and behave; the same flags after every word that opens them."""

    runs: str | None = None
    ascii_only: bool = False
    mouse: bool = True
    theme: str = "dark"
    slow_link: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the app begins: home, a run to follow, a recorded one to replay, or the demo."""

    place: Place = "home"
    run: str = ""
    speed: float = 20.0
    export: bool = True
