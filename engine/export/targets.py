"""The forms a run can be exported to, and what is said about the others."""

from __future__ import annotations

from typing import Literal

from engine.errors import TailfinError
from engine.evaluate.delivered import Delivered

Form = Literal["adapter", "merged"]
FORMS: dict[Form, str] = {
    "adapter": "the trained adapter, to be loaded with peft over the base",
    "merged": "one plain model that transformers loads without peft",
}
_LATER = ("gguf", "ollama", "hub", "awq", "gptq", "mlx", "onnx")


def parse_forms(text: str) -> list[Form]:
    """`adapter,merged` as forms, in the order written; raises TailfinError for any other word."""
    forms: list[Form] = []
    for word in (part.strip().lower() for part in text.split(",")):
        form = next((known for known in FORMS if known == word), None)
        if form is None:
            raise _unknown(word)
        if form not in forms:
            forms.append(form)
    return forms


def refuse_impossible(delivered: Delivered, forms: list[Form]) -> None:
    """Raise where a run has no such form."""
    if "adapter" in forms and not delivered.is_adapter:
        raise TailfinError(
            f"The run {delivered.run.id} trained whole weights ({delivered.spec.train.method}), "
            "so it has no adapter.",
            "Export it with: --to merged",
            where="--to",
        )


def _unknown(word: str) -> TailfinError:
    available = ", ".join(FORMS)
    if word.partition(":")[0] in _LATER:
        return TailfinError(
            f"Export to {word} is not in this version.",
            f"Available: {available}. Other tools can convert the merged form.",
            where="--to",
        )
    named = f"There is no export form '{word}'." if word else "--to names no export form."
    return TailfinError(named, f"Available: {available}.", where="--to")
