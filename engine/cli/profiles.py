"""`tailfin profiles [list|show NAME]`: the starting points; with --card those for one card."""

from __future__ import annotations

import argparse

from engine.cli.output import print_json
from engine.errors import TailfinError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="list", choices=["list", "show"])
    parser.add_argument("name", nargs="?", help="profile to show")
    from engine.cli import starting_points

    starting_points.add_options(parser)


def run(args: argparse.Namespace) -> int:
    from engine.cli import starting_points
    from engine.profiles import load_profile, profile_names

    if args.card or args.model_size:
        return starting_points.run(args)
    if args.what == "list":
        profiles = [load_profile(name) for name in profile_names()]
        if args.json:
            rows = [{"name": p.name, "summary": p.summary} for p in profiles]
            print_json("profiles", ok=True, data={"profiles": rows})
        else:
            for profile in profiles:
                print(f"{profile.name:<12} {profile.summary}")
        return 0
    if not args.name:
        raise TailfinError("profiles show needs a name.", "List them: tailfin profiles")
    return _show(args)


def _show(args: argparse.Namespace) -> int:
    """The complete spec a profile leads to: every setting, its value, source and help."""
    from engine.settings import flatten, layer
    from engine.spec import field_help

    needed = {"model": {"path": "MODEL"}, "data": {"path": "DATA"}}
    resolved = layer([("yours to name", needed), ("", {"profile": args.name})])
    values = dict(flatten(resolved.spec.model_dump(mode="json")))
    if args.json:
        data = {"name": args.name, "settings": values, "sources": resolved.sources}
        print_json("profiles", ok=True, data=data)
        return 0
    for path, value in values.items():
        source = resolved.sources[path]
        print(f"{path:<30} {value!s:<18} {source}")
        print(f"    {field_help(path)}")
    return 0
