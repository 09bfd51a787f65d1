"""Layers a user's choices over a profile over the defaults, and remembers where each came from."""

from __future__ import annotations

import datetime
import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

from pydantic import ValidationError

from engine.errors import TailfinError
from engine.profiles import load_profile
from engine.spec import SECTIONS, Spec, field_paths

Table = Mapping[str, object]
# One part of a TOML key, in any of its three spellings.
_KEY_PART = re.compile(r"\"[^\"]*\"|'[^']*'|[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A complete spec, and for every dotted path the layer its value came from.

    A source is `command line`, the spec file's path, `profile NAME` or `default`.
    """

    spec: Spec
    sources: dict[str, str]


def load_spec(path: str | Path | None, sets: Sequence[str] = ()) -> Resolved:
    """Read a spec file (or none), lay `--set` choices over it and a profile and defaults below.

    Raises TailfinError naming file, line and field for anything that does not parse or validate;
    all faults are reported at once.
    """
    chosen = parse_set(sets)
    filed: dict[str, object] = {}
    text = ""
    if path is not None:
        text = _read_text(Path(path))
        filed = _parse_toml(text, Path(path))
    file_name = str(path) if path is not None else ""
    return layer(
        [("command line", chosen), (file_name or "spec file", filed)], text=text, file=file_name
    )


def layer(user_layers: Sequence[tuple[str, Table]], *, text: str = "", file: str = "") -> Resolved:
    """The one precedence rule: earlier user layers win, then the profile, then the defaults."""
    name = next((str(t["profile"]) for _, t in user_layers if t.get("profile")), "")
    layers = list(user_layers)
    if name:
        layers.append((f"profile {name}", load_profile(name).settings))
    merged: dict[str, object] = {}
    sources: dict[str, str] = dict.fromkeys(field_paths(), "default")
    for source, table in reversed(layers):
        for dotted, value in flatten(table):
            _put(merged, dotted, value)
            if dotted in sources:
                sources[dotted] = source
    try:
        spec = Spec.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, text=text, file=file) from None
    return Resolved(spec=spec, sources=sources)


def parse_set(sets: Sequence[str]) -> dict[str, object]:
    """Turn `train.rank=16` words into a nested table; values are TOML, bare words are strings.

    No setting is a date: what TOML reads as a date or a time is taken as the text it is.
    """
    table: dict[str, object] = {}
    for word in sets:
        dotted, equals, raw = word.partition("=")
        dotted = dotted.strip()
        if not equals or not dotted:
            raise TailfinError(
                f"--set {word!r} is not of the form field=value.",
                "Write for example: --set train.rank=16",
                where="--set",
            )
        _put(table, dotted, _toml_value(raw.strip()))
    return table


def flatten(table: Table, prefix: str = "") -> list[tuple[str, object]]:
    """Dotted paths and values; `data.columns` stays one value."""
    flat: list[tuple[str, object]] = []
    for key, value in table.items():
        dotted = f"{prefix}{key}"
        if _is_table(value) and dotted in SECTIONS:
            flat += flatten(value, f"{dotted}.")
        else:
            flat.append((dotted, value))
    return flat


def with_absolute_paths(resolved: Resolved, spec_file: str | None) -> Resolved:
    """Paths from a spec file count from its folder, all others from the current one.

    A run works in its own folder, on another day perhaps: what it stores must not depend on here.
    """
    spec = resolved.spec

    def absolute(dotted: str, value: str) -> str:
        in_file = spec_file is not None and resolved.sources.get(dotted) == str(spec_file)
        base = Path(str(spec_file)).resolve().parent if in_file else Path.cwd()
        return str((base / Path(value).expanduser()).resolve())

    model = spec.model
    looks_local = model.path.startswith((".", "/", "~"))
    local = absolute("model.path", model.path)
    if looks_local or Path(local).exists():
        model = model.model_copy(update={"path": local})
    if model.chat_template not in ("auto", "plain"):
        template = absolute("model.chat_template", model.chat_template)
        model = model.model_copy(update={"chat_template": template})
    data = spec.data.model_copy(
        update={
            name: absolute(f"data.{name}", getattr(spec.data, name))
            for name in ("path", "eval_path")
            if getattr(spec.data, name)
        }
    )
    return replace(resolved, spec=spec.model_copy(update={"model": model, "data": data}))


def spec_to_toml(spec: Spec) -> str:
    """The spec as TOML, every setting written out."""
    import tomli_w

    return tomli_w.dumps(spec.model_dump(mode="json"))


def _is_table(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _put(table: dict[str, object], dotted: str, value: object) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = table.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise TailfinError(
                f"{dotted} cannot be set: {parent} already has a plain value.",
                "Give either the section or its field, not both.",
                where=dotted,
            )
        table = inner
    table[last] = value


def _toml_value(raw: str) -> object:
    try:
        value = tomllib.loads(f"v = {raw}")["v"]
    except tomllib.TOMLDecodeError:
        return raw
    if isinstance(value, datetime.date | datetime.time):
        return raw.partition("#")[0].strip()
    return value


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise TailfinError(
            f"The spec file {path} does not exist.",
            "Check the path, or start without one: tailfin train --model M --data F",
            where=path,
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TailfinError(
            f"The spec file {path} could not be read: {error}.",
            "Check its permissions and that it is UTF-8 text.",
            where=path,
        ) from None


def _parse_toml(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TailfinError(
            f"The spec file {path} is not valid TOML: {error}.",
            "Correct that line; strings need quotes, sections look like [train].",
            where=path,
        ) from None


def _explain(error: ValidationError, *, text: str, file: str) -> TailfinError:
    """Every validation fault as one message: field, place in the file, what is allowed."""
    lines = []
    places = []
    for fault in error.errors():
        dotted = ".".join(str(part) for part in fault["loc"]) or "spec"
        line = _line_of(dotted, text)
        place = f"{file}:{line}" if line else file or "command line"
        places.append(place)
        said = f"{dotted}: {_in_words(fault['type'], fault['msg'], dotted)}"
        if fault["type"] not in ("missing", "extra_forbidden", "value_error"):
            said += f" (got {fault['input']!r})"
        lines.append(f"{said} [{place}]" if line else said)
    return TailfinError(
        "The spec has faults: " + "; ".join(lines) + ".",
        "Correct these fields; tailfin profiles show lora prints a complete example.",
        where=places[0],
        error_id="spec.invalid",
    )


def _in_words(kind: str, message: str, dotted: str) -> str:
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(dotted, [*field_paths(), *SECTIONS], n=1, cutoff=0.5)
        return "is not a setting" + (f", did you mean {near[0]}?" if near else "")
    return (
        message.removeprefix("Value error, ")[:1].lower()
        + message.removeprefix("Value error, ")[1:]
    )


def _line_of(dotted: str, text: str) -> int:
    """1-based line of a dotted key in TOML text, 0 where it does not stand there."""
    current: list[str] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("["):
            current = _key_parts(line.partition("]")[0])
            key = current
        elif "=" in line and not line.startswith("#"):
            key = current + _key_parts(line.partition("=")[0])
        else:
            continue
        if ".".join(key) == dotted:
            return number
    return 0


def _key_parts(text: str) -> list[str]:
    return [part.strip("\"'") for part in _KEY_PART.findall(text)]
