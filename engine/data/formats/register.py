"""A written file made known to other training tools, by the list of data sets that each reads.

LLaMA-Factory: `dataset_info.json`, described in data/README.md of its repository. Axolotl: the
`datasets` part of a configuration, described in docs/dataset-formats of its repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.data.formats.containers import container_of
from engine.data.formats.layouts import Form
from engine.data.rows import Row
from engine.data.text import shown
from engine.errors import TailfinError

TOOLS = ("llama-factory", "axolotl")
_CONTAINERS = ("json", "jsonl", "parquet")
_ENTRY = dict[str, object]


@dataclass(frozen=True, slots=True)
class Contents:
    """What decides whether another tool reads rows as they are meant."""

    calls: bool
    tools: bool
    system: bool
    several_turns: bool


def contents_of(rows: Iterable[Row]) -> Contents:
    """Go over all rows once."""
    calls = tools = system = several = False
    for row in rows:
        calls |= any(message.tool_calls or message.role == "tool" for message in row.messages)
        tools |= bool(row.tools)
        system |= row.messages[0].role == "system"
        several |= sum(message.role == "assistant" for message in row.messages) > 1
    return Contents(calls, tools, system, several)


def registration_file(tool: str, out: Path) -> Path:
    """The file that makes `out` known, beside it."""
    if tool == "llama-factory":
        return out.with_name("dataset_info.json")
    return out.with_name(f"{out.name}.axolotl.yaml")


def registration(tool: str, out: Path, form: Form, contents: Contents, *, force: bool) -> str:
    """The whole new text of `registration_file`; other entries of an existing one are kept.

    Raises TailfinError where the tool would read these rows as something else, and where an entry
    of this name exists and may not be replaced.
    """
    container = container_of(out)
    if container.packing or container.kind not in _CONTAINERS:
        raise TailfinError(
            f"{tool} is not given {out.name}: only .jsonl, .json and .parquet are registered.",
            "End the file on one of these.",
            where=out,
        )
    if tool == "axolotl":
        return _axolotl(out, form, contents, container.kind)
    return _merged(out, _llama_factory(out, form, contents), force=force)


def _llama_factory(out: Path, form: Form, contents: Contents) -> _ENTRY:
    name = {"file_name": out.name}
    match form.layout:
        case "messages" if not contents.calls and not contents.tools:
            tags = {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "system_tag": "system",
            }
            columns = {"messages": "messages"}
            return {**name, "formatting": "sharegpt", "columns": columns, "tags": tags}
        case "messages":
            raise _unread("LLaMA-Factory", "messages with tools", "sharegpt", out)
        case "sharegpt":
            columns = {"messages": "conversations"}
            if contents.tools:
                columns["tools"] = "tools"
            return {**name, "formatting": "sharegpt", "columns": columns}
        case "alpaca":
            columns = {"prompt": "instruction", "query": "input", "response": "output"}
            return {**name, "columns": {**columns, "system": "system", "history": "history"}}
        case "prompt_completion" if not form.turns:
            return {**name, "columns": {"prompt": "prompt", "response": "completion"}}
        case "preference" if not form.turns:
            columns = {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}
            return {**name, "ranking": True, "columns": columns}
        case "text":
            return {**name, "columns": {"prompt": "text"}}
    raise _unread("LLaMA-Factory", f"{form.layout} with lists of turns", "messages", out)


def _merged(out: Path, entry: _ENTRY, *, force: bool) -> str:
    file = registration_file("llama-factory", out)
    name = out.name.partition(".")[0] or out.name
    known: dict[str, object] = {}
    if file.exists():
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise TailfinError(
                f"{file} could not be read as JSON: {shown(str(error), 120)}.",
                "Repair it or move it away; it was not changed.",
                where=file,
            ) from None
        if not isinstance(known, dict):
            raise TailfinError(
                f"{file} holds no object of data sets.",
                "Repair it or move it away; it was not changed.",
                where=file,
            )
    if known.get(name, entry) != entry and not force:
        raise TailfinError(
            f"{file} has another entry {shown(name)} already.",
            "Give the data another name, or add --force.",
            where=file,
        )
    return json.dumps({**known, name: entry}, ensure_ascii=False, indent=2) + "\n"


def _axolotl(out: Path, form: Form, contents: Contents, kind: str) -> str:
    lines = [
        f"path: {json.dumps(str(out))}",
        f"ds_type: {'parquet' if kind == 'parquet' else 'json'}",
    ]
    if form.layout == "messages" and not (contents.tools and kind == "parquet"):
        lines += _mapped("messages", "role", "content")
        if contents.tools:
            lines.append("field_tools: tools")
    elif form.layout == "messages":
        raise TailfinError(
            f"Axolotl reads tools as a list, and {out.name} has them as JSON text.",
            "End the file on .jsonl.",
            where=out,
        )
    elif form.layout == "sharegpt" and not contents.calls and not contents.tools:
        lines += _mapped("conversations", "from", "value")
    elif form.layout == "alpaca" and not contents.system and not contents.several_turns:
        lines.append("type: alpaca")
    elif form.layout == "text":
        lines += ["type: completion", "field: text"]
    else:
        held = f"{form.layout} with system prompts, history, tools or pairs"
        raise _unread(
            "Axolotl", held if form.layout != "prompt_completion" else form.layout, "messages", out
        )
    first, *rest = lines
    return "datasets:\n" + f"  - {first}\n" + "".join(f"    {line}\n" for line in rest)


def _mapped(field: str, role: str, content: str) -> list[str]:
    return [
        "type: chat_template",
        f"field_messages: {field}",
        "message_property_mappings:",
        f"  role: {role}",
        f"  content: {content}",
    ]


def _unread(tool: str, what: str, instead: str, out: Path) -> TailfinError:
    return TailfinError(
        f"{tool} would not read {what} as it is meant, so {out.name} was not registered.",
        f"Convert with --to {instead}.",
        where=out,
    )
