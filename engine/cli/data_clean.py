"""`tailfin data clean FILE --act ACT ...`: drop, deduplicate, filter, mend and cut rows.

FILE is never changed: OUT is written, and OUT.recipe.toml, from which --recipe makes it again.
With --json the envelope's `data` holds file, out, recipe (both empty for --preview), num_records,
num_rows, num_left_out (rows that could not be used at all), and acts: for each name, options,
num_given, num_dropped, num_changed, num_unmended, reasons, and examples with record, line, file,
reason and diff.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.data_arguments import add_settings
from engine.cli.data_made import (
    add_made,
    bad_rows,
    finished,
    form_of,
    open_file,
    refuse_settings,
    source_file,
    write_file,
)
from engine.cli.output import print_findings, print_json
from engine.errors import EXIT_DONE, TailfinError
from engine.findings import Finding

if TYPE_CHECKING:
    from engine.data.acts.run import Told
    from engine.data.faults import Fault
    from engine.data.recipe import Recipe
    from engine.data.source import Source


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "clean", help="drop, deduplicate, filter, mend and cut rows, by a recipe"
    )
    parser.add_argument("file", help="data as for data report; it is never changed")
    parser.add_argument(
        "--act",
        dest="acts",
        action="append",
        default=[],
        metavar="NAME:OPTION=VALUE",
        help="such as drop:checks=data.refusals,data.secrets; in order; --act help lists all",
    )
    parser.add_argument("--out", help="file to write (FILE's name with .clean.jsonl)")
    parser.add_argument("--preview", action="store_true", help="show what would change")
    parser.add_argument("--undo", action="store_true", help="write OUT again without its last act")
    add_made(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    if "help" in args.acts:
        _list_acts()
        return EXIT_DONE
    from engine.data.formats.aside import refuse_existing, refuse_source
    from engine.data.recipe import recipe_file

    out = Path(args.out or _default_out(args.file))
    refuse_source(out, [args.file])
    if not args.preview and not args.undo:
        for path in (out, recipe_file(out)):
            refuse_existing(path, force=args.force)
    recipe, findings = _recipe(args, out)
    source = open_file(args.file, recipe.sources[0])
    faults: list[Fault] = []
    told, num_rows = _carry_out(source, recipe, faults, None if args.preview else out)
    findings += bad_rows(faults, source, skip=args.preview or recipe.sources[0].skip_bad_rows)
    num_usable = told[0].num_given if told else num_rows
    data = {
        "file": args.file,
        "out": "" if args.preview else str(out),
        "recipe": "" if args.preview else str(recipe_file(out)),
        "num_records": source.num_records,
        "num_rows": num_rows,
        "num_left_out": source.num_records - num_usable,
        "acts": [_as_dict(one) for one in told],
    }
    if args.json:
        print_json("data", ok=True, data=data, findings=findings)
        return EXIT_DONE
    print_findings(findings)
    for one in told:
        _show(one, examples=args.preview)
    if args.preview:
        print(f"{num_rows:,} of {source.num_records:,} rows would be left. Nothing was written.")
    else:
        print(f"Wrote {num_rows:,} of {source.num_records:,} rows to {out}, and its recipe.")
    return EXIT_DONE


def _recipe(args: argparse.Namespace, out: Path) -> tuple[Recipe, list[Finding]]:
    """What is to be done: by the acts given, after those of a recipe where one is given."""
    from engine.data.acts import ACTS
    from engine.data.acts.act import parse_act, plan
    from engine.data.recipe import Recipe, compare_sources, read_recipe, recipe_file

    refuse_settings(args)
    given = tuple(parse_act(ACTS, text).as_table() for text in args.acts)
    path = recipe_file(out) if args.undo else Path(args.recipe) if args.recipe else None
    if path is None:
        if not given:
            raise TailfinError(
                "No act was given.", "Add --act, or see them all: --act help", where="--act"
            )
        recipe = Recipe(kind="clean", sources=(source_file(args, args.file),), acts=given)
        return recipe, []
    recipe = read_recipe(path, "clean")
    for table in recipe.acts:
        plan(ACTS, table, str(path))
    findings = compare_sources(recipe, [args.file], path, force=args.force)
    if findings:
        now = source_file(args, args.file).model_dump(include={"name", "bytes", "sha256"})
        recipe = recipe.model_copy(update={"sources": (recipe.sources[0].model_copy(update=now),)})
    if not args.undo:
        return recipe.model_copy(update={"acts": (*recipe.acts, *given)}), findings
    return _undone(args, recipe, out, path), findings


def _undone(args: argparse.Namespace, recipe: Recipe, out: Path, path: Path) -> Recipe:
    from engine.data.recipe import facts_of

    if args.acts or args.recipe:
        raise TailfinError("--undo stands alone.", "Leave out --act and --recipe.", where="--undo")
    if not recipe.acts:
        raise TailfinError(f"{out} has no act left to undo.", "Delete it instead.", where=path)
    written = {output.sha256 for output in recipe.outputs}
    changed = out.exists() and facts_of(out)["sha256"] not in written
    if changed and not args.force and not args.preview:
        raise TailfinError(
            f"{out} was changed by something else since its recipe was written.",
            "Move it away to keep it, or add --force to write over it.",
            where=out,
        )
    return recipe.model_copy(update={"acts": recipe.acts[:-1]})


def _carry_out(
    source: Source, recipe: Recipe, faults: list[Fault], out: Path | None
) -> tuple[list[Told], int]:
    """Run the acts over all rows, and write what is left where `out` is given."""
    from engine.data.acts import ACTS
    from engine.data.acts.act import plan
    from engine.data.acts.run import run_acts
    from engine.data.formats.aside import written_aside
    from engine.data.recipe import recipe_file
    from engine.data.stream import rows_of

    acts = [plan(ACTS, table, "recipe") for table in recipe.acts]
    left, told = run_acts(rows_of(source, faults), acts)
    if out is None:
        return told, sum(1 for _ in left)
    with ExitStack() as stack:
        draft, recipe_draft = stack.enter_context(written_aside([out, recipe_file(out)]))
        num_rows = write_file(left, draft, out, form_of([source]))
        bad_rows(faults, source, skip=recipe.sources[0].skip_bad_rows)
        if not num_rows:
            raise TailfinError(
                "No row would be left, so nothing was written.",
                "See which act drops them: add --preview.",
                where=out,
            )
        recipe_draft.write_text(finished(recipe, [(draft, out)]), encoding="utf-8")
    return told, num_rows


def _default_out(file: str) -> str:
    path = Path(file)
    return str(path.with_name(f"{path.name.partition('.')[0] or path.name}.clean.jsonl"))


def _as_dict(told: Told) -> dict[str, object]:
    from engine.data.acts.run import diff_lines

    name, options = told.planned.act.name, told.planned.as_table()
    examples = [
        {
            "record": one.before.record,
            "line": one.before.line,
            "file": one.before.file,
            "reason": one.reason,
            "diff": diff_lines(one),
        }
        for one in told.examples
    ]
    return {
        "name": name,
        "options": {key: value for key, value in options.items() if key != "name"},
        "num_given": told.num_given,
        "num_dropped": told.num_dropped,
        "num_changed": told.num_changed,
        "num_unmended": told.num_unmended,
        "reasons": dict(told.reasons.most_common()),
        "examples": examples,
    }


def _show(told: Told, *, examples: bool) -> None:
    from engine.data.acts.run import diff_lines
    from engine.data.faults import place
    from engine.data.text import inert

    said = [f"dropped {told.num_dropped:,}", f"changed {told.num_changed:,}"]
    if told.num_unmended:
        said.append(f"could not mend {told.num_unmended:,}")
    print(f"{told.planned.act.name:<15} {', '.join(said)} of {told.num_given:,} rows")
    for reason, count in told.reasons.most_common(8):
        print(f"    {count:,} {inert(reason)}")
    if not examples:
        return
    for one in told.examples:
        where = place(one.before.file or "row", one.before.record, one.before.line)
        print(f"    {where}{', dropped: ' + inert(one.reason) if one.after is None else ''}")
        _indented(diff_lines(one))


def _indented(lines: Sequence[str]) -> None:
    for line in lines:
        print(f"      {line}")


def _list_acts() -> None:
    from engine.data.acts import ACTS

    for act in ACTS.values():
        print(f"{act.name:<15} {act.about}")
        for name, field in act.options.model_fields.items():
            print(f"    {name}{'  ' + field.description if field.description else ''}")
