"""The words that name a spec on any command line, and the spec they add up to."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from engine.errors import TailfinError
from engine.flags import FLAGS

if TYPE_CHECKING:
    from engine.settings import Resolved

_NUMBERS = {"epochs", "max_length"}


def add_spec_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", nargs="?", help="spec file (TOML); or give --model and --data")
    parser.add_argument("--model", help="local folder or hub name of the base model")
    parser.add_argument("--data", help="file of rows: JSON, JSONL, CSV or Parquet")
    parser.add_argument("--profile", help="starting point: see tailfin profiles")
    parser.add_argument("--name", help="short name of the run")
    parser.add_argument("--method", help="lora, qlora, full or freeze")
    parser.add_argument("--epochs", help="passes over the data")
    parser.add_argument("--max-length", help="tokens per row; longer rows are cut")
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any setting, such as train.rank=16; may be repeated",
    )


def add_runs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", metavar="DIR", help="folder of runs (default: TAILFIN_RUNS)")


def resolve_spec(args: argparse.Namespace) -> Resolved:
    """The complete spec these words name, with absolute paths; raises TailfinError."""
    from engine.settings import load_spec, with_absolute_paths

    sets = [
        f"{path}={getattr(args, flag) if flag in _NUMBERS else _quoted(getattr(args, flag))}"
        for flag, path in FLAGS.items()
        if getattr(args, flag, None) is not None
    ]
    if args.spec is None and not any(s.startswith("model.path=") for s in [*sets, *args.sets]):
        raise TailfinError(
            "Neither a spec file nor a model was named.",
            "Give a spec file, or --model and --data.",
        )
    return with_absolute_paths(load_spec(args.spec, [*sets, *args.sets]), args.spec)


def _quoted(text: str) -> str:
    """A TOML string: a name such as 123 or 2024-11-23 is neither a number nor a date."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
