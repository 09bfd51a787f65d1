"""The shape of an act: rows in, and what became of each of them out."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from engine.data.rows import Message, Row
from engine.data.text import inert, shown
from engine.errors import TailfinError


class Options(BaseModel):
    """Options of an act; lists may be given as one text with commas, as on a command line."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {
            name: [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str) and _is_list(cls, name)
            else value
            for name, value in given.items()
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an act made of one row.

    `after` is None where the row was dropped and `before` itself where nothing changed; `reason`
    says why it was dropped, or why it was left although the act was meant for it.
    """

    before: Row
    after: Row | None
    reason: str = ""

    @property
    def is_changed(self) -> bool:
        return self.after is not None and self.after is not self.before


Apply = Callable[[Iterable[Row], Any], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Act:
    """An act: one Outcome per row it is given, in the same order.

    `apply(rows, options)` reads nothing but its arguments; `about` is one sentence for people.
    """

    name: str
    about: str
    options: type[Options]
    apply: Apply


@dataclass(frozen=True, slots=True)
class Planned:
    """An act with its options, checked."""

    act: Act
    options: Options

    def as_table(self) -> dict[str, object]:
        """As it stands in a recipe: the name, and the options that are not the default."""
        given = self.options.model_dump(mode="json", exclude_defaults=True)
        return {"name": self.act.name, **given}


def plan(acts: Mapping[str, Act], given: Mapping[str, object], where: str) -> Planned:
    """An act by its `name`, the other entries its options; raises TailfinError."""
    name = given.get("name")
    act = acts.get(name) if isinstance(name, str) else None
    if act is None:
        raise TailfinError(
            f"There is no act {shown(str(name))}.", f"Use one of: {', '.join(acts)}.", where=where
        )
    try:
        options = act.options.model_validate({k: v for k, v in given.items() if k != "name"})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ").rstrip(".")
        said = inert(f"{field}: {said}" if field else said)
        known = ", ".join(act.options.model_fields) or "none"
        raise TailfinError(
            f"The act {name} was given wrong options: {said}.",
            f"Its options: {known}.",
            where=where,
        ) from None
    return Planned(act, options)


def parse_act(acts: Mapping[str, Act], text: str) -> Planned:
    """An act as a command line gives it: `drop:checks=data.refusals,data.secrets`.

    Options stand after colons, lists with commas; raises TailfinError.
    """
    name, *pairs = text.split(":")
    given: dict[str, object] = {"name": name.strip()}
    for pair in pairs:
        key, is_pair, value = pair.partition("=")
        if not is_pair:
            raise TailfinError(
                f"The option {shown(pair)} of --act {shown(text)} has no value.",
                "Write it as NAME:OPTION=VALUE, several values with commas between them.",
                where="--act",
            )
        given[key.strip().replace("-", "_")] = value.strip()
    return plan(acts, given, "--act")


def with_texts(row: Row, change: Callable[[Message], str]) -> Row:
    """The row with the content of every turn changed; the row itself where all stay as they are."""
    messages = tuple(_with_text(message, change(message)) for message in row.messages)
    rejected = tuple(_with_text(message, change(message)) for message in row.rejected)
    if messages == row.messages and rejected == row.rejected:
        return row
    return replace(row, messages=messages, rejected=rejected)


def emptied(before: Row, after: Row) -> str:
    """Why a changed row can no longer be used, empty where it can: a turn lost all its text."""
    pairs = zip(
        (*before.messages, *before.rejected), (*after.messages, *after.rejected), strict=True
    )
    for was, now in pairs:
        if was.content.strip() and not now.content.strip() and not now.tool_calls:
            return f"nothing was left of a turn of role {was.role}"
    return ""


def _with_text(message: Message, content: str) -> Message:
    return message if content == message.content else replace(message, content=content)


def _is_list(model: type[BaseModel], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and typing.get_origin(field.annotation) is tuple
