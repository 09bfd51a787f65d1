"""One simulated run: load, two optimizer steps and an evaluation, as peaks and as a stream."""

from __future__ import annotations

import contextlib
import gc
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import bitsandbytes.functional as bnb_functional
import torch
from bitsandbytes.optim import GlobalOptimManager
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import masking_utils

from engine.worker.bnb_seams import keep_trainable
from engine.worker.simulate.build import build_model, fill_model
from engine.worker.simulate.setting import Setting
from engine.worker.simulate.step import Loop
from engine.worker.simulate.tracker import Peak, Tracker

_PRODUCTS = logging.getLogger("bitsandbytes.autograd._functions")
Kernels = Callable[[Setting, Tracker], Sequence[AbstractContextManager[Any]]]


@dataclass(frozen=True, slots=True)
class Trace:
    """`peaks` by phase, `stream` as in `Tracker`; `starts` says where in it a phase begins."""

    peaks: dict[str, Peak]
    stream: list[tuple[int, int]]
    starts: dict[str, int]
    num_params: int
    num_trained: int
    assumed: tuple[str, ...]


def trace_run(
    config: dict[str, Any], setting: Setting, *, kernels: Kernels = lambda setting, tracker: ()
) -> Trace:
    """Execute the run symbolically; `kernels` gives the modes that model a device (see `tracker`).

    They are entered round everything, loading included. The first step makes the optimizer's
    states, the second one runs beside them; where the spec accumulates, it finds gradients too, as
    every micro-batch but the first does.
    """
    tracker = Tracker(setting.granule)
    accumulates = setting.spec.train.accumulation > 1
    starts = {}
    with ExitStack() as stack:
        stack.enter_context(_without_collecting())
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        # bitsandbytes tells of each 8-bit product that it casts its input
        stack.enter_context(patch.object(_PRODUCTS, "disabled", True))
        stack.enter_context(_own_bitsandbytes())
        model = build_model(config, setting)
        if setting.bits == 4:  # as the worker does: no CPU repacks them for an evaluation
            keep_trainable(model)
        # else it never asks, and makes every mask (masking_utils.py)
        stack.enter_context(patch.object(masking_utils, "is_tracing", lambda *_: False))
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        stack.enter_context(tracker)
        for mode in kernels(setting, tracker):
            stack.enter_context(mode)
        tracker.begin("load", "loading the weights")
        starts["load"] = 0
        with tracker.serving("workspace"):
            fill_model(model, setting, tracker)
        loop = Loop(model, setting, tracker)
        starts["train"] = len(tracker.stream)
        loop.train_step(keep_gradients=accumulates)
        loop.train_step()
        starts["eval"] = len(tracker.stream)
        loop.evaluate()
        return Trace(
            peaks=dict(tracker.peaks),
            stream=tracker.stream[:],
            starts=starts,
            num_params=sum(_num_weights(p) for p in model.parameters()),
            num_trained=sum(p.numel() for p in loop.trained),
            assumed=tuple(sorted(tracker.assumed)),
        )


def _num_weights(parameter: Any) -> int:
    state = getattr(parameter, "quant_state", None)
    return int(state.shape.numel() if state is not None else parameter.numel())


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """A storage dies when its last user lets go, not when cycles happen to be collected."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _own_bitsandbytes() -> Iterator[None]:
    """Global tables of bitsandbytes, replaced so that no fake tensor stays in them.

    Its 8-bit code is worked out from numbers, which fake tensors do not have; only its size counts.
    """
    with (
        patch.dict(bnb_functional.name2qmap),
        patch.object(bnb_functional, "create_dynamic_map", lambda *_, **__: torch.empty(256)),
        patch.object(GlobalOptimManager, "_instance", None),
    ):
        yield
