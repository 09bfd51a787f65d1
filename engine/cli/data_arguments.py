"""What every `tailfin data` command is given and how it reads it: settings, file, rows."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.data.rows import DataFile
    from engine.data.source import Scanned, Source
    from engine.spec import Spec


def add_settings(parser: argparse.ArgumentParser) -> None:
    """--set and --json, which every command of `tailfin data` takes."""
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any setting, such as data.format=alpaca; may be repeated",
    )
    # The outer parser has --json too; SUPPRESS keeps what was given before the action's name.
    parser.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="answer as one object"
    )


def data_spec(
    args: argparse.Namespace,
    *,
    model: str | None = None,
    max_length: int | None = None,
    eval_path: str | None = None,
) -> Spec:
    """The settings that reading and tokenising follow, checked like those of a run."""
    from engine.settings import layer, parse_set

    # The file alone needs no model, but a spec does; nothing looks at this one.
    given: dict[str, dict[str, object]] = {"model": {"path": model or "none"}, "data": {}}
    given["data"]["path"] = args.file
    if eval_path is not None:
        given["data"]["eval_path"] = eval_path
    if max_length is not None:
        given["data"]["max_length"] = max_length
    return layer([("command line", given), ("--set", parse_set(args.sets))]).spec


def scan(spec: Spec) -> Scanned:
    from engine.data.source import scan_source

    return scan_source(spec.data.path)


def opened(spec: Spec, scanned: Scanned, *, plain_text: bool = False) -> Source:
    from engine.data.source import open_source

    data = spec.data
    return open_source(
        scanned,
        layout=data.format,
        columns=data.columns,
        system=data.system,
        plain_text=plain_text,
    )


def read(spec: Spec) -> DataFile:
    from engine.data.read import read_data

    data = spec.data
    return read_data(data.path, layout=data.format, columns=data.columns, system=data.system)
