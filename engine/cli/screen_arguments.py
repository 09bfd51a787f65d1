"""The flags of commands that open a screen on a terminal; without one they change nothing."""

from __future__ import annotations

import argparse


def add_screen_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("on a terminal")
    group.add_argument("--plain", action="store_true", help="print lines instead of a screen")
    group.add_argument("--ascii", action="store_true", help="draw charts and bars in ASCII")
    group.add_argument("--no-mouse", action="store_true", help="leave the mouse to the terminal")
    group.add_argument("--light", action="store_true", help="dark text on a light ground")
    group.add_argument(
        "--slow-link", action="store_true", help="draw every two seconds, without the mouse"
    )
