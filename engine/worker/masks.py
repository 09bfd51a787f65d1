"""Whether the trainer's own batches train exactly the tokens that were marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from engine.findings import Finding
from engine.worker.tokens import IGNORED, TokenRow

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 10_000
_COLLATED = 2


def check_masks(
    trainer: Any, train: Sequence[TokenRow], held_out: Sequence[TokenRow], max_length: int
) -> list[Finding]:
    """Compare what training and evaluation will train with the marked tokens, cut at `max_length`.

    `trainer` is a TRL trainer whose data sets are prepared: cut, filtered and packed. Both sides
    are marked by one rule, so a difference means that a library changed them on the way.
    """
    differing = []
    for name, rows, dataset in (
        ("training", train, trainer.train_dataset),
        ("evaluation", held_out, trainer.eval_dataset),
    ):
        if dataset is None or not rows:
            continue
        marked = sum(row.trained_in(0, max_length) for row in rows)
        prepared = count_labels(dataset)
        if prepared != marked:
            differing.append(f"{name} trains {prepared} tokens where {marked} are marked")
        elif said := _collated_otherwise(trainer, dataset):
            differing.append(f"{name} {said}")
    if not differing:
        return []
    return [
        Finding(
            "data.masks-differ",
            "fail",
            f"What would be trained is not what was marked: {'; '.join(differing)}.",
            "Install the versions that tailfin was tested with: tailfin setup",
            "data.path",
            "The loss would be taken over other tokens than the answers, and the loss on "
            "held-out rows would not be comparable.",
        )
    ]


def count_labels(dataset: Dataset) -> int:
    """Trained tokens in a prepared data set; 0 where it has no labels."""
    import pyarrow.compute as pc

    if "labels" not in dataset.column_names:
        return 0
    total = 0
    for batch in dataset.select_columns("labels").with_format("arrow").iter(_BATCH):
        labels = pc.list_flatten(batch.column("labels"))
        total += pc.sum(pc.not_equal(labels, IGNORED)).as_py() or 0
    return total


def _collated_otherwise(trainer: Any, dataset: Dataset) -> str:
    """What is wrong with the first batch, empty where nothing is.

    The first token of a row may lose its label there, because nothing comes before it.
    """
    rows = [dataset[index] for index in range(min(_COLLATED, len(dataset)))]
    batch = trainer.data_collator(rows)
    held = int((batch["labels"] != IGNORED).sum())
    marked = sum(label != IGNORED for row in rows for label in row["labels"])
    num_begins = sum(len(row.get("seq_lengths") or [0]) for row in rows)
    if marked - num_begins <= held <= marked:
        return ""
    return f"batches train {held} tokens where {marked} are marked"
