"""`tailfin data split FILE`: rows to train on and rows to evaluate on, in files of their own.

Rows that nearly repeat each other or ask the same stay on one side, so that no held-out question
was seen in training. With --json the envelope's `data` holds file, train, eval, recipe, num_train,
num_eval, num_groups (of more than one row), num_grouped (the rows in these), eval_share (as it
came out), and strata: for each kind its name, num_rows and num_eval.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
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
    from engine.data.faults import Fault
    from engine.data.held_out import HeldOut
    from engine.data.recipe import Recipe
    from engine.data.rows import Row
    from engine.data.source import Source

_BY = ("group", "question", "random")


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("split", help="hold rows out to evaluate on, copies together")
    parser.add_argument("file", help="data as for data report; it is never changed")
    parser.add_argument("--eval-share", type=float, metavar="SHARE", help="to hold out (0.1)")
    parser.add_argument(
        "--by", choices=_BY, help="what stays on one side: group (near copies), question, random"
    )
    parser.add_argument(
        "--stratify", metavar="KIND", help="keep the shares of a FIELD's values, length or script"
    )
    parser.add_argument("--seed", type=int, help="of the choice (0)")
    parser.add_argument("--train-out", metavar="OUT", help="file (FILE's name with .train.jsonl)")
    parser.add_argument("--eval-out", metavar="OUT", help="file (FILE's name with .eval.jsonl)")
    add_made(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from engine.data.formats.aside import refuse_existing, refuse_source

    base = Path(args.file).name.partition(".")[0] or Path(args.file).name
    train = Path(args.train_out or Path(args.file).with_name(f"{base}.train.jsonl"))
    held = Path(args.eval_out or Path(args.file).with_name(f"{base}.eval.jsonl"))
    listed = Path(args.file).with_name(f"{base}.split.recipe.toml")
    if train == held:
        raise TailfinError("Both parts have one name.", "Name two files.", where=train)
    for path in (train, held, listed):
        refuse_source(path, [args.file])
        refuse_existing(path, force=args.force)
    recipe, findings = _recipe(args)
    source = open_file(args.file, recipe.sources[0])
    faults: list[Fault] = []
    chosen, strata = _chosen(source, recipe, faults)
    findings += bad_rows(faults, source, skip=recipe.sources[0].skip_bad_rows)
    num_eval = int(chosen.is_held.sum())
    if not num_eval:
        raise TailfinError(
            f"No row of {args.file} can be held out: all of them belong together.",
            "Add rows, or split them with --by random.",
            where=args.file,
        )
    _write(source, chosen, recipe, train, held, listed)
    counts = Counter(strata)
    held_counts = Counter(
        kind for kind, is_held in zip(strata, chosen.is_held, strict=True) if is_held
    )
    data: dict[str, Any] = {
        "file": args.file,
        "train": str(train),
        "eval": str(held),
        "recipe": str(listed),
        "num_train": len(strata) - num_eval,
        "num_eval": num_eval,
        "num_groups": chosen.num_groups,
        "num_grouped": chosen.num_grouped,
        "eval_share": num_eval / len(strata),
        "strata": [
            {"name": name, "num_rows": num, "num_eval": held_counts[name]}
            for name, num in counts.most_common()
        ],
    }
    if args.json:
        print_json("data", ok=True, data=data, findings=findings)
        return EXIT_DONE
    print_findings(findings)
    _show(data, stratified=bool(recipe.options["stratify"]))
    return EXIT_DONE


def _recipe(args: argparse.Namespace) -> tuple[Recipe, list[Finding]]:
    from engine.data.recipe import Recipe, compare_sources, read_recipe

    refuse_settings(args)
    given = {
        "eval_share": args.eval_share,
        "by": args.by,
        "stratify": args.stratify,
        "seed": args.seed,
    }
    if args.recipe:
        if any(value is not None for value in given.values()):
            raise TailfinError(
                "A recipe says itself how to split.",
                "Leave out --eval-share, --by, --stratify and --seed, or change the recipe.",
                where=args.recipe,
            )
        recipe = read_recipe(Path(args.recipe), "split")
        findings = compare_sources(recipe, [args.file], Path(args.recipe), force=args.force)
        if findings:
            now = source_file(args, args.file).model_dump(include={"name", "bytes", "sha256"})
            first = recipe.sources[0].model_copy(update=now)
            recipe = recipe.model_copy(update={"sources": (first,)})
        return recipe.model_copy(
            update={"options": _checked(recipe.options, args.recipe)}
        ), findings
    options = _checked({k: v for k, v in given.items() if v is not None}, "--eval-share")
    return Recipe(kind="split", sources=(source_file(args, args.file),), options=options), []


def _checked(given: dict[str, Any], where: str) -> dict[str, int | float | str]:
    """All options with their defaults; raises TailfinError."""
    options = {"eval_share": 0.1, "by": "group", "stratify": "", "seed": 0, **given}
    share, seed = options["eval_share"], options["seed"]
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise TailfinError(
            f"The share to hold out is {share}, not between 0 and 1.", "Try 0.1.", where=where
        )
    if not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise TailfinError(f"The seed is {seed}.", "Give a number from 0 on.", where="--seed")
    if options["by"] not in _BY:
        raise TailfinError(f"by is {options['by']}.", f"Use one of: {', '.join(_BY)}.", where=where)
    return options


def _chosen(source: Source, recipe: Recipe, faults: list[Fault]) -> tuple[HeldOut, list[str]]:
    """Which rows are held out, and the kind of each row."""
    from engine.data.held_out import hold_out
    from engine.data.quality.checks.language import script_of
    from engine.data.quality.compared import compare_rows
    from engine.data.strata import field_strata, length_strata
    from engine.data.stream import rows_of

    kind = str(recipe.options["stratify"])
    records: list[int] = []
    lengths: list[int] = []
    strata: list[str] = []

    def noted() -> Iterator[Row]:
        for row in rows_of(source, faults):
            records.append(row.record)
            lengths.append(len(row.user_text) + len(row.answer_text))
            strata.append(script_of(row.answer_text) if kind == "script" else "")
            yield row

    arrays = compare_rows(noted(), system=False)
    if kind == "length":
        strata = length_strata(lengths)
    elif kind not in ("", "script"):
        strata = field_strata(source, kind, records)
    options: dict[str, Any] = dict(recipe.options)
    share, by, seed = options["eval_share"], options["by"], options["seed"]
    return hold_out(arrays, strata, share=share, by=by, seed=seed), strata


def _write(
    source: Source, chosen: HeldOut, recipe: Recipe, train: Path, held: Path, listed: Path
) -> None:
    from engine.data.formats.aside import written_aside
    from engine.data.stream import rows_of

    form = form_of([source])
    with written_aside([train, held, listed]) as drafts:
        for draft, out, side in zip(drafts, (train, held), (False, True), strict=False):
            pairs = zip(rows_of(source), chosen.is_held.tolist(), strict=True)
            write_file((row for row, is_held in pairs if is_held is side), draft, out, form)
        made = list(zip(drafts, (train, held), strict=False))
        drafts[2].write_text(finished(recipe, made), encoding="utf-8")


def _show(data: dict[str, Any], *, stratified: bool) -> None:
    from engine.data.text import counted, inert

    print(f"Wrote {counted(data['num_train'], 'row')} to {data['train']}.")
    print(f"Wrote {counted(data['num_eval'], 'row')} ({data['eval_share']:.1%}) to {data['eval']}.")
    if data["num_groups"]:
        print(
            f"{counted(data['num_grouped'], 'row')} in {counted(data['num_groups'], 'group')} of "
            "alike rows stayed together."
        )
    if stratified:
        for kind in data["strata"][:12]:
            name = inert(kind["name"]) or "(none)"
            print(f"  {name:<20} {kind['num_eval']:,} of {counted(kind['num_rows'], 'row')}")
    print(f"The recipe is {data['recipe']}.")
