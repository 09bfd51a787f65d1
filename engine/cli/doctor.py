"""`tailfin doctor`: every check of this box in under a second, before torch is installed too."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from engine.cli.output import print_findings, print_json
from engine.doctor.box import gather
from engine.doctor.checks import Group, all_findings, examine, verdict
from engine.doctor.host import this_host
from engine.doctor.recorded import read_recorded
from engine.errors import EXIT_DONE, EXIT_NO
from engine.findings import any_fail


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plain", action="store_true", help="plain text, on a terminal too")
    parser.add_argument("--box", metavar="FOLDER", help="judge a recorded box instead of this one")


def run(args: argparse.Namespace) -> int:
    host = read_recorded(Path(args.box)) if args.box else this_host()
    box = gather(host)
    groups = examine(box)
    findings = all_findings(groups)
    sentence = verdict(box, groups)
    ok = not any_fail(findings)
    if args.json:
        print_json(
            "doctor", ok=ok, data={"verdict": sentence, **_facts(asdict(box))}, findings=findings
        )
    else:
        _print(groups, sentence)
    return EXIT_DONE if ok else EXIT_NO


def _print(groups: list[Group], sentence: str) -> None:
    for group in groups:
        print(group.name)
        print_findings(group.findings)
        print()
    print(sentence)


def _facts(box: dict[str, dict[str, object]]) -> dict[str, object]:
    """The facts as JSON holds them: paths as text."""
    torch = box["stack"].get("torch")
    if isinstance(torch, dict):
        torch["folder"] = str(torch["folder"])
    return dict(box)
