"""`tailfin doctor`: every check of this box in under a second, before torch is installed too."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

from engine.cli.doctor_text import print_for_person, print_plain
from engine.cli.output import note, print_json
from engine.doctor.box import gather
from engine.doctor.checks import all_findings, examine, verdict
from engine.doctor.facts import Box
from engine.doctor.host import Host, this_host
from engine.errors import EXIT_DONE, EXIT_NO, TailfinError
from engine.findings import Finding, any_fail

_MODEL = re.compile(r"[\w.-]+/[\w.-]+")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="also try everything out; minutes")
    parser.add_argument(
        "--plain", action="store_true", help="for a ticket: secrets, names and addresses removed"
    )
    parser.add_argument(
        "--model", default="", metavar="ORG/NAME", help="may this model be fetched, and has it room"
    )
    parser.add_argument("--box", metavar="FOLDER", help="judge a recorded box instead of this one")
    parser.add_argument("--record", metavar="FOLDER", help="also write this box into a folder")


def run(args: argparse.Namespace) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a name gets escapes
            stream.reconfigure(errors="backslashreplace")
    host = _host(args)
    box = _look(host, args)
    groups = examine(box, {"disk": _room_for_model(args, box)})
    findings = all_findings(groups)
    sentence = verdict(box, groups)
    ok = not any_fail(findings)
    if args.json:
        facts = _facts(box)
        grouped = [{"name": group.name, "ids": [f.id for f in group.findings]} for group in groups]
        data = {"verdict": sentence, "groups": grouped, **facts}
        print_json("doctor", ok=ok, data=data, findings=findings)
    elif args.plain:
        print_plain(host, box, groups, sentence)
    else:
        print_for_person(groups, sentence)
    return EXIT_DONE if ok else EXIT_NO


def _host(args: argparse.Namespace) -> Host:
    if args.box and args.record:
        raise TailfinError("A recorded box cannot be recorded again.", "Copy its folder instead.")
    if args.model and not _MODEL.fullmatch(args.model) and not Path(args.model).exists():
        raise TailfinError(
            f"{args.model!r} is neither a model of the hub nor a folder.",
            "Name it as its page does, for example: --model Qwen/Qwen3-0.6B",
        )
    if args.box:
        from engine.doctor.recorded import read_recorded

        host = read_recorded(Path(args.box))
    else:
        host = this_host()
    return replace(host, model=args.model) if args.model else host


def _room_for_model(args: argparse.Namespace, box: Box) -> list[Finding]:
    """What the model needs on each disk; a recorded box asks no hub, a folder needs none."""
    if not args.model or (args.box and not Path(args.model).exists()):
        return []
    from engine.doctor.needs import judge_model

    return judge_model(args.model, box.storage)


def _look(host: Host, args: argparse.Namespace) -> Box:
    """Gather the facts, and write down what was seen where that was asked for."""
    if not args.record:
        return _gather(host, deep=args.deep)
    from engine.doctor.record import refuse_used, write_recorded
    from engine.doctor.recording_host import noting_files, recording

    folder = Path(args.record)
    refuse_used(folder)
    noting = recording(host)
    with noting_files(noting.notes):
        box = _gather(noting, deep=args.deep)
    files = write_recorded(noting, box, folder)
    note(f"doctor: wrote {files} files to {folder}; look them through before you pass them on")
    _compare(box, folder)
    return box


def _gather(host: Host, *, deep: bool) -> Box:
    box = gather(host)
    if deep:
        from engine.doctor.deep.run import run_deep

        box = replace(box, deep=run_deep(host, box, lambda line: note(f"doctor: {line}")))
    return box


def _compare(box: Box, folder: Path) -> None:
    """Say where the recording would be judged otherwise than the box itself."""
    from engine.doctor.recorded import read_recorded

    def told(seen: Box) -> set[tuple[str, str]]:
        return {(one.id, one.severity) for one in all_findings(examine(seen))}

    here, there = told(box), told(gather(read_recorded(folder)))
    for word, ids in (("misses", here - there), ("adds", there - here)):
        if ids:
            names = ", ".join(sorted(f"{name} ({severity})" for name, severity in ids))
            note(f"doctor: judged from the recording, the report {word}: {names}")


def _facts(box: Box) -> dict[str, object]:
    return {one.name: _plain(getattr(box, one.name)) for one in fields(box)}


def _plain(value: object) -> object:
    """The facts as JSON holds them: values as tables, paths as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
