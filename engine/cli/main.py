"""Parses the command line and calls the one command it names."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, Protocol

from engine import __version__
from engine.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NO, EXIT_USAGE, TailfinError

# name -> (module, one line of help); a command's module has configure(parser) and run(args) -> int
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("engine.cli.doctor", "check this box: GPU, driver, torch, memory, disk, hub"),
    "setup": ("engine.cli.setup", "install the training stack, reusing a torch that works"),
    "budget": ("engine.cli.budget", "estimate memory for a run, per component and phase"),
    "data": ("engine.cli.data", "report on a data file, or convert it"),
    "train": ("engine.cli.train", "train from a spec file, or from --model and --data"),
    "runs": ("engine.cli.runs", "list, show, locate or remove runs"),
    "attach": ("engine.cli.attach", "follow a run; its whole history first"),
    "act": ("engine.cli.act", "ask a live run to do something: save, stop"),
    "stop": ("engine.cli.stop", "checkpoint a run and stop it"),
    "resume": ("engine.cli.resume", "continue a run from its last whole checkpoint"),
    "why": ("engine.cli.why", "say why a run ended, and what to do"),
    "export": ("engine.cli.export", "export a run as adapter or merged weights"),
    "eval": ("engine.cli.eval", "held-out loss of base and tuned, answers side by side"),
    "chat": ("engine.cli.chat", "talk to the base or the tuned model"),
    "profiles": ("engine.cli.profiles", "list or show the starting points"),
    "price": ("engine.cli.price", "what an hour of this box costs, for forecasts and bills"),
    "demo": ("engine.cli.demo", "run every stage on the embedded model and data"),
    "replay": ("engine.cli.replay", "play a recorded run"),
}


class _Parser(argparse.ArgumentParser):
    """A parser whose faults are answered like all others, as JSON where that was asked for."""

    def error(self, message: str) -> NoReturn:
        raise TailfinError(f"{message[:1].upper()}{message[1:]}.", f"See: {self.prog} --help")


class _Command(Protocol):
    def configure(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 no, 2 wrong usage, 3 out of memory, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        return _print_overview()
    if words[0] in ("-V", "--version"):
        print(f"tailfin {__version__}")
        return 0
    name, rest = words[0], words[1:]
    if name not in COMMANDS:
        unknown = TailfinError(f"There is no command '{name}'.", "List them with: tailfin --help")
        _report("tailfin", unknown, as_json="--json" in rest)
        return EXIT_USAGE
    module_name, summary = COMMANDS[name]
    command: _Command = importlib.import_module(module_name)
    parser = _Parser(prog=f"tailfin {name}", description=summary)
    parser.add_argument("--json", action="store_true", help="answer as one JSON object on stdout")
    command.configure(parser)
    as_json = "--json" in rest
    try:
        args = parser.parse_args(rest)
        code = command.run(args)
        sys.stdout.flush()
        return code
    except TailfinError as error:
        _report(name, error, as_json=as_json)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader left (tailfin doctor | head): nothing more to say, and no traceback for it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_DONE
    except OSError as error:
        where = str(error.filename or "")
        said = f"{where or 'A file'} could not be used: {error.strerror or error}."
        hint = "Check that it exists, its permissions and the room on its disk."
        _drop_unsaid()
        _report(name, TailfinError(said, hint, where=where), as_json=as_json)
        return EXIT_NO


def _drop_unsaid() -> None:
    """What a full disk did not take would be tried again at the very end, which tells it twice."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(name: str, error: TailfinError, *, as_json: bool) -> None:
    from engine.cli.output import error_finding, print_json

    if as_json:
        print_json(name, ok=False, data={}, findings=[error_finding(error)])
        return
    where = f" [{error.where}]" if error.where and error.where not in error.message else ""
    print(f"tailfin: {error.message}{where}", file=sys.stderr)
    if error.hint:
        print(f"  do: {error.hint}", file=sys.stderr)


def _print_overview() -> int:
    try:
        print(_overview(), flush=True)
    except BrokenPipeError:  # tailfin --help | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_DONE


def _overview() -> str:
    lines = [
        f"tailfin {__version__}: from a data file to a fine-tuned, checked, exported model",
        "",
        "usage: tailfin                        on a terminal: your runs, and a wizard for new ones",
        "       tailfin COMMAND [options]      (tailfin COMMAND --help tells more)",
        "on a terminal attach, replay and demo open screens too; flags of all screens:",
        "       --plain --ascii --no-mouse --light --slow-link",
        "",
    ]
    lines += [f"  {name:<9} {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(lines)
