"""The whole rows of a broken file, and what could not be read with the reason and its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.data.packed import packing_of, unpacked
from engine.errors import TailfinError

_DECODER = json.JSONDecoder(strict=False)
_BOM = b"\xef\xbb\xbf"
# Of what could not be read, as much as a person needs to find and mend it.
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Lost:
    """A piece that is no row: its first line (from 1), its first byte (from 0), why, and itself."""

    line: int
    byte: int
    reason: str
    text: str


def salvage(path: str) -> Iterator[dict[str, object] | Lost]:
    """Every row and every lost piece of a JSON or JSON Lines file, in order.

    Raw control characters inside strings are taken as they are. Of a damaged archive what comes
    before the damage is read. Raises TailfinError where the file cannot be opened.
    """
    data, damage = _content(path)
    data = data.removeprefix(_BOM)
    body = data.lstrip()
    if body.startswith(b"["):
        yield from _elements(data)
    else:
        yield from _lines(data)
    if damage is not None:
        yield Lost(data.count(b"\n") + 1, len(data), damage, "")


def _content(path: str) -> tuple[bytes, str | None]:
    """All bytes that can be had, and what keeps the rest from being read."""
    parts: list[bytes] = []
    try:
        with open(path, "rb") as file:
            kind = packing_of(file.read(8))
        if not kind:
            return Path(path).read_bytes(), None
        for block in unpacked(path, kind):
            parts.append(block)
    except TailfinError as error:
        return b"".join(parts), error.message
    except OSError as error:
        raise TailfinError(
            f"The data file {path} could not be read: {error.strerror}.",
            "Check its name and permissions.",
            where=path,
        ) from None
    return b"".join(parts), None


def _lines(data: bytes) -> Iterator[dict[str, object] | Lost]:
    start = 0
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if raw.strip():
            yield _row(raw, number, start)
        start += len(raw) + 1


def _row(raw: bytes, line: int, byte: int) -> dict[str, object] | Lost:
    try:
        value = json.loads(raw.decode("utf-8"), strict=False)
    except UnicodeDecodeError as error:
        reason = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        return Lost(line, byte + error.start, reason, _text(raw))
    except json.JSONDecodeError as error:
        at = byte + len(error.doc[: error.pos].encode("utf-8", "replace"))
        return Lost(line, at, error.msg, _text(raw))
    except (RecursionError, ValueError) as error:
        return Lost(line, byte, str(error) or "nested too deeply", _text(raw))
    if not isinstance(value, dict):
        return Lost(line, byte, "no object with named fields", _text(raw))
    return value


def _elements(data: bytes) -> Iterator[dict[str, object] | Lost]:
    """Elements of an array; after a broken one the next that begins with a brace is looked for."""
    text = data.decode("utf-8", "surrogateescape")
    position = text.index("[") + 1
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text) or text[position] == "]":
            return
        try:
            value, end = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            end = _next(text, position)
            yield _lost(text, position, end, reason)
        else:
            piece = text[position:end]
            if isinstance(value, dict) and _is_clean(piece):
                yield value
            else:
                why = "no object with named fields" if _is_clean(piece) else "bytes not in UTF-8"
                yield _lost(text, position, end, why)
        position = end


def _next(text: str, position: int) -> int:
    """Where the next element may begin: an object on a new line, or after a comma."""
    places = [text.find(mark, position + 1) for mark in ("\n{", "},{", "}, {", "},\n")]
    found = [place + 1 for place in places if place >= 0]
    return min(found, default=len(text))


def _lost(text: str, start: int, end: int, reason: str) -> Lost:
    before = text[:start]
    byte = len(before.encode("utf-8", "surrogateescape"))
    piece = text[start:end].encode("utf-8", "surrogateescape")
    return Lost(before.count("\n") + 1, byte, reason, _text(piece))


def _is_clean(piece: str) -> bool:
    return piece.isascii() or not any("\udc80" <= character <= "\udcff" for character in piece)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")[:_SHOWN]
