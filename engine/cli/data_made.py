"""What the commands share that make a data file from others: reading, bad rows, writing, recipe."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EXIT_NO, TailfinError
from engine.findings import Finding, any_fail

if TYPE_CHECKING:
    from engine.data.faults import Fault
    from engine.data.formats.layouts import Form
    from engine.data.recipe import Recipe, SourceFile
    from engine.data.rows import Row
    from engine.data.source import Source


def add_made(parser: argparse.ArgumentParser) -> None:
    """--recipe, --skip-bad-rows and --force, which these commands take."""
    parser.add_argument("--recipe", metavar="R.toml", help="do what this recipe says")
    parser.add_argument("--skip-bad-rows", action="store_true", help="leave faulty rows out")
    parser.add_argument(
        "--force",
        action="store_true",
        help="replace existing files, and use a recipe on other sources than it was made for",
    )


def source_file(args: argparse.Namespace, path: str, weight: float | None = None) -> SourceFile:
    """A source with its facts, read as the settings on the command line say."""
    from engine.cli.data_arguments import data_spec
    from engine.data.recipe import SourceFile, facts_of

    data = data_spec(argparse.Namespace(file=path, sets=args.sets)).data
    try:
        facts = facts_of(path)
    except OSError as error:
        raise TailfinError(
            f"The data file {path} could not be read: {error.strerror}.",
            "Check its name and permissions.",
            where=path,
        ) from None
    return SourceFile(
        **facts,
        layout=data.format,
        columns=dict(data.columns),
        system=data.system,
        skip_bad_rows=args.skip_bad_rows,
        weight=weight,
    )


def open_file(path: str, how: SourceFile) -> Source:
    from engine.data.source import open_source

    return open_source(
        path, layout=how.layout, columns=how.columns, system=how.system, plain_text=True
    )


def refuse_settings(args: argparse.Namespace) -> None:
    """With a recipe, nothing about reading is said twice."""
    if args.recipe and (args.sets or args.skip_bad_rows):
        raise TailfinError(
            "A recipe says itself how its sources are read.",
            "Leave out --set and --skip-bad-rows, or change the recipe.",
            where=args.recipe,
        )


def form_of(sources: Sequence[Source]) -> Form:
    """Pairs stay pairs and texts stay texts; all other rows become OpenAI messages."""
    from engine.data.formats.layouts import Form, choose_form
    from engine.data.stream import rows_of

    layouts = {source.layout for source in sources}
    if layouts == {"preference"}:
        return choose_form("preference", (row for one in sources for row in rows_of(one)))
    special = layouts & {"preference", "text"}
    if special and len(layouts) > 1:
        raise TailfinError(
            f"Rows of the layouts {' and '.join(sorted(layouts))} do not go into one file.",
            "Convert the files to one layout first: tailfin data convert",
        )
    return Form("text") if special else Form("messages")


def write_file(rows: Iterable[Row], draft: Path, out: Path, form: Form) -> int:
    """Write rows; raises TailfinError, before the draft gets its name, where one has no place."""
    from engine.data.formats.written import Toll, write_rows

    toll = Toll()
    count = write_rows(rows, draft, out, form, toll)
    if toll.refused:
        finding = toll.findings(form.layout, str(out))[0]
        raise TailfinError(finding.message, "Convert the source to messages first.", where=out)
    return count


def finished(recipe: Recipe, drafts: Sequence[tuple[Path, Path]]) -> str:
    """The recipe as text, with the facts of the files (draft, name) that were written."""
    from engine.data.recipe import FileFacts, facts_of

    outputs = tuple(FileFacts(**{**facts_of(draft), "name": out.name}) for draft, out in drafts)
    return recipe.model_copy(update={"outputs": outputs}).to_toml()


def bad_rows(faults: Sequence[Fault], source: Source, *, skip: bool) -> list[Finding]:
    """What is told of rows that could not be used; raises TailfinError unless they are skipped."""
    from engine.data.faults import group_faults

    found = group_faults(sorted(faults, key=lambda fault: fault.record), source.path)
    if any_fail(found) and not skip:
        worst = next(finding for finding in found if finding.severity == "fail")
        raise TailfinError(
            f"Nothing was written: {worst.message}",
            worst.fix or "Leave such rows out with --skip-bad-rows.",
            where=worst.where,
            error_id=worst.id,
            exit_code=EXIT_NO,
        )
    return [*found, *source.notes]
