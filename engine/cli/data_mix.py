"""`tailfin data mix A=0.7 B=0.3 --out OUT`: rows of several files, by weight.

Every row of a file is taken once before one is taken again. With --json the envelope's `data` holds
out, recipe, num_rows, and sources: for each file, weight (its share), num_rows (in the mixture),
num_usable (in the file) and num_repeated.
"""

from __future__ import annotations

import argparse
import math
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
    from engine.data.mixture import Mixture
    from engine.data.recipe import Recipe
    from engine.data.rows import Row
    from engine.data.source import Source


def configure(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("mix", help="mix rows of several files by weight")
    parser.add_argument(
        "files", nargs="+", metavar="FILE=WEIGHT", help="files with weights (1 where none is given)"
    )
    parser.add_argument("--out", required=True, help="file to write")
    parser.add_argument("--rows", type=int, metavar="N", help="in all (as many as without repeats)")
    parser.add_argument("--seed", type=int, help="of the draw and the order (0)")
    add_made(parser)
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from engine.data.formats.aside import refuse_existing, refuse_source
    from engine.data.recipe import recipe_file

    out = Path(args.out)
    paths, recipe, findings = _recipe(args)
    for path in (out, recipe_file(out)):
        refuse_source(path, paths)
        refuse_existing(path, force=args.force)
    sources = [open_file(path, how) for path, how in zip(paths, recipe.sources, strict=True)]
    rows = []
    for source, how in zip(sources, recipe.sources, strict=True):
        usable, told = _read(source, skip=how.skip_bad_rows)
        rows.append(usable)
        findings += told
    recipe, mixture = _mixed(recipe, rows)
    findings += _repeats(paths, mixture)
    _write(out, recipe, sources, rows, mixture)
    weights = [how.weight or 0.0 for how in recipe.sources]
    data: dict[str, Any] = {
        "out": str(out),
        "recipe": str(recipe_file(out)),
        "num_rows": len(mixture.order),
        "sources": [
            {
                "file": path,
                "weight": weight / sum(weights),
                "num_rows": mixture.counts[number],
                "num_usable": len(rows[number]),
                "num_repeated": mixture.num_repeated[number],
            }
            for number, (path, weight) in enumerate(zip(paths, weights, strict=True))
        ],
    }
    if args.json:
        print_json("data", ok=True, data=data, findings=findings)
        return EXIT_DONE
    print_findings(findings)
    for one in data["sources"]:
        print(f"{one['num_rows']:>10,} rows ({one['weight']:.1%}) from {one['file']}")
    print(f"Wrote {len(mixture.order):,} rows to {out}, and its recipe.")
    return EXIT_DONE


def _recipe(args: argparse.Namespace) -> tuple[list[str], Recipe, list[Finding]]:
    from engine.data.recipe import Recipe, compare_sources, read_recipe

    refuse_settings(args)
    if args.recipe:
        if args.rows is not None or args.seed is not None:
            raise TailfinError(
                "A recipe says itself how to mix.",
                "Leave out --rows and --seed, or change the recipe.",
                where=args.recipe,
            )
        recipe = read_recipe(Path(args.recipe), "mix")
        for how in recipe.sources:
            _weight(how.weight, args.recipe)
        findings = compare_sources(recipe, args.files, Path(args.recipe), force=args.force)
        if findings:
            kept = {"name", "bytes", "sha256"}
            now = [source_file(args, path).model_dump(include=kept) for path in args.files]
            pairs = zip(recipe.sources, now, strict=True)
            updated = tuple(how.model_copy(update=facts) for how, facts in pairs)
            recipe = recipe.model_copy(update={"sources": updated})
        return list(args.files), recipe, findings
    named = [_named(word) for word in args.files]
    options: dict[str, int | float | str] = {"seed": args.seed or 0}
    if args.rows is not None:
        options["rows"] = args.rows
    sources = tuple(source_file(args, path, weight) for path, weight in named)
    return [path for path, _ in named], Recipe(kind="mix", sources=sources, options=options), []


def _named(word: str) -> tuple[str, float]:
    """A file and its weight; a name that itself has an equals sign needs a weight behind it."""
    path, is_weighted, weight = word.rpartition("=")
    if not is_weighted:
        return word, 1.0
    try:
        return path, _weight(float(weight), word)
    except ValueError:
        raise TailfinError(
            f"The weight of {word} is no number.",
            "Write FILE=WEIGHT, such as a.jsonl=0.7.",
            where=word,
        ) from None


def _weight(weight: float | None, where: str) -> float:
    if weight is None or not math.isfinite(weight) or weight <= 0:
        raise TailfinError(
            f"A weight in {where} is {weight}.", "Give a number above 0.", where=where
        )
    return weight


def _read(source: Source, *, skip: bool) -> tuple[list[Row], list[Finding]]:
    from engine.data.stream import rows_of

    faults: list[Fault] = []
    rows = list(rows_of(source, faults))
    told = bad_rows(faults, source, skip=skip)
    if not rows:
        raise TailfinError(
            f"{source.path} has no row that can be used.", "Leave it out.", where=source.path
        )
    return rows, told


def _mixed(recipe: Recipe, rows: list[list[Row]]) -> tuple[Recipe, Mixture]:
    """The mixture, and the recipe with the number of rows that it came to."""
    from engine.data.mixture import mix, most_without_repeats

    sizes = [len(usable) for usable in rows]
    weights = [how.weight or 0.0 for how in recipe.sources]
    wanted = recipe.options.get("rows", most_without_repeats(sizes, weights))
    seed = recipe.options.get("seed", 0)
    if not isinstance(wanted, int) or wanted < 1:
        raise TailfinError(f"{wanted} rows were asked for.", "Give 1 or more.", where="--rows")
    if not isinstance(seed, int):
        raise TailfinError(f"The seed is {seed}.", "Give a whole number.", where="--seed")
    options = {**recipe.options, "rows": wanted, "seed": seed}
    return recipe.model_copy(update={"options": options}), mix(sizes, weights, wanted, seed)


def _repeats(paths: list[str], mixture: Mixture) -> list[Finding]:
    told = []
    for path, count, repeated in zip(paths, mixture.counts, mixture.num_repeated, strict=True):
        if repeated:
            message = (
                f"{repeated:,} of the {count:,} rows from {path} are repeats: the file has only "
                f"{count - repeated:,}."
            )
            fix = "Ask for fewer rows, or give the file less weight; repeats act as more epochs."
            told.append(Finding("data.mix-repeats", "warn", message, fix, path))
    return told


def _write(
    out: Path, recipe: Recipe, sources: list[Source], rows: list[list[Row]], mixture: Mixture
) -> None:
    from engine.data.formats.aside import written_aside
    from engine.data.recipe import recipe_file

    form = form_of(sources)
    with written_aside([out, recipe_file(out)]) as (draft, recipe_draft):
        drawn = (rows[number][index] for number, index in mixture.order)
        write_file(drawn, draft, out, form)
        recipe_draft.write_text(finished(recipe, [(draft, out)]), encoding="utf-8")
