"""The monitor: one run as it is, once a second; leaving it ends nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.timer import Timer
from textual.widget import Widget

from engine.errors import TailfinError
from engine.runs.events import Acted
from engine.runs.state import LIVE, Observed
from engine.runs.status import Status
from engine.runs.store import all_roots
from tui.draw.history import METRICS
from tui.draw.line import Line, clip_start, line
from tui.draw.run_alerts import Alert, alert_line, alerts, notice_paragraphs
from tui.draw.run_head import stage_line, status_line
from tui.draw.run_numbers import in_two_columns, training_facts
from tui.feed import Feed, ReplayFeed
from tui.lookout import Lookout, Seen
from tui.screens.base import TailfinScreen
from tui.widgets.chart import Chart
from tui.widgets.next_bar import NextBar
from tui.widgets.sheet import Sheet

# From this width on the numbers stand beside the chart, in a column of this width.
BESIDE, SIDE_WIDTH = 120, 46
_NOTHING = Observed("starting", "", Status(), 0)


class MonitorScreen(TailfinScreen):
    """Looks at a feed in a thread and draws what changed; acts go to the run as requests."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "save a checkpoint"),
        Binding("x", "stop", "stop"),
        Binding("space", "pause", "pause"),
        Binding("plus,equals_sign", "faster(2)", "faster", key_display="+"),
        Binding("minus", "faster(0.5)", "slower"),
        Binding("e", "to_end", "end"),
        Binding("0", "restart", "again"),
        Binding("m", "metric", "next chart"),
        Binding("l", "log_scale", "log scale"),
        Binding("n", "notices", "notices"),
        Binding("escape", "back", "home", key_display="Esc"),
    ]

    def __init__(self, feed: Feed, *, every_s: float = 1.0, ended_every_s: float = 5.0) -> None:
        super().__init__()
        self.feed = feed
        self._every_s, self._ended_every_s = every_s, ended_every_s
        self._lookout = Lookout(feed)
        self._seen: Seen | None = None
        self._trouble: TailfinError | None = None
        self._timer: Timer | None = None
        self._is_looking = False
        self._look_again = False
        self._metric = METRICS[0]
        self._is_log = False
        self._asked: dict[str, str] = {}  # id of an act that waits for its answer -> its name
        self._said: Alert | None = None  # the answer to the last act

    def body(self) -> Iterable[Widget]:
        yield Sheet(id="status")
        with Container(id="middle"):
            with Container(id="side"), Horizontal(id="facts"):
                yield Sheet(id="facts-left")
                yield Sheet(id="facts-right")
            yield Chart(id="chart")
        yield Sheet(id="alert")
        yield Sheet(id="log")
        yield NextBar("Result")

    def on_mount(self) -> None:
        self.query_one(NextBar).display = False
        self._arrange()
        self._timer = self.set_interval(self._every_s, self._look)
        self._look()

    def on_unmount(self) -> None:
        self.tailfin.last_words = []

    def on_resize(self) -> None:
        super().on_resize()
        self._arrange()
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.call_after_refresh(self._draw)

    # What is seen

    @property
    def observed(self) -> Observed:
        """The run at the last look."""
        return self._seen.observed if self._seen else _NOTHING

    @property
    def is_live(self) -> bool:
        return self._seen is not None and self.observed.state in LIVE

    @property
    def can_act(self) -> bool:
        """Whether there is a worker that can be asked for something."""
        return self.is_live and not self.feed.is_replay and self._trouble is None

    def _look(self) -> None:
        if self._is_looking:
            return
        self._is_looking = True
        num_lines = max(self.query_one("#log", Sheet).size.height, 6)
        now = self.tailfin.clock()
        self.ask("look", partial(self._lookout.look, now, self._metric, num_lines))

    def answered(self, question: str, value: object) -> None:
        if question == "look":
            self._is_looking = False
            self._take(value)
            if self._look_again:
                self._look_again = False
                self._look()
        elif isinstance(value, TailfinError):
            self._say("fail", value.message, value.hint)
        elif isinstance(value, str):
            self._asked[value] = question
            self._look()

    def _take(self, value: object) -> None:
        before = self.observed.state, self._trouble is None, len(self.observed.status.notices)
        if isinstance(value, TailfinError):
            self._trouble = value
        elif isinstance(value, Seen):
            self._trouble, self._seen = None, value
            self._hear_answers(value.observed.status.acts)
        self._keep_pace()
        after = self.observed.state, self._trouble is None, len(self.observed.status.notices)
        if before != after:
            self.refresh_bindings()
            self.show_heading()
            self._show_way_on()
        self._draw()

    def _keep_pace(self) -> None:
        """Once a second while it lives; afterwards only to notice that it was resumed."""
        is_over = self._seen is not None and not self.is_live
        every_s = self._ended_every_s if is_over or self._trouble else self._every_s
        if self._timer is not None and self._timer._interval != every_s:
            self._timer.stop()
            self._timer = self.set_interval(every_s, self._look)
        self.tailfin.last_words = self._last_words() if self.can_act else []

    def _last_words(self) -> list[str]:
        run = self.feed.run
        name = run.id if run.path.parent in all_roots() else shlex.quote(str(run.path))
        return [f"{run.id} goes on. Come back: tailfin attach {name}  End it: tailfin stop {name}"]

    # Drawing

    def heading(self) -> tuple[Line, Line]:
        name = line(("tailfin", "title"), "  ", clip_start(self.feed.run.id, 40))
        if isinstance(self.feed, ReplayFeed):
            how = "paused" if self.feed.is_paused else f"x{self.feed.speed:g}"
            if self.feed.at_end:
                how = "at its end"
            return (*name, ("  REPLAY ", "warn"), (how, "strong")), ()
        goes_on = line(("leaving does not end the run", "dim"))
        return name, goes_on if self.is_live else ()

    def help_lines(self) -> list[str]:
        return [
            "The run as it is now, read from its folder once a second. The run does not belong "
            "to this screen: leave with q, close the terminal, lose the link; it goes on.",
        ]

    def _arrange(self) -> None:
        width, height = self.size
        self.set_class(width >= BESIDE, "-beside")
        lines = max(height // 4, 2) if height >= 20 else 2
        self.query_one("#log", Sheet).styles.height = min(lines, 12)

    def _draw(self) -> None:
        if not self.is_current or (self._seen is None and self._trouble is None):
            return
        seen = self._seen
        status_sheet, alert_sheet = (
            self.query_one("#status", Sheet),
            self.query_one("#alert", Sheet),
        )
        width = status_sheet.content_size.width
        if not width:
            return
        if seen is None:
            alert_sheet.show(self._alert_lines([], width))
            return
        observed, now = seen.observed, seen.now
        ascii_only = self.tailfin.ascii_only
        status_sheet.show(
            [
                status_line(observed, now, width, is_stopping=self._is_stopping),
                stage_line(observed, now, width, ascii_only=ascii_only),
            ]
        )
        facts = training_facts(observed.status, seen.trend)
        left, right = self.query_one("#facts-left", Sheet), self.query_one("#facts-right", Sheet)
        columns = in_two_columns(facts, left.content_size.width)
        left.show(columns[0])
        right.show(columns[1])
        self.query_one(Chart).draw(
            seen.curves, log_y=self._is_log, ascii_only=ascii_only, is_live=self.is_live
        )
        alert_sheet.show(self._alert_lines(self._alerts(), width))
        log = self.query_one("#log", Sheet)
        log.show([line((text, "dim")) for text in seen.log[-log.size.height :]])

    def _alerts(self) -> list[Alert]:
        seen = self._seen
        trend, now = (seen.trend, seen.now) if seen else (None, 0.0)
        if trend is None:
            return []
        found = alerts(self.observed, trend, now, trouble=self._trouble)
        return [self._said, *found] if self._said else found

    def _alert_lines(self, found: list[Alert], width: int) -> list[Line]:
        if not found and self._trouble is not None:
            found = [Alert("fail", self._trouble.message, self._trouble.hint)]
        return alert_line(found, len(self.observed.status.notices), width)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("save", "stop"):
            return self.can_act
        if action in ("pause", "faster", "to_end", "restart"):
            return self.feed.is_replay
        if action == "notices":
            return bool(self.observed.status.notices)
        return True

    def action_save(self) -> None:
        """Ask the worker for a checkpoint."""
        self._request("save", "A checkpoint was asked for; it is made after the step.")

    def action_stop(self) -> None:
        """End the run with a checkpoint, once that was confirmed."""
        from tui.screens.confirm import ConfirmScreen

        step = self.observed.status.step
        question = ConfirmScreen(
            "Stop the run?",
            [
                f"It saves a checkpoint after the step it is at ({step:,}) and delivers what was "
                "learned so far.",
                f"It can be continued later: tailfin resume {self.feed.run.id}",
            ],
            yes="Stop it",
            no="Let it go on",
        )
        self.app.push_screen(question, self._stop_if)

    def action_metric(self) -> None:
        """The next chart."""
        self._metric = METRICS[(METRICS.index(self._metric) + 1) % len(METRICS)]
        self._look_soon()

    def action_log_scale(self) -> None:
        """The y axis in powers of ten, or back."""
        self._is_log = not self._is_log
        self._draw()

    def action_notices(self) -> None:
        """Everything worth a person's eye, in full."""
        from tui.screens.help import HelpScreen

        notices = self.observed.status.notices
        self.app.push_screen(HelpScreen("Notices", notice_paragraphs(self._alerts(), notices), ()))

    def action_pause(self) -> None:
        self._steer(lambda feed: feed.pause())

    def action_faster(self, factor: float) -> None:
        self._steer(lambda feed: feed.faster(factor))

    def action_to_end(self) -> None:
        self._steer(lambda feed: feed.to_end())

    def action_restart(self) -> None:
        self._steer(lambda feed: feed.restart())

    def on_next_bar_pressed(self) -> None:
        run, state = self.feed.run, self.observed.state
        if self._trouble is not None:
            self.tailfin.go_home()
        elif state in ("finished", "stopped") and run.result is not None:
            self.tailfin.open_result(run)
        else:
            self.tailfin.open_failure(run)

    # Parts of the above

    @property
    def _is_stopping(self) -> bool:
        return any(act.name == "stop" and act.ok for act in self.observed.status.acts)

    def _steer(self, how: Callable[[ReplayFeed], None]) -> None:
        if isinstance(self.feed, ReplayFeed):
            how(self.feed)
            self.show_heading()
            self._look_soon()

    def _look_soon(self) -> None:
        if self._is_looking:
            self._look_again = True
        else:
            self._look()

    def _stop_if(self, is_yes: bool | None) -> None:
        if is_yes:
            self._request("stop", "It was asked to stop; it saves first.")

    def _request(self, name: str, says: str) -> None:
        from engine.runs.acts import request

        self._say("info", says)
        self.ask(name, partial(request, self.feed.run, name))

    def _say(self, severity: str, message: str, fix: str = "") -> None:
        self._said = Alert(severity, message, fix)
        self._draw()

    def _hear_answers(self, acts: tuple[Acted, ...]) -> None:
        for act in acts:
            if self._asked.pop(act.id, None) is not None:
                self._said = Alert("info" if act.ok else "warn", act.message)

    def _show_way_on(self) -> None:
        """Once it has ended, the bar says where Enter leads."""
        bar = self.query_one(NextBar)
        is_over = self._seen is not None and not self.is_live
        bar.display = is_over or self._trouble is not None
        if not bar.display:
            return
        delivered = self.observed.state in ("finished", "stopped")
        has_result = delivered and self.feed.run.result is not None
        bar.say("Home" if self._trouble else "Result" if has_result else "What happened")
        bar.focus()
