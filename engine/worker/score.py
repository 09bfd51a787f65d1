"""Loss of a model on tokenised rows, by TRL's definition: per trained token, cut and shifted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from engine.errors import EXIT_OOM, TailfinError
from engine.worker.tokens import TokenRow

IGNORED = -100


@dataclass(frozen=True, slots=True)
class RowScore:
    """One row: trained tokens, their summed loss in nats, and how many were the top choice."""

    num_tokens: int
    loss: float
    num_correct: int


def trained_tokens(row: TokenRow, max_length: int) -> int:
    """Trained tokens of a row after cutting; the first token is never predicted."""
    return sum(label != IGNORED for label in row.labels[1:max_length])


def score_rows(
    model: Any,
    rows: Sequence[TokenRow],
    *,
    max_length: int,
    micro_batch: int,
    dtype: str,
    progress: Callable[[int], None],
) -> list[RowScore]:
    """Score each row, in the given order.

    Rows must have a trained token left at `max_length`. Batches are of similar length, longest
    first; one that does not fit the memory is split. Half precision runs under autocast, as the
    trainer's own evaluation does. Raises TailfinError where even one row does not fit.
    """
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].input_ids), reverse=True)
    scores: dict[int, RowScore] = {}
    for start in range(0, len(order), micro_batch):
        picked = order[start : start + micro_batch]
        batch = [rows[i] for i in picked]
        for index, score in zip(picked, _fitting(model, batch, max_length, dtype), strict=True):
            scores[index] = score
        progress(len(scores))
    return [scores[i] for i in range(len(rows))]


def _fitting(model: Any, batch: list[TokenRow], max_length: int, dtype: str) -> list[RowScore]:
    try:
        return _score(model, batch, max_length, dtype)
    except torch.OutOfMemoryError:
        pass
    # outside the handler: the failed batch's tensors must be gone before the next try
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(batch) == 1:
        num_tokens = min(len(batch[0].input_ids), max_length)
        raise TailfinError(
            f"Memory ran out on a single held-out row of {num_tokens} tokens.",
            "End what else uses the card (tailfin doctor lists it), or evaluate on a larger one.",
            exit_code=EXIT_OOM,
        )
    half = len(batch) // 2
    return _fitting(model, batch[:half], max_length, dtype) + _fitting(
        model, batch[half:], max_length, dtype
    )


def _score(model: Any, batch: list[TokenRow], max_length: int, dtype: str) -> list[RowScore]:
    ids, labels = _padded(batch, max_length)
    device = next(model.parameters()).device
    targets = torch.nn.functional.pad(labels, (0, 1), value=IGNORED)[:, 1:]
    mask = targets != IGNORED
    # Only positions some row is scored at get logits: at a large vocabulary they are the memory.
    columns = mask.any(0).nonzero().flatten()
    arguments = {"logits_to_keep": columns.to(device)} if _can_select(model) else {}
    lengths = torch.tensor([min(len(row.input_ids), max_length) for row in batch])
    attention = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
    half = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(dtype)
    with torch.autocast(device.type, dtype=half, enabled=half is not None):
        logits = model(
            input_ids=ids.to(device),
            attention_mask=attention.to(device),
            use_cache=False,
            **arguments,
        ).logits
    if not arguments:
        logits = logits[:, columns.to(device)]
    scores = []
    for row_logits, row_mask, row_targets in zip(logits, mask, targets, strict=True):
        keep = row_mask[columns]
        chosen = row_logits[keep.to(device)].float()
        wanted = row_targets[columns][keep].to(device)
        loss = torch.nn.functional.cross_entropy(chosen, wanted, reduction="none")
        correct = (chosen.argmax(-1) == wanted).sum()
        scores.append(RowScore(len(wanted), float(loss.double().sum()), int(correct)))
    return scores


def _padded(batch: list[TokenRow], max_length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and labels, shape (rows, longest), padded on the right as TRL's collator does."""
    width = max(min(len(row.input_ids), max_length) for row in batch)
    ids = torch.zeros((len(batch), width), dtype=torch.long)
    labels = torch.full((len(batch), width), IGNORED, dtype=torch.long)
    for index, row in enumerate(batch):
        cut = row.input_ids[:max_length]
        ids[index, : len(cut)] = torch.tensor(cut)
        labels[index, : len(cut)] = torch.tensor(row.labels[:max_length])
    return ids, labels


def _can_select(model: Any) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters
