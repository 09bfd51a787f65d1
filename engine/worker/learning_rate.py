"""The learning rate, changed where it lasts: in the scheduler's base rates."""

from __future__ import annotations

from typing import Any


def take_up_learning_rate(optimizer: Any, scheduler: Any, learning_rate: float) -> None:
    """Make a resumed run use the spec's learning rate instead of the checkpoint's.

    The scheduler's state brings back the old base rates, and a write to the parameter groups alone
    is undone at the next step (torch.optim.lr_scheduler.LambdaLR).
    """
    # accelerate wraps both where it prepares them
    scheduler = getattr(scheduler, "scheduler", scheduler)
    optimizer = getattr(optimizer, "optimizer", optimizer)
    scheduler.base_lrs = [learning_rate for _ in scheduler.base_lrs]
    for group, factor in zip(optimizer.param_groups, scheduler.lr_lambdas, strict=True):
        group["initial_lr"] = learning_rate
        group["lr"] = learning_rate * factor(scheduler.last_epoch)
    # What `get_last_lr` answers, and so the log, until the next step.
    scheduler._last_lr = [group["lr"] for group in optimizer.param_groups]
