"""Follows a run or job on a plain terminal: history first, then what happens, until it ends."""

from __future__ import annotations

import math
import shutil
import sys
import time

from engine.data.text import inert
from engine.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_NO, EXIT_OOM
from engine.runs.events import (
    Acted,
    Body,
    Checkpointed,
    Evaluated,
    Event,
    Notice,
    Plan,
    Progress,
    Stage,
    Started,
    Step,
    encode,
)
from engine.runs.reader import Reader
from engine.runs.state import LIVE, Observed, Observer, log_tail
from engine.runs.store import RunFolder, name_of

_EVERY_S = 0.2


def follow(run: RunFolder, *, as_json: bool = False) -> int:
    """Print everything a run says until it ends; returns its exit code.

    Ctrl-C leaves and says so: the run does not belong to this terminal.
    """
    observer, reader, printer = Observer(run), Reader(run.events), Printer()
    try:
        while True:
            observed = observer.look()
            while batch := reader.read():
                for event in batch:
                    if as_json:
                        sys.stdout.write(encode(event).decode("utf-8"))
                    else:
                        printer.show(event)
            sys.stdout.flush()
            if observed.state not in LIVE:
                break
            time.sleep(_EVERY_S)
    except KeyboardInterrupt:
        printer.end_line()
        print(f"Left it running. Come back: tailfin attach {name_of(run)}", file=sys.stderr)
        print(f"                 End it:    tailfin stop {name_of(run)}", file=sys.stderr)
        return EXIT_INTERRUPTED
    if not as_json:
        printer.end_line()
        print(ending(run, observed))
    return exit_code(observed)


def exit_code(observed: Observed) -> int:
    """0 finished or stopped as asked, 3 out of memory, 1 every other ending."""
    if observed.state in ("finished", "stopped"):
        return EXIT_DONE
    failed, exited = observed.status.failed, observed.status.exited
    if failed is not None and observed.state == "failed":
        return failed.exit_code
    return EXIT_OOM if exited is not None and exited.oom_kills > 0 else EXIT_NO


def ending(run: RunFolder, observed: Observed) -> str:
    """How it ended and what to do next, in a few lines; safe to print."""
    lines = [f"{observed.state.upper()}: {observed.message}".rstrip(": ")]
    failed = observed.status.failed
    again = "call the command again" if run.is_job else f"tailfin resume {name_of(run)}"
    if observed.state == "failed" and failed:
        lines.append(f"  do: {failed.hint}")
    elif observed.state in ("crashed", "elsewhere"):
        lines += [f"  | {line}" for line in log_tail(run)]
        lines.append(f"  do: {again}")
    elif observed.state == "stopped":
        lines.append(f"  do: {again}")
    elif observed.state == "finished" and observed.status.finished:
        result = run.path / observed.status.finished.result
        lines += [f"  result: {result}"] if result.exists() else []
    return "\n".join(inert(line) for line in lines)


class Printer:
    """Turns events into lines; on a terminal, progress rewrites one line in place."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._line_open = False
        self._passes = False
        self._last_shown = 0.0
        self._plan: Plan | None = None
        self._from_step = 0
        self._stage = ""

    def show(self, event: Event) -> None:
        body = event.body
        if isinstance(body, Plan):
            self._plan = body
        if isinstance(body, Started):
            self._from_step = body.from_step
        if isinstance(body, Stage):
            self._stage = body.name
        # A folder from elsewhere may say anything: nothing in it may drive this terminal.
        text = inert(self._text(body))
        if not text:
            return
        passing = isinstance(body, Progress | Step)
        if passing and self._live:
            width = shutil.get_terminal_size().columns
            sys.stdout.write(f"\r\x1b[K{text[: width - 1]}")
            self._line_open = True
            # A step and an evaluation's batches make way for what comes of them.
            self._passes = isinstance(body, Step) or self._is_eval(body)
            return
        if passing and (self._is_eval(body) or not self._is_due(body, event.time)):
            return
        self.end_line()
        print(text)

    def end_line(self) -> None:
        if self._line_open:
            sys.stdout.write("\r\x1b[K" if self._passes else "\n")
            self._line_open = False

    def _is_eval(self, body: Body) -> bool:
        return isinstance(body, Progress) and body.stage == "eval"

    def _is_due(self, body: Body, now: float) -> bool:
        """Without a terminal: the first, the last and about one line in two seconds."""
        if isinstance(body, Step) and self._plan:
            done = body.step in (1, self._plan.max_steps)
        else:
            done = isinstance(body, Progress) and body.done >= body.total
        if done or now - self._last_shown >= 2.0:
            self._last_shown = now
            return True
        return False

    def _text(self, body: Body) -> str:
        match body:
            case Started():
                again = f", attempt {body.attempt} from step {body.from_step}"
                return f"{body.job} started on {body.host}" + (again if body.attempt > 1 else "")
            case Stage():
                return f"[{body.name}] {body.detail}".rstrip()
            case Progress():
                return _progress(body)
            case Plan():
                return _plan(body)
            case Step():
                return self._step(body)
            case Evaluated():
                best = "  (best so far)" if body.best and body.step else ""
                best = "  (before training)" if body.step == 0 else best
                accuracy = "" if math.isnan(body.accuracy) else f"  accuracy {body.accuracy:.1%}"
                return f"  step {body.step}: held-out loss {body.loss:.4f}{accuracy}{best}"
            case Checkpointed():
                size = body.num_bytes / 1024**2
                return f"  step {body.step}: saved {body.path} ({size:.1f} MiB, {body.reason})"
            case Notice():
                fix = f" Do: {body.fix}" if body.fix else ""
                return f"  {body.severity.upper()}: {body.message}{fix}"
            case Acted():
                return f"  {body.name}: {body.message}"
        return ""

    def _step(self, step: Step) -> str:
        of = f"/{self._plan.max_steps}" if self._plan else ""
        left = ""
        done = step.step - self._from_step
        if self._plan and done > 0 and step.elapsed_s:
            # The seconds are those of this attempt, and so must the steps be.
            remaining = (self._plan.max_steps - step.step) * step.elapsed_s / done
            left = f"  left {clock(remaining)}"
        return (
            f"  step {step.step}{of}  loss {step.loss:.4f}  grad {step.grad_norm:.2f}  "
            f"lr {step.learning_rate:.2e}  {step.tokens_per_s:,.0f} tok/s{left}"
        )


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:30 or 3:05:00."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def _progress(body: Progress) -> str:
    share = body.done / body.total if body.total else 0.0
    if body.unit == "bytes":
        mib = 1024**2
        amount = f"{body.done / mib:,.1f} of {body.total / mib:,.1f} MiB"
        rate = f"  {body.rate / mib:,.1f} MiB/s"
    else:
        amount = f"{body.done:,.0f} of {body.total:,.0f} {body.unit}"
        rate = ""
    left = f"  left {clock(body.eta_s)}" if body.eta_s >= 1 else ""
    return f"  {body.stage} {share:4.0%}  {amount}{rate}{left}"


def _plan(plan: Plan) -> str:
    share = plan.trained_params / plan.total_params if plan.total_params else 0.0
    return (
        f"  {plan.num_rows} rows to train, {plan.num_eval_rows} held out, {plan.max_steps} steps "
        f"of {plan.micro_batch} x {plan.accumulation} rows on {plan.device} ({plan.dtype}); "
        f"{plan.trained_params:,} of {plan.total_params:,} parameters trained ({share:.2%})"
    )
