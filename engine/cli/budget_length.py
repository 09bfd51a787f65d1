"""How many tokens a row has for `tailfin budget`: as set, as counted, by characters, or assumed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cost.forecast import Amount
from engine.errors import TailfinError
from engine.findings import Finding

if TYPE_CHECKING:
    from engine.data.inspect import Inspection
    from engine.data.token_report import TokenReport
    from engine.memory.model_shape import ModelShape
    from engine.spec import Spec

# Fewer than most tokenizers put into one of European text (about four), so that the figure errs
# upwards there; Chinese and code come nearer to it or below.
_CHARACTERS = 3


@dataclass(frozen=True, slots=True)
class RowLength:
    """Tokens per row, where they are from unless the spec says, and how much data was counted."""

    tokens: int
    findings: tuple[Finding, ...] = ()
    amount: Amount | None = None


def row_length(spec: Spec, shape: ModelShape | None) -> RowLength:
    """What the spec says, else what its data file does."""
    from engine.memory.assumptions import assumed_length

    if spec.data.max_length:
        return RowLength(spec.data.max_length)
    limit = shape.max_positions if shape is not None else 0
    found = _inspected(spec)
    if found is not None and found.tokens is not None:
        length = min(found.tokens.suggested, limit or found.tokens.suggested)
        said = f"{length} tokens per row, as counted in {spec.data.path}."
        return RowLength(length, (_finding(said),), _amount(spec, found.tokens))
    if found is not None and (guess := _by_characters(found)):
        length = min(guess, limit or guess)
        said = f"About {length} tokens per row by the characters of {spec.data.path}"
        said += f", {_CHARACTERS} per token: nobody could count them."
        return RowLength(length, (_finding(said),))
    length = assumed_length(shape)
    said = f"No length was given: {length} tokens per row were assumed."
    return RowLength(length, (_finding(said),))


def _amount(spec: Spec, tokens: TokenReport) -> Amount:
    """What is left to train on once rows were held out."""
    held = 0
    if not spec.data.eval_path:
        held = round(tokens.num_rows * spec.data.eval_fraction)
        held = min(held, spec.data.eval_max_rows or held)
    share = 1 - held / max(1, tokens.num_rows)
    return Amount(round(tokens.num_tokens * share), tokens.num_rows - held, held)


def _inspected(spec: Spec) -> Inspection | None:
    """The report on the spec's data file with its tokens; None where it cannot be read."""
    from engine.cli.output import note
    from engine.command_line import set_words
    from engine.data.inspect import Inspection, Inspector

    data, model = spec.data, spec.model
    if not Path(data.path).is_file():
        return None
    note(f"Counting the tokens of {data.path} ... (--max-length N does without)")
    said = {
        "model.revision": model.revision,
        "model.chat_template": model.chat_template,
        "model.trust_remote_code": model.trust_remote_code,
        "train.loss_on": spec.train.loss_on,
    }
    reader = Inspector()
    try:
        reader.start(
            data.path,
            layout=data.format,
            columns=data.columns,
            system=data.system,
            model=model.path,
            sets=[word for word in set_words(said) if word != "--set"],
        )
        found = reader.result()
    except TailfinError:  # `tailfin data report` says what is wrong with it
        return None
    finally:
        reader.cancel()
    return found if isinstance(found, Inspection) else None


def _by_characters(found: Inspection) -> int:
    """The rule of counted tokens (engine.data.lengths), on characters; 0 without rows."""
    from engine.data.lengths import round_up

    prompt, answer = found.prompt_chars, found.answer_chars
    if prompt is None or answer is None:
        return 0
    longest = round_up((prompt.longest + answer.longest) // _CHARACTERS + 1)
    usual = round_up((prompt.p99 + answer.p99) // _CHARACTERS + 1)
    return usual if longest > 2 * usual else longest


def _finding(message: str) -> Finding:
    fix = "" if message[0].isdigit() else _FIX
    return Finding("budget.length", "info", message, fix, "data.max_length")


_FIX = "tailfin data report FILE --model MODEL suggests one; then: --max-length N"
