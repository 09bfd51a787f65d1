"""A recipe: from which files, by what, a data file was made, so that it can be made again.

It stands beside the file as OUT.recipe.toml. The sources are named with size and SHA-256.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.data.read import data_files
from engine.data.text import inert
from engine.errors import TailfinError
from engine.findings import Finding

SCHEMA = "tailfin.recipe/1"
Kind = Literal["clean", "split", "mix"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FileFacts(_Part):
    """A file by its name without folder, size in bytes and SHA-256; a folder by all its files."""

    name: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class SourceFile(FileFacts):
    """A file that was read, and how; `weight` is its share of a mixture."""

    layout: str = "auto"
    columns: dict[str, str] = {}
    system: str = ""
    skip_bad_rows: bool = False
    weight: float | None = None


class Recipe(_Part):
    """What a file was made from and by. `acts` are those of `clean`, in order, each with its name
    and options; `options` those of `split` and `mix`; `outputs` the files as they were written.
    """

    schema_: Literal["tailfin.recipe/1"] = Field("tailfin.recipe/1", alias="schema")
    kind: Kind
    options: dict[str, int | float | str] = {}
    sources: tuple[SourceFile, ...] = Field(alias="source", min_length=1)
    acts: tuple[dict[str, Any], ...] = Field((), alias="act")
    outputs: tuple[FileFacts, ...] = Field((), alias="output")

    def to_toml(self) -> str:
        import tomli_w

        table = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        kept = {name: value for name, value in table.items() if value not in ({}, [])}
        return tomli_w.dumps(kept)


def recipe_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.recipe.toml")


def read_recipe(path: Path, kind: Kind) -> Recipe:
    """Read a recipe of one kind; raises TailfinError with the field that is wrong."""
    try:
        recipe = Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise TailfinError(
            f"The recipe {path} could not be read: {error.strerror}.", "Check its name.", where=path
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TailfinError(
            f"The recipe {path} is no TOML: {inert(str(error))}.", "Repair this place.", where=path
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise TailfinError(
            f"The recipe {path} is wrong at {inert(field)}: {inert(first['msg'])}.",
            f"Repair this field; the schema is {SCHEMA}.",
            where=path,
        ) from None
    if recipe.kind != kind:
        raise TailfinError(
            f"The recipe {path} is one of data {recipe.kind}, not of data {kind}.",
            f"Use: tailfin data {recipe.kind}",
            where=path,
        )
    return recipe


def facts_of(path: str | Path) -> dict[str, Any]:
    """Name, size and SHA-256 of a file, or of the data files of a folder in order."""
    path = Path(path)
    if not path.is_dir():
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest}
    parts = [facts_of(name) for name in data_files(str(path))]
    joined = "".join(f"{part['name']}\0{part['sha256']}\n" for part in parts)
    return {
        "name": path.resolve().name,
        "bytes": sum(part["bytes"] for part in parts),
        "sha256": hashlib.sha256(joined.encode("utf-8", "surrogateescape")).hexdigest(),
    }


def compare_sources(
    recipe: Recipe, paths: Sequence[str], recipe_path: Path, *, force: bool
) -> list[Finding]:
    """Raise where the files are not those of the recipe; with `force` that is only told."""
    if len(paths) != len(recipe.sources):
        raise TailfinError(
            f"The recipe {recipe_path} is made of {len(recipe.sources)} files, not {len(paths)}.",
            f"Name them in order: {', '.join(inert(one.name) for one in recipe.sources)}.",
            where=recipe_path,
        )
    told = []
    for path, known in zip(paths, recipe.sources, strict=True):
        now = facts_of(path)
        if now["sha256"] == known.sha256:
            continue
        said = (
            f"{path} is not the file that the recipe {recipe_path} was made for: it has "
            f"{now['bytes']:,} bytes, {inert(known.name)} had {known.bytes:,}"
            f"{', and other content' if now['bytes'] == known.bytes else ''}."
        )
        if not force:
            raise TailfinError(
                said,
                "Give the file of the recipe, or add --force to use it on this one.",
                where=path,
                error_id="data.recipe-source",
            )
        told.append(Finding("data.recipe-source", "warn", said, "", path))
    return told
