"""A run as it looks: head, numbers, device, chart, alerts and log, drawn from one picture."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.geometry import Size

from tui.draw.device_lines import device_lines, device_panel
from tui.draw.line import BLANK, Line, line, wrapped
from tui.draw.run_alerts import WORDS, Alert, alert_lines
from tui.draw.run_head import path_lines, stage_lines, status_line
from tui.draw.run_numbers import held_out_lines, plan_facts, run_facts
from tui.lookout import Picture
from tui.widgets.chart import Chart
from tui.widgets.sheet import Sheet

# From this width on the numbers stand beside the chart.
BESIDE = 120
# From this height on several alerts are shown at once.
_TALL, _MOST_ALERTS = 34, 3
# Below this height the chart needs the room of some numbers and of the log.
_SHORT = 20
_LEFT_LABEL, _RIGHT_LABEL, _ONE_LABEL = 7, 9, 9


class RunView(Container):
    """Shows what it is given; asks nothing and decides nothing."""

    def compose(self) -> ComposeResult:
        yield Sheet(id="status")
        with Container(id="middle"):
            with Container(id="side"):
                with Horizontal(id="facts"):
                    yield Sheet(id="facts-left")
                    yield Sheet(id="facts-right")
                yield Sheet(id="device")
                yield Sheet(id="more")
            yield Chart(id="chart")
        yield Sheet(id="alert")
        yield Sheet(id="log")

    def place(self, size: Size) -> None:
        """Place the parts for a terminal of this size."""
        self.set_class(size.width >= BESIDE, "-beside")
        self.query_one("#log", Sheet).styles.height = log_height(size.height)

    def draw(self, picture: Picture) -> None:
        """Show it; a cell that stays the same costs nothing."""
        seen, status = picture.seen, picture.seen.observed.status
        width = self._width("#status")
        if not width:
            return
        head = status_line(
            seen.observed,
            seen.now,
            width,
            is_stopping=picture.is_stopping,
            price=picture.price,
        )
        stage = stage_lines(seen.observed, seen.now, width, ascii_only=picture.ascii_only)
        self._show("#status", [head, *stage])
        self._draw_side(picture)
        chart = self.query_one(Chart)
        if status.steps or status.evals:
            chart.draw(
                seen.curves,
                log_y=picture.log_y,
                ascii_only=picture.ascii_only,
                is_live=seen.is_live,
            )
        else:
            chart.say(path_lines(seen.observed))
        most = _MOST_ALERTS if self.app.size.height >= _TALL else 1
        self._show("#alert", alert_lines(picture.alerts, width, most, "n"))
        log = self.query_one("#log", Sheet)
        height = log_height(self.app.size.height)
        log.show([line((text, "dim")) for text in seen.log[-height:]])

    def say_that_it_reads(self) -> None:
        """A long log on a slow disk takes its time."""
        self.query_one(Chart).say([line(("reading the run", "dim"))])

    def say_alerts(self, alerts: Sequence[Alert]) -> None:
        """Alerts without a run, as when its folder could not be read at all."""
        lines: list[Line] = []
        for alert in alerts:
            lines += wrapped(f"{WORDS[alert.severity]}  {alert.message}", self._width("#status"))
            lines += wrapped(alert.fix, self._width("#status"), "dim")
        self.query_one(Chart).say(lines)

    def _draw_side(self, picture: Picture) -> None:
        status = picture.seen.observed.status
        is_short = self.app.size.height < _SHORT
        facts = run_facts(status, picture.seen.trend, is_short=is_short)
        left, right = self._width("#facts-left"), self._width("#facts-right")
        has_device = picture.has_gauges and picture.seen.is_live
        if not self.has_class("-beside"):
            self._show("#facts-left", [fact.drawn(left, _LEFT_LABEL) for fact in facts[::2]])
            self._show("#facts-right", [fact.drawn(right, _RIGHT_LABEL) for fact in facts[1::2]])
            device = device_lines(picture.reading, self._width("#device")) if has_device else []
            self._show("#device", device)
            return
        self._show("#facts-left", [fact.drawn(left, _ONE_LABEL) for fact in facts])
        self._show("#facts-right", [])
        room = self.query_one("#side").content_size.height - len(facts)
        device = []
        if has_device:
            panel = device_panel(
                picture.reading, left, max(room - 1, 2), ascii_only=picture.ascii_only
            )
            device = [BLANK, *panel]
        self._show("#device", device)
        self._show("#more", self._more(picture, left, room - len(device)))

    def _more(self, picture: Picture, width: int, room: int) -> list[Line]:
        """What else fits below: the plan, then the evaluations."""
        status = picture.seen.observed.status
        drawn: list[Line] = []
        plan = [fact.drawn(width, _ONE_LABEL) for fact in plan_facts(status.plan)]
        for lines in (plan, held_out_lines(status, room - len(plan) - 2)):
            if lines and len(drawn) + len(lines) + 1 <= room:
                drawn += [BLANK, *lines]
        return drawn

    def _width(self, query: str) -> int:
        return self.query_one(query, Sheet).content_size.width

    def _show(self, query: str, lines: list[Line]) -> None:
        self.query_one(query, Sheet).show(lines)


def log_height(height: int) -> int:
    """Lines of log for a terminal of this height."""
    return min(height // 4, 12) if height >= _SHORT else 2
