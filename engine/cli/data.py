"""`tailfin data ACTION FILE`: dispatches to one module per action.

An action NAME lives in engine/cli/data_NAME.py and has two functions:
  configure(subparsers) adds its parser with `subparsers.add_parser("NAME", help=...)`, its
    arguments, and --set and --json by engine.cli.data_arguments.add_settings
  run(args) does it and returns the exit code; args.action is NAME
Its name stands in _ACTIONS, and it imports what is heavy inside functions. With --json it prints
one envelope by engine.cli.output.print_json("data", ...); its docstring lists the fields.
Exit code 1 when a finding fails, 2 when the file cannot be used at all.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any, Protocol

_ACTIONS = (
    "report",
    "convert",
    "clean",
    "split",
    "mix",
    "salvage",
    "judge",
    "mask",
)


class _Action(Protocol):
    def configure(self, subparsers: argparse._SubParsersAction[Any]) -> None: ...
    def run(self, args: argparse.Namespace) -> int: ...


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name in _ACTIONS:
        _module(name).configure(actions)


def run(args: argparse.Namespace) -> int:
    return _module(args.action).run(args)


def _module(name: str) -> _Action:
    module: _Action = importlib.import_module(f"engine.cli.data_{name}")
    return module
