"""What a run delivered, as rows: what was trained, its losses, its files, and the commands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.evaluate.report import EvalReport
from tui.draw.line import BLANK, Line, labelled, line, wrapped
from tui.draw.words import clock, loss, short_path, size
from tui.result_view import ExportView, ResultView
from tui.widgets.rows import Row

_LABEL = 10
# So many of the delivered files are named, the biggest first.
_NAMED = 3
# What Enter does on a row, by the beginning of its key.
COPY, COMPARE, EXPORT = "copy:", "compare:", "export:"


def result_rows(view: ResultView, commands: Sequence[tuple[str, str]], width: int) -> list[Row]:
    """Rows of at most `width` cells. `commands` are (what it does, command)."""
    rows = _Rows(width)
    _trained(view, rows)
    rows.blank()
    rows.say("Delivered", "title", key=f"{COPY}{view.delivered.result}")
    _delivered(view, rows)
    rows.blank()
    rows.say("Exports", "title", key=EXPORT)
    for export in view.exports:
        _export(export, rows)
    rows.blank()
    rows.say("Base against tuned", "title", key=COMPARE)
    _evaluation(view.report, rows)
    rows.blank()
    rows.add((*line(("Commands", "title")), *line(("  Enter copies one", "dim"))))
    for does, command in commands:
        rows.say(does, "dim", key=f"{COPY}{command}")
        rows.say(f"$ {command}", key=f"{COPY}{command}", indent="  ")
    return rows.made


def verdict_text(report: EvalReport) -> str:
    """What an evaluation found, in one sentence."""
    gap = report.difference
    if gap is None or report.base is None or report.tuned is None:
        return "No rows were held out, so only answers were compared."
    return (
        f"{gap.verdict}: {gap.loss:+.4f} per token, {gap.confidence:.0%} between {gap.low:+.4f} "
        f"and {gap.high:+.4f}, on {report.num_rows} held-out rows"
    )


def _trained(view: ResultView, rows: _Rows) -> None:
    status, spec = view.delivered.status, view.delivered.spec
    plan, train = status.plan, spec.train
    ended = status.finished.message if status.finished else ""
    if status.stopped is not None:
        ended = f"{status.stopped.reason} What was learned until then was delivered."
    rows.say(ended or "It delivered a model.")
    rows.labelled("base", short_path(spec.model.path))
    rows.labelled("data", short_path(spec.data.path))
    if plan is not None:
        rows.labelled(
            "rows",
            f"{plan.num_rows:,} trained on, {plan.num_eval_rows:,} held out, "
            f"at most {plan.max_length:,} tokens each",
        )
    how = str(train.method)
    if view.delivered.is_adapter:
        how += f", rank {train.rank}, alpha {train.alpha:g}"
    how += f", learning rate {train.learning_rate:g}"
    if plan is not None:
        share = plan.trained_params / plan.total_params if plan.total_params else 0.0
        how += f", {plan.micro_batch} x {plan.accumulation} rows per step, {share:.2%} trained"
    rows.labelled("method", how)
    steps = f"{status.step:,}"
    if status.steps:
        steps += f", epoch {status.steps[-1].epoch:.2f}, {status.steps[-1].tokens:,} tokens"
    where = f" on {plan.device} ({plan.dtype})" if plan is not None and plan.device else ""
    took = status.last_time - status.started_time if status.started else 0.0
    attempt = f", attempt {status.attempt}" if status.attempt > 1 else ""
    rows.labelled("steps", f"{steps}, in {clock(took)}{where}{attempt}")
    if view.memory:
        rows.labelled("memory", view.memory)
    if view.cost:
        rows.labelled("cost", view.cost)
    _losses(view, rows)


def _losses(view: ResultView, rows: _Rows) -> None:
    base, tuned = view.base_eval, view.tuned_eval
    if tuned is None:
        steps = view.delivered.status.steps
        last = f"training {loss(steps[-1].loss)} at the last step, " if steps else ""
        plan = view.delivered.status.plan
        if plan is not None and plan.num_eval_rows:
            before = f" ({loss(base.loss)} before training)" if base is not None else ""
            held_out = f"held-out not measured since{before}: compare base and tuned"
        else:
            held_out = "no rows were held out"
        rows.labelled("loss", f"{last}{held_out}")
        return
    before = f"{loss(base.loss)} base -> " if base is not None else ""
    text = f"held-out {before}{loss(tuned.loss)} tuned, at step {tuned.step:,}"
    worse = base is not None and not tuned.loss < base.loss
    rows.labelled("loss", text, "warn" if worse else "value")
    if worse:
        rows.labelled("", "What was delivered is not better than the base.", "warn")


def _delivered(view: ResultView, rows: _Rows) -> None:
    total = size(sum(num_bytes for _, num_bytes in view.files))
    named = [f"{name} {size(num_bytes)}" for name, num_bytes in view.files[:_NAMED]]
    more = f" and {len(view.files) - _NAMED} more" if len(view.files) > _NAMED else ""
    result = view.delivered.result
    rows.labelled(result.name, f"{total}: {', '.join(named)}{more}", key=f"{COPY}{result}")
    rows.labelled("", str(result), key=f"{COPY}{result}")


def _export(export: ExportView, rows: _Rows) -> None:
    key = f"{EXPORT}{export.form}"
    if export.refused:
        rows.labelled(export.form, export.refused, "dim")
    elif export.damaged:
        rows.labelled(export.form, f"{export.damaged} Export it again.", "warn", key=key)
    elif export.report is None:
        rows.labelled(export.form, "not exported yet", "dim", key=key)
    elif export.is_old:
        text = "OLD  it was made before the last training: export it again"
        rows.labelled(export.form, text, "warn", key=key)
        rows.labelled("", str(export.path), key=f"{COPY}{export.path}")
    else:
        report, parity = export.report, export.report.parity
        total = sum(file.num_bytes for file in report.files)
        proof = "OK" if parity.passed else "DIFFERS"
        text = f"{proof}  {size(total)} {report.dtype}, " + (
            f"{_share(parity.kept)} of what training changed kept, {parity.greedy_equal} of "
            f"{parity.num_positions} greedy tokens equal"
        )
        role = "ok" if parity.passed else "fail"
        rows.labelled(export.form, text, role, key=f"{COPY}{export.path}")
        rows.labelled("", str(export.path), key=f"{COPY}{export.path}")
        for note in report.notes:
            rows.labelled("", note, "dim", key=f"{COPY}{export.path}")


def _evaluation(report: EvalReport | None, rows: _Rows) -> None:
    if report is None:
        rows.labelled("", "not compared yet", "dim", key=COMPARE)
        return
    if report.base is not None and report.tuned is not None:
        text = f"held-out {loss(report.base.loss)} base -> {loss(report.tuned.loss)} tuned"
        rows.labelled("loss", text, "value", key=COMPARE)
    rows.labelled("verdict", f"{verdict_text(report)}.", key=COMPARE)
    if report.answers.num_questions:
        text = f"{report.answers.num_questions} questions answered by both; v shows them"
        rows.labelled("answers", text, "dim", key=COMPARE)


def _share(value: float) -> str:
    return f"{value:.1%}" if math.isfinite(value) else "an unknown part"


class _Rows:
    """Rows under construction; every one gets a key of its own, what Enter does in front."""

    def __init__(self, width: int) -> None:
        self.made: list[Row] = []
        self._width = max(width, 20)

    def add(self, drawn: Line, key: str = "") -> None:
        self.made.append(Row(f"{key}\n{len(self.made)}", drawn))

    def blank(self) -> None:
        self.add(BLANK)

    def say(self, text: str, role: str = "", *, key: str = "", indent: str = "") -> None:
        """A text over as many rows as it needs."""
        for drawn in wrapped(text, self._width, role, indent=indent):
            self.add(drawn, key)

    def labelled(self, label: str, text: str, role: str = "", *, key: str = "") -> None:
        for drawn in labelled(label, wrapped(text, self._width - _LABEL, role), _LABEL):
            self.add(drawn, key)
