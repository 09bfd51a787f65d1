"""The console script: screens on a terminal, the engine's command line everywhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.data.text import inert
from engine.errors import EXIT_DONE, TailfinError

if TYPE_CHECKING:
    from tui.options import Opening, Options


def main() -> int:
    """Run `tailfin`; returns the exit code of a command, 0 once the screens were left."""
    # Before the first textual import: with the Kitty keyboard protocol iTerm2 and VS Code lose
    # the text of input methods (Chinese, Japanese, Korean).
    os.environ.setdefault("TEXTUAL_DISABLE_KITTY_KEY", "1")
    from tui.options import has_terminal, parse

    words = sys.argv[1:]
    try:
        wanted = parse(words, os.environ) if has_terminal(os.environ) else None
    except TailfinError as error:
        print(f"tailfin: {inert(error.message)}\n  do: {inert(error.hint)}", file=sys.stderr)
        return error.exit_code
    if wanted is None or wanted[1].plain:
        return _without_screens(words)
    return _with_screens(*wanted)


def _with_screens(opening: Opening, options: Options) -> int:
    if opening.place == "demo" and (code := _install_stack()):
        return code
    # Nothing moves by itself: an animated scroll sends the screen many times over SSH.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    from tui.app import TailfinApp

    app = TailfinApp(opening, options)
    said = app.run(mouse=options.mouse) or []
    if app.last_resort is not None:
        app.last_resort.cancel()
    if app.starting is not None and not said:
        from tui.farewell import await_start

        said = await_start(app.starting)
    with suppress(OSError):  # the terminal may be gone
        # A run's name and a message may hold what a file or a log held.
        print(*map(inert, said), sep="\n", end="\n" if said else "", flush=True)
    return app.return_code or EXIT_DONE


def _install_stack() -> int:
    """The demo trains: what that needs and is not here yet is installed before its screens open."""
    from engine.cli.demo import missing_stack

    missing = missing_stack()
    if not missing:
        return EXIT_DONE
    from engine.cli.main import main as command_line

    print(f"The training stack is not installed yet: {', '.join(missing)}.")
    return command_line(["setup"])


def _without_screens(words: Sequence[str]) -> int:
    """The same words on the command line; where there are none, what is there and what can be."""
    from engine.cli.main import main as command_line

    flags_only = all(word.startswith("-") for word in words)
    if words and not (flags_only and {"--plain"} & set(words)):
        return command_line(words)
    command_line(["--help"])
    print()
    return command_line(["runs", "list"])


if __name__ == "__main__":
    sys.exit(main())
