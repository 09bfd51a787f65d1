"""The steps that are promised are those that the trainer makes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.spec import Spec
from engine.steps import num_steps


def _spec(**train: object) -> Spec:
    given = {"model": {"path": "m"}, "data": {"path": "d"}, "train": train}
    return Spec.model_validate(given)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.integers(1, 5000),
    micro_batch=st.integers(1, 16),
    accumulation=st.integers(1, 16),
    epochs=st.floats(0.05, 12),
    max_steps=st.sampled_from([0, 0, 0, 7]),
)
def test_as_many_steps_as_the_trainer_makes(
    rows: int, micro_batch: int, accumulation: int, epochs: float, max_steps: int
) -> None:
    import torch
    from transformers.trainer import Trainer

    spec = _spec(
        micro_batch=micro_batch, accumulation=accumulation, epochs=epochs, max_steps=max_steps
    )
    loader = torch.utils.data.DataLoader(list(range(rows)), batch_size=micro_batch)
    args: Any = SimpleNamespace(
        max_steps=max_steps or -1,
        gradient_accumulation_steps=accumulation,
        num_train_epochs=epochs,
        include_num_input_tokens_seen="no",
    )
    trainer: Any = SimpleNamespace(
        get_total_train_batch_size=lambda _: micro_batch * accumulation,
        get_sp_size=lambda: 1,
        num_examples=lambda _: rows,
    )
    said = Trainer.set_initial_training_values(trainer, args, loader)
    assert num_steps(spec, rows) == said[-1]


def test_a_part_of_an_epoch_is_rounded_up() -> None:
    assert num_steps(_spec(micro_batch=1, accumulation=1, epochs=1.1), 12) == 14
    assert num_steps(_spec(micro_batch=4, accumulation=4, epochs=3), 100) == 21
    assert num_steps(_spec(epochs=3), 0) == 3
