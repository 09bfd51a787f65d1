"""The console script: every command goes to the engine's command line."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run `tailfin`; returns the exit code of the command named on the command line."""
    # Before the first textual import: with the Kitty keyboard protocol iTerm2 and VS Code lose
    # the text of input methods (Chinese, Japanese, Korean).
    os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
    from engine.cli.main import main as command_line

    return command_line()


if __name__ == "__main__":
    sys.exit(main())
