"""Watches the training loop: logs steps, decides when to evaluate, save and stop, obeys acts."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from engine.runs.acts import pending
from engine.runs.checkpoints import prune, write_manifest
from engine.runs.events import Acted, Checkpointed, Evaluated, Pruned, Step
from engine.runs.status import Status
from engine.spec import Spec
from engine.worker.device import memory_now
from engine.worker.job import Job
from engine.worker.learning_rate import take_up_learning_rate
from engine.worker.sums import TokenSums


class Watch(TrainerCallback):
    """The one callback: everything between two steps happens here.

    What it knows about the past (best evaluation, evaluations without improvement) it takes from
    the folded log, so a resumed run continues where the log stands.
    """

    def __init__(
        self,
        job: Job,
        spec: Spec,
        sums: TokenSums,
        status: Status,
        *,
        eval_sums: TokenSums | None = None,
    ) -> None:
        self._job = job
        self._spec = spec
        self._sums = sums
        self._has_eval = eval_sums is not None
        self._eval_sums = eval_sums or TokenSums()
        self._resuming = status.attempt > 1
        past = [e for e in status.evals if math.isfinite(e.loss)]
        best = min(past, key=lambda e: e.loss) if past else None
        self.base_loss = next((e.loss for e in past if e.step == 0), math.nan)
        self.losses = {e.step: e.loss for e in past}
        self.best_step = best.step if best and best.step > 0 else -1
        self.best_loss = best.loss if best else math.inf
        self._stale = _evals_since_best(status, spec.eval.min_delta)
        self._tokens_before = status.steps[-1].tokens if status.steps else 0
        self._eval_every = 0
        self._save_every = 0
        self._save_reason = ""
        self._acts_to_answer: list[str] = []
        self._last_save = self._began = self._last_log = time.monotonic()
        self._phase_began = time.monotonic()
        self._not_training_s = 0.0
        self._eval_done = 0
        self._eval_total = 0
        self._last_tokens = 0.0
        self._warned: set[str] = set()

    def on_train_begin(
        self,
        args: Any,
        state: Any,
        control: Any,
        optimizer: Any = None,
        lr_scheduler: Any = None,
        **_: Any,
    ) -> None:
        if self._resuming:
            take_up_learning_rate(optimizer, lr_scheduler, self._spec.train.learning_rate)
        every = self._spec.eval.every_steps or max(1, round(state.max_steps / 5))
        self._eval_every = every if self._has_eval else 0
        self._save_every = self._spec.save.every_steps or (0 if self._has_eval else every)
        self._began = self._last_log = self._last_save = time.monotonic()
        self._job.stops_itself = True
        self._job.step = int(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = int(state.global_step)
        self._job.step = step
        last = step >= state.max_steps
        control.should_log = control.should_log or last
        self._obey(step, control)
        if self._eval_every and (last or step % self._eval_every == 0):
            control.should_evaluate = True
        if last:
            self._want_save(control, "end")
        elif self._save_every and step % self._save_every == 0:
            self._want_save(control, "steps")
        elif self._minutes_are_up():
            self._want_save(control, "time")
        if control.should_evaluate or control.should_save:
            self._phase_began = time.monotonic()

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._job.phase = "optimizer"

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if not logs or "loss" not in logs:
            return
        now = time.monotonic()
        means = self._sums.take()
        tokens = float(logs.get("num_tokens", 0.0))
        spent_s = max(1e-9, now - self._last_log - self._not_training_s)
        memory = memory_now()
        point = Step(
            step=int(state.global_step),
            epoch=round(float(state.epoch or 0.0), 6),
            loss=float(logs["loss"]),
            grad_norm=float(logs.get("grad_norm", math.nan)),
            learning_rate=float(logs.get("learning_rate", math.nan)),
            tokens=self._tokens_before + int(tokens),
            tokens_per_s=round((tokens - self._last_tokens) / spent_s, 1),
            elapsed_s=round(now - self._began, 3),
            accuracy=means.accuracy,
            entropy=means.entropy,
            vram_gib=memory.vram_gib,
            vram_reserved_gib=memory.vram_reserved_gib,
            ram_gib=memory.ram_gib,
        )
        self._last_log, self._last_tokens, self._not_training_s = now, tokens, 0.0
        self._job.write(point)
        print(
            f"step {point.step}/{state.max_steps} loss {point.loss:.4f} "
            f"grad {point.grad_norm:.3f} lr {point.learning_rate:.3g} "
            f"{point.tokens_per_s:.0f} tok/s",
            flush=True,
        )
        self._warn(point)

    def on_prediction_step(
        self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **_: Any
    ) -> None:
        if self._eval_done == 0:
            self._eval_total = len(eval_dataloader)
            self._phase_began = time.monotonic()
            self._job.progress(0, self._eval_total, "batches", stage="eval")
        self._eval_done += 1
        self._job.progress(self._eval_done, self._eval_total, "batches", stage="eval")

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        means = self._eval_sums.take()
        loss = means.loss
        self._eval_done = 0
        step = int(state.global_step)
        best = math.isfinite(loss) and loss < self.best_loss
        enough = math.isfinite(loss) and loss < self.best_loss - self._spec.eval.min_delta
        self._stale = 0 if enough or step == 0 else self._stale + 1
        elapsed_s = time.monotonic() - self._phase_began
        self._not_training_s += elapsed_s
        self._phase_began = time.monotonic()
        self._job.write(
            Evaluated(
                step=step,
                loss=loss,
                accuracy=means.accuracy,
                entropy=means.entropy,
                elapsed_s=round(elapsed_s, 3),
                best=best,
            )
        )
        print(
            f"eval at step {step}: held-out loss {loss:.4f}{' (best)' if best else ''}", flush=True
        )
        self.losses[step] = loss
        self.base_loss = loss if step == 0 else self.base_loss
        if best:
            self.best_loss, self.best_step = loss, step if step > 0 else -1
        if step > 0 and self._spec.save.every_steps == 0:
            self._want_save(control, "best" if best else "eval")
        elif best and step > 0 and self._spec.eval.keep_best:
            self._want_save(control, "best")
        if self.is_out_of_patience and step < state.max_steps:
            control.should_training_stop = True
            self._want_save(control, "early stopping")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._job.phase = "save"
        checkpoint = write_manifest(folder, int(state.global_step))
        elapsed_s = time.monotonic() - self._phase_began
        self._not_training_s += elapsed_s
        self._last_save = time.monotonic()
        path = os.path.relpath(folder, self._job.run.path)
        self._job.write(
            Checkpointed(
                step=checkpoint.step,
                path=path,
                num_bytes=checkpoint.num_bytes,
                reason=self._save_reason or "steps",
                elapsed_s=round(elapsed_s, 3),
            )
        )
        for act_id in self._acts_to_answer:
            self._job.write(Acted(id=act_id, name="save", ok=True, message=f"Saved {path}."))
        self._acts_to_answer.clear()
        self._save_reason = ""
        keep_step = self.best_step if self._spec.eval.keep_best else -1
        for gone in prune(Path(args.output_dir), keep=self._spec.save.keep, best_step=keep_step):
            gone_path = os.path.relpath(gone.path, self._job.run.path)
            self._job.write(Pruned(step=gone.step, path=gone_path))
        self._job.phase = "train"

    @property
    def is_out_of_patience(self) -> bool:
        """Whether the log says that early stopping had its way already."""
        patience = self._spec.eval.patience
        return patience > 0 and self._stale >= patience

    def _obey(self, step: int, control: Any) -> None:
        for act in pending(self._job.run):
            act.path.unlink(missing_ok=True)
            if act.name == "stop":
                self._job.stop_wanted = True
                self._job.write(
                    Acted(
                        id=act.id,
                        name=act.name,
                        ok=True,
                        message=f"It saves at step {step} and stops.",
                    )
                )
            elif act.name == "save":
                self._acts_to_answer.append(act.id)
                self._want_save(control, "asked")
            else:
                message = f"'{act.name}' is not known to this worker."
                self._job.write(Acted(id=act.id, name=act.name, ok=False, message=message))
        if self._job.stop_wanted:
            control.should_training_stop = True
            self._want_save(control, "stop")

    def _want_save(self, control: Any, reason: str) -> None:
        control.should_save = True
        self._save_reason = self._save_reason or reason

    def _minutes_are_up(self) -> bool:
        minutes = self._spec.save.every_minutes
        return minutes > 0 and time.monotonic() - self._last_save >= minutes * 60

    def _warn(self, point: Step) -> None:
        """The first silent failure of each kind, said once."""
        if not math.isfinite(point.loss) or not math.isfinite(point.grad_norm):
            self._say_once(
                "train.nan",
                "fail",
                f"Loss is {point.loss} and grad norm {point.grad_norm} at step {point.step}.",
                "Stop, lower train.learning_rate, and use bfloat16 or float32 instead of float16.",
            )
        elif point.loss == 0.0 and point.grad_norm == 0.0:
            self._say_once(
                "train.zero-loss",
                "fail",
                f"Loss and grad norm are 0 at step {point.step}: nothing is being learned.",
                "Check the mask with: tailfin data report FILE --model MODEL",
            )

    def _say_once(self, notice_id: str, severity: str, message: str, fix: str) -> None:
        if notice_id not in self._warned:
            self._warned.add(notice_id)
            self._job.notice(notice_id, severity, message, fix)


def _evals_since_best(status: Status, min_delta: float) -> int:
    """How many evaluations in a row brought no improvement, up to where the log stands."""
    best, stale = math.inf, 0
    for point in status.evals:
        improved = math.isfinite(point.loss) and point.loss < best - min_delta
        stale = 0 if improved or point.step == 0 else stale + 1
        if math.isfinite(point.loss):
            best = min(best, point.loss)
    return stale
