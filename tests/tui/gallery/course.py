"""A believable run as events: Qwen3-1.7B learns support answers on an RTX 4090 in half an hour."""

from __future__ import annotations

import math

from engine.runs.events import (
    Body,
    Checkpointed,
    Evaluated,
    Event,
    Plan,
    Pruned,
    Stage,
    Started,
    Step,
)
from engine.runs.state import Observed, State
from engine.runs.status import fold_all

MODEL = "Qwen/Qwen3-1.7B"
DATA = "/workspace/data/support.jsonl"
CARD = "NVIDIA GeForce RTX 4090"
STEPS, EVERY = 900, 180
STEP_S, EVAL_S, SAVE_S = 2.1, 6.4, 1.5
PLAN = Plan(
    max_steps=STEPS,
    num_rows=4800,
    num_eval_rows=200,
    max_length=1024,
    cut_share=0.004,
    epochs=3.0,
    micro_batch=4,
    accumulation=4,
    total_params=1_737_500_672,
    trained_params=17_432_576,
    tokens_per_epoch=2_016_000,
    trained_tokens_per_epoch=846_000,
    device=CARD,
    dtype="bfloat16",
)
# Lowest held-out loss here; from there on it rises, as it does where rows are shown too often.
_TURN = 540


class Course:
    """Events of one run, each at the moment at which it would happen."""

    def __init__(self, start: float) -> None:
        self.events: list[Event] = []
        self.now = start

    def add(self, *bodies: Body, after_s: float = 0.0) -> Course:
        """These events, `after_s` seconds after the last one."""
        self.now += after_s
        for body in bodies:
            self.events.append(Event(len(self.events), self.now, body))
        return self

    def begin(self, *, attempt: int = 1, from_step: int = 0, host: str = "gpu-box") -> Course:
        """An attempt's start up to the moment at which the model is being loaded."""
        self.add(Started(attempt, "train", host, "b", 4242, from_step), Stage("import"))
        return self.add(Stage("load", MODEL), after_s=9.4)

    def prepare(self, plan: Plan = PLAN) -> Course:
        """Loaded, tokenised, planned, and the base evaluated."""
        self.add(Stage("tokenise", DATA), after_s=5.2)
        self.add(plan, Stage("train", f"{plan.max_steps} steps"), after_s=3.1)
        return self.add(Evaluated(0, 2.4816, 0.5213, 1.31, EVAL_S, True), after_s=EVAL_S)

    def train(self, until: int, *, first: int = 1) -> Course:
        """Steps, with an evaluation and a checkpoint after every 180th, of which two are kept."""
        for number in range(first, until + 1):
            self.add(make_step(number), after_s=STEP_S)
            if number % EVERY == 0:
                self.add(make_evaluation(number), after_s=EVAL_S)
                self.add(make_checkpoint(number), after_s=SAVE_S)
                if number >= 3 * EVERY:
                    gone = number - 2 * EVERY
                    self.add(Pruned(gone, f"checkpoints/checkpoint-{gone}"))
        return self

    def observed(self, state: State, message: str = "") -> Observed:
        return Observed(state, message, fold_all(self.events), 4242)


def trained(start: float, until: int) -> Course:
    """A run that has made so many steps without trouble."""
    return Course(start).begin().prepare().train(until)


def make_step(number: int, *, loss: float | None = None) -> Step:
    smooth = 0.62 + 1.75 * math.exp(-number / 130)
    noise = 0.09 * math.sin(number * 1.7) + 0.05 * math.sin(number * 0.61)
    warm = 45
    rate = 2e-4 * number / warm
    if number > warm:
        rate = 1e-4 * (1 + math.cos(math.pi * (number - warm) / (STEPS - warm)))
    return Step(
        step=number,
        epoch=number / 300,
        loss=smooth + noise if loss is None else loss,
        grad_norm=0.71 + 0.22 * math.sin(number * 0.9) + 1.6 * math.exp(-number / 25),
        learning_rate=rate,
        tokens=number * 6720,
        tokens_per_s=3200 + 70 * math.sin(number * 0.3),
        elapsed_s=number * STEP_S,
        accuracy=0.83 - 0.3 * math.exp(-number / 130),
        entropy=0.55 + 0.7 * math.exp(-number / 130),
        vram_gib=14.62,
        vram_reserved_gib=15.91,
        ram_gib=5.4,
    )


def make_evaluation(number: int) -> Evaluated:
    smooth = 0.62 + 1.75 * math.exp(-number / 130)
    loss = smooth + 0.21 + max(0.0, (number - _TURN) / 3000)
    return Evaluated(number, loss, 0.80, 0.61, EVAL_S, number <= _TURN)


def make_checkpoint(number: int, reason: str = "eval") -> Checkpointed:
    path = f"checkpoints/checkpoint-{number}"
    return Checkpointed(number, path, 209_715_200, reason, SAVE_S)


def log_lines(course: Course, most: int = 40) -> list[str]:
    """What the worker prints of its last steps."""
    steps = [event.body for event in course.events if isinstance(event.body, Step)]
    return [
        f"step {step.step}/{STEPS} loss {step.loss:.4f} grad {step.grad_norm:.3f} "
        f"lr {step.learning_rate:.3g} {step.tokens_per_s:.0f} tok/s"
        for step in steps[-most:]
    ]
