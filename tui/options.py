"""What the words after `tailfin` ask of the screens, and whether screens can be shown at all."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from engine.errors import TailfinError
from engine.runs.store import RunFolder

Place = Literal["home", "attach", "replay", "demo"]
# Words that open a screen where there is a terminal; each has a plain twin in engine.cli.
WORDS: tuple[Place, ...] = ("attach", "replay", "demo")


@dataclass(frozen=True, slots=True)
class Options:
    """How the screens look and behave; the same flags after every word that opens them."""

    runs: str | None = None
    ascii_only: bool = False
    mouse: bool = True
    theme: str = "dark"
    slow_link: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """Where the app begins: home, a run to follow, a recorded one to replay, or the demo."""

    place: Place = "home"
    run: RunFolder | None = None
    speed: float = 20.0


def parse(words: Sequence[str], env: Mapping[str, str]) -> tuple[Opening, Options] | None:
    """What to open and how; None where these words are for the command line.

    Raises TailfinError for flags that make no sense and runs that are not there. TAILFIN_UI may
    hold the same flags (`TAILFIN_UI="--ascii --no-mouse"`), so that they need not be typed.
    """
    place: Place = "home"
    rest = list(words)
    if rest and rest[0] in WORDS:
        place, rest = rest[0], rest[1:]
    elif rest and (not rest[0].startswith("-") or rest[0] in ("-V", "--version")):
        return None
    if {"--json", "-h", "--help"} & set(rest):
        return None
    args = _parser(place).parse_args([*env.get("TAILFIN_UI", "").split(), *rest])
    options = Options(
        runs=args.runs,
        ascii_only=args.ascii or _garbles(env),
        mouse=not (args.no_mouse or args.slow_link),
        theme="light" if args.light else "dark",
        slow_link=args.slow_link,
        plain=args.plain,
    )
    if options.plain or place not in ("attach", "replay"):
        return Opening(place), options
    return Opening(place, _run(args.run, options), getattr(args, "speed", 0.0)), options


def has_terminal(env: Mapping[str, str]) -> bool:
    """Whether screens can be drawn: a real terminal at all ends (textual draws on stderr)."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)) and env.get(
        "TERM", ""
    ) not in ("", "dumb", "unknown")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise TailfinError(
            f"{message[:1].upper()}{message[1:]}.",
            f"See: {self.prog} --help; flags of the screens: --runs DIR, --plain, --ascii, "
            "--no-mouse, --light, --slow-link",
        )


def _parser(place: Place) -> argparse.ArgumentParser:
    """The command's own parser, so that a word means the same with and without a screen."""
    if place != "home":
        parser = _Parser(prog=f"tailfin {place}", add_help=False)
        importlib.import_module(f"engine.cli.{place}").configure(parser)
        return parser
    from engine.cli.screen_arguments import add_screen_arguments
    from engine.cli.spec_arguments import add_runs_argument

    parser = _Parser(prog="tailfin", add_help=False)
    add_runs_argument(parser)
    add_screen_arguments(parser)
    return parser


def _run(wanted: str, options: Options) -> RunFolder:
    from engine.bundled import bundled
    from engine.runs.store import find_run

    if wanted == "sample":
        return RunFolder(bundled("samples") / "run")
    return find_run(wanted, options.runs)


def _garbles(env: Mapping[str, str]) -> bool:
    """Whether what is not ASCII would not arrive: another charset, or tmux without UTF-8.

    Outside tmux a locale that says nothing is taken for UTF-8: container images lack locales, the
    terminals that look at them do not.
    """
    locale = env.get("LC_ALL") or env.get("LC_CTYPE") or env.get("LANG") or ""
    charset = locale.partition(".")[2].lower()
    if charset:
        return not charset.startswith(("utf-8", "utf8"))
    return bool(env.get("TMUX"))
