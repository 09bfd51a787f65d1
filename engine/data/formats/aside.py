"""Files written aside and renamed, so that none is ever half there under its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError


@contextmanager
def written_aside(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Drafts to write in place of `paths`; all are renamed at the end, none after an error.

    Raises TailfinError where the disk refuses.
    """
    drafts = [path.with_name(f".{path.name}.{os.getpid()}.partial") for path in paths]
    try:
        yield drafts
        for draft, path in zip(drafts, paths, strict=True):
            os.replace(draft, path)
    except OSError as error:
        raise TailfinError(
            f"{paths[0]} could not be written: {error.strerror or error}.",
            "Name a file in a folder that exists, is writable and has room.",
            where=paths[0],
            exit_code=EXIT_NO,
        ) from None
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def refuse_existing(path: Path, *, force: bool) -> None:
    """Raise where a file of that name exists and may not be replaced."""
    if path.exists() and not force:
        raise TailfinError(
            f"{path} exists already.", "Name another file, or add --force.", where=path
        )


def refuse_source(path: Path, sources: Sequence[str]) -> None:
    """Raise where the file to write is one that is read, whatever its name."""
    for source in sources:
        if path.exists() and os.path.exists(source) and os.path.samefile(path, source):
            raise TailfinError(
                f"{path} is the source itself, which is never changed.",
                "Name another file with --out.",
                where=path,
            )
