"""Greedy answers of a model to a conversation, rendered the way it was trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList, TextStreamer

from engine.worker.template import Template


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out; `hit_limit` when the model did not end it itself."""

    text: str
    num_tokens: int
    hit_limit: bool


def prompt_ids(
    tokenizer: Any, template: Template, messages: Sequence[Mapping[str, object]]
) -> list[int]:
    """Token ids of the conversation up to where the assistant speaks."""
    text = tokenizer.apply_chat_template(
        list(messages), chat_template=template.source, add_generation_prompt=True, tokenize=False
    )
    # The template writes the special tokens itself: adding them here would double the first one.
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def end_token_ids(model: Any, template: Template) -> list[int]:
    """Ids that end an answer: those of the template it was trained with, and the model's own.

    A base model's config often names only the end of text; what was trained is the end of turn.
    """
    own = model.generation_config.eos_token_id
    ids = [own] if isinstance(own, int) else list(own or [])
    return list(dict.fromkeys([*template.stop_ids, *ids]))


def answer(
    model: Any,
    tokenizer: Any,
    template: Template,
    messages: Sequence[Mapping[str, object]],
    *,
    max_new_tokens: int,
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Answer:
    """The greedy answer, alone in its batch so that padding changes nothing.

    `on_text` gets the text in pieces as whole words are known; `cancelled` is asked after every
    token and ends the answer at once.
    """
    ids = prompt_ids(tokenizer, template, messages)
    ends = end_token_ids(model, template)
    device = next(model.parameters()).device
    inputs = torch.tensor([ids], device=device)
    # Every sampling habit of the base is set back: both models are asked in the same plain way.
    config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        temperature=1.0,
        top_p=1.0,
        top_k=50,
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        use_cache=True,
        max_new_tokens=max_new_tokens,
        eos_token_id=ends or None,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0,
    )
    stops = StoppingCriteriaList([_Cancelled(cancelled)]) if cancelled else None
    output = model.generate(
        input_ids=inputs,
        attention_mask=torch.ones_like(inputs),
        generation_config=config,
        stopping_criteria=stops,
        streamer=_Pieces(tokenizer, on_text) if on_text else None,
    )
    new = output[0, len(ids) :].tolist()
    return Answer(
        text=tokenizer.decode(new, skip_special_tokens=True),
        num_tokens=len(new),
        hit_limit=len(new) >= max_new_tokens and new[-1] not in ends,
    )


class _Pieces(TextStreamer):
    """Hands on text as it becomes whole."""

    def __init__(self, tokenizer: Any, on_text: Callable[[str], None]) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._on_text = on_text

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self._on_text(text)


class _Cancelled(StoppingCriteria):
    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self._cancelled = cancelled

    def __call__(
        self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **_: Any
    ) -> torch.BoolTensor:
        stop = self._cancelled()
        return torch.full((input_ids.shape[0],), stop, device=input_ids.device)
