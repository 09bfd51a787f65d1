"""A mapping proposed for columns nobody knows; it holds only once the user confirms it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.data.faults import place
from engine.data.rows import Record
from engine.data.text import shown, toml_string
from engine.errors import TailfinError

# Names seen in public instruction sets, without case and punctuation.
_PROMPTS = frozenset(
    {"question", "questions", "query", "q", "prompt", "instruction", "problem", "task", "request"}
    | {"user", "human", "userinput", "usermessage", "inputs"}
)
_ANSWERS = frozenset(
    {"answer", "answers", "a", "response", "responses", "completion", "output", "reply"}
    | {"solution", "target", "assistant", "bot", "gpt", "modeloutput", "assistantmessage"}
)
_SYSTEMS = frozenset({"system", "systemprompt", "systemmessage"})
_INPUTS = frozenset({"input", "context", "passage", "document", "background"})
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class MappingProposal:
    """A possible mapping: part to column, why, one example, and what confirms it.

    `flags` are words for the command line, `toml` is the section of a spec file.
    """

    columns: dict[str, str]
    reason: str
    example: dict[str, str]
    flags: str
    toml: str


class UnconfirmedMapping(TailfinError):
    """Raised instead of guessing; carries the proposal for a front end to confirm."""

    def __init__(self, proposal: MappingProposal, path: str, where: str) -> None:
        example = ", ".join(f"{part} = {text}" for part, text in proposal.example.items())
        pairs = ", ".join(f"{part} = {shown(name)}" for part, name in proposal.columns.items())
        filed = " and ".join(proposal.toml.splitlines()[1:])
        super().__init__(
            f"The columns of {path} are not a known layout. Proposed, because {proposal.reason}: "
            f"{pairs}. The first row would be {example}.",
            f"If that is right, add: {proposal.flags} (or in a spec file, under [data.columns]: "
            f"{filed})",
            where=where,
            error_id="data.mapping-proposed",
        )
        self.proposal = proposal


def propose(records: Sequence[Record], path: str) -> TailfinError:
    """The error that proposes a mapping, or says why none can be proposed."""
    tables = [(r, r.value) for r in records if isinstance(r.value, Mapping) and r.value]
    if not tables:
        return TailfinError(
            f"The data file {path} holds no rows with named fields.",
            "Write each row as one object, such as "
            '{"messages": [{"role": "user", "content": "..."}, ...]}',
            where=path,
            error_id="data.no-rows",
        )
    record, value = tables[0]
    where = place(path, record.record, record.line)
    names = list(dict.fromkeys(str(key) for _, table in tables for key in table))
    texts = [name for name in names if _is_text([table.get(name) for _, table in tables])]
    by_part = _by_name(names)
    prompts, answers = by_part["prompt"], by_part["completion"]
    if len(prompts) == 1 and len(answers) == 1:
        columns = {"prompt": prompts[0], "completion": answers[0]}
        for part in ("system", "input"):
            if len(by_part[part]) == 1:
                columns[part] = by_part[part][0]
        return UnconfirmedMapping(make_proposal(columns, "of their names", value), path, where)
    if prompts and answers:
        return _several(prompts, answers, path, where)
    if len(texts) == 2 and not prompts and not answers:
        columns = {"prompt": texts[0], "completion": texts[1]}
        reason = "they are the only two columns with text, in this order"
        return UnconfirmedMapping(make_proposal(columns, reason, value), path, where)
    return _no_proposal(names, path, where)


def make_proposal(
    columns: Mapping[str, str], reason: str, row: Mapping[str, object]
) -> MappingProposal:
    """A proposal with its example, flags and spec section written out."""
    return MappingProposal(
        columns=dict(columns),
        reason=reason,
        example={part: shown(str(row.get(column))) for part, column in columns.items()},
        flags=flags_for(columns),
        toml="\n".join(
            ["[data.columns]", *(f"{part} = {toml_string(c)}" for part, c in columns.items())]
        ),
    )


def flags_for(columns: Mapping[str, str]) -> str:
    """The `--set` words that confirm a mapping, quoted for a shell and for TOML."""
    return " ".join(f"--set {_word(part, column)}" for part, column in columns.items())


def _word(part: str, column: str) -> str:
    if _BARE.fullmatch(column) and column not in ("true", "false", "inf", "nan"):
        return f"data.columns.{part}={column}"
    return shlex.quote(f"data.columns.{part}={toml_string(column)}")


def _by_name(names: Sequence[str]) -> dict[str, list[str]]:
    by_part: dict[str, list[str]] = {"prompt": [], "completion": [], "system": [], "input": []}
    for name in names:
        plain = re.sub(r"[\W_]+", "", name.casefold())
        for part, known in (
            ("prompt", _PROMPTS),
            ("completion", _ANSWERS),
            ("system", _SYSTEMS),
            ("input", _INPUTS),
        ):
            if plain in known:
                by_part[part].append(name)
    if not by_part["prompt"] and len(by_part["input"]) == 1:
        by_part["prompt"], by_part["input"] = by_part["input"], []
    return by_part


def _is_text(values: Sequence[object]) -> bool:
    filled = [value for value in values if value is not None]
    return bool(filled) and all(isinstance(value, str) for value in filled)


def _several(prompts: Sequence[str], answers: Sequence[str], path: str, where: str) -> TailfinError:
    ways = [flags_for({"prompt": p, "completion": a}) for p in prompts for a in answers]
    return TailfinError(
        f"The columns of {path} can be read in {len(ways)} ways: prompt from "
        f"{' or '.join(map(shown, prompts))}, completion from {' or '.join(map(shown, answers))}.",
        f"Choose one: {' or '.join(ways[:4])}",
        where=where,
        error_id="data.two-readings",
    )


def _no_proposal(names: Sequence[str], path: str, where: str) -> TailfinError:
    listed = ", ".join(shown(name) for name in names[:12])
    action = (
        "Say which column is which: --set data.columns.prompt=NAME "
        "--set data.columns.completion=NAME"
    )
    said = "are not a known layout"
    if "input_ids" in names:
        said = "hold token ids, not text"
        action = "Give the text the tokens were made from."
    elif len(names) == 1:
        said = "are a single column, so question and answer cannot be told apart"
        action = "Write prompt and completion into two columns, or give messages."
    return TailfinError(
        f"The columns of {path} {said}: {listed}.",
        action,
        where=where,
        error_id="data.unknown-columns",
    )
