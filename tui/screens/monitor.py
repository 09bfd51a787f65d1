"""The monitor: one run as it is, once a second; leaving it ends nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine.cost.price import Price, read_price
from engine.errors import TailfinError
from tui.draw.history import METRICS
from tui.draw.line import Line, clip_start, line
from tui.draw.run_alerts import notice_paragraphs
from tui.farewell import goes_on
from tui.feed import ReplayFeed
from tui.lookout import Picture
from tui.panes.run_view import RunView
from tui.screens.watching import WatchingScreen
from tui.widgets.next_bar import NextBar

# A run that is not read by then is said to be read.
_PATIENCE_S = 0.3


class MonitorScreen(WatchingScreen):
    """Draws a run or a recording; what is asked of a run goes into its folder as a request."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "save", "save", tooltip="ask the run for a checkpoint"),
        Binding("x", "stop", "stop", tooltip="end the run; it saves first"),
        Binding("space", "pause", "pause", tooltip="hold the recording, or go on"),
        Binding("plus,equals_sign", "faster(2)", "faster", key_display="+"),
        Binding("minus", "faster(0.5)", "slower"),
        Binding("e", "to_end", "end", tooltip="show the end of the recording"),
        Binding("0", "restart", "again", tooltip="play from the beginning"),
        Binding("m", "metric", "chart", tooltip="loss, gradient, learning rate or speed"),
        Binding("l", "log_scale", "log y", tooltip="values of the chart in powers of ten"),
        Binding("n", "notices", "notices", tooltip="every warning in full"),
        Binding("escape", "back", "home", key_display="Esc", tooltip="the run goes on"),
    ]

    is_log = False
    price: Price | None = None

    def body(self) -> Iterable[Widget]:
        yield RunView()
        yield NextBar("Result")

    def on_mount(self) -> None:
        self.query_one(NextBar).display = False
        if not self.feed.is_replay:
            with suppress(TailfinError):  # a variable that is no price is no reason not to look
                self.price = read_price()
        self.query_one(RunView).place(self.app.size)
        self.watch_run()
        self.set_timer(_PATIENCE_S, self._say_that_it_reads)

    def on_unmount(self) -> None:
        self.tailfin.last_words = []
        self.let_go()

    def on_resize(self, event: events.Resize | None = None) -> None:
        if event is not None:
            self.query_one(RunView).place(event.size)

    def turned(self) -> None:
        run = self.feed.run
        self.tailfin.last_words = goes_on(run, self.tailfin.name_of(run)) if self.can_act else []
        self.refresh_bindings()
        self.show_heading()
        self._show_way_on()

    # Drawing

    def heading(self) -> tuple[Line, Line]:
        name = line(("tailfin", "title"), "  ", clip_start(self.feed.run.id, 40))
        if isinstance(self.feed, ReplayFeed):
            how = "paused" if self.feed.is_paused else f"x{self.feed.speed:g}"
            how = "at its end" if self.feed.at_end else how
            return (*name, *line(("  REPLAY ", "warn"), (how, "strong"))), ()
        return name, line(("  q leaves, the run goes on", "dim")) if self.can_act else ()

    def help_lines(self) -> list[str]:
        return [
            "The run as it is now, read from its folder once a second. It does not belong to this "
            "screen: leave with q, close the terminal, lose the link; it goes on.",
            "Loss is smoothed over about the last sqrt(n) of n steps, beside it its change over "
            "the last tenth of them and the raw loss of the last step. The gap is the held-out "
            "loss minus the smoothed one: where it grows, the model learns its rows by heart.",
            "Time left comes from the median of the last steps of this attempt, and from what "
            "evaluations and checkpoints took.",
            "Before two steps are done it comes from the rehearsal: the longest rows went through "
            "a step, an evaluation and a save before step 1.",
            "Money is told where the price of an hour was entered (tailfin price 1.89): the box "
            "since the run began, and to its end; once it has ended, what it costs since then.",
            "In the chart the dim line is every step, the bright one is smoothed, o is a held-out "
            "loss. N below the chart marks a loss that was NaN, I one that was infinite.",
        ]

    def draw(self) -> None:
        # What is drawn below a question is painted too, although nobody can see it.
        if self.app.screen is not self or not self.is_mounted:
            return
        if self.seen is None:
            if found := self.alerts():
                self.query_one(RunView).say_alerts(found)
            return
        self.query_one(RunView).draw(
            Picture(
                self.seen,
                tuple(self.alerts()),
                self.reading,
                has_gauges=not self.feed.is_replay,
                is_stopping=self.requests.is_stopping,
                log_y=self.is_log,
                ascii_only=self.tailfin.ascii_only,
                price=self.price,
            )
        )

    def _say_that_it_reads(self) -> None:
        if self.seen is None and self.trouble is None:
            self.query_one(RunView).say_that_it_reads()

    def _show_way_on(self) -> None:
        """Once it has ended, the bar says where Enter leads."""
        bar = self.query_one(NextBar)
        bar.display = self.trouble is not None or (self.seen is not None and not self.is_live)
        if bar.display:
            bar.say(self._way_on()[0])
            bar.focus()

    def _way_on(self) -> tuple[str, Callable[[], object]]:
        """What Enter does now, in words and in deed."""
        run, state = self.feed.run, self.seen.observed.state if self.seen else ""
        if self.feed.is_replay and self.trouble is None:
            return "Play it again", self.action_restart
        if self.trouble is not None or state == "elsewhere":
            return "Home", self.tailfin.go_home
        if self.seen is not None and self.seen.has_result:
            return "Result", partial(self.tailfin.open_result, run)
        return "What happened", partial(self.tailfin.open_failure, run)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("save", "stop"):
            return self.can_act
        if action in ("pause", "faster", "to_end", "restart"):
            return self.feed.is_replay
        if action == "notices":
            return self.has_more
        return True

    def on_next_bar_pressed(self) -> None:
        self._way_on()[1]()

    def action_save(self) -> None:
        """Ask the worker for a checkpoint."""
        self._request("save")

    def action_stop(self) -> None:
        """End the run with a checkpoint, once that was confirmed."""
        from tui.screens.confirm import ConfirmScreen

        status = self.seen.observed.status if self.seen else None
        says = "No step was made yet, so there is nothing to save."
        if status is not None and status.step > 0:
            says = (
                f"It saves a checkpoint after the step it is at (now {status.step:,}) and delivers "
                "what was learned so far."
            )
        again = (
            f"The run can be continued later: tailfin resume {self.tailfin.name_of(self.feed.run)}"
        )
        question = ConfirmScreen("Stop the run?", [says, again], yes="Stop it", no="Let it go on")
        self.app.push_screen(question, self._stop_if)

    def action_metric(self) -> None:
        """The next chart."""
        self.metric = METRICS[(METRICS.index(self.metric) + 1) % len(METRICS)]
        self.look_soon()

    def action_log_scale(self) -> None:
        """The y axis in powers of ten, or back."""
        self.is_log = not self.is_log
        self.draw()

    def action_notices(self) -> None:
        """Everything worth a person's eye, in full."""
        from tui.screens.help import HelpScreen

        notices = self.seen.observed.status.notices if self.seen else ()
        self.app.push_screen(HelpScreen("Notices", notice_paragraphs(self.alerts(), notices), ()))

    def action_pause(self) -> None:
        self._steer(ReplayFeed.pause)

    def action_faster(self, factor: float) -> None:
        self._steer(lambda feed: feed.faster(factor))

    def action_to_end(self) -> None:
        self._steer(ReplayFeed.to_end)

    def action_restart(self) -> None:
        self._steer(ReplayFeed.restart)

    def _steer(self, how: Callable[[ReplayFeed], None]) -> None:
        if isinstance(self.feed, ReplayFeed):
            how(self.feed)
            self.show_heading()
            self.look_soon()

    def _stop_if(self, is_yes: bool | None) -> None:
        if is_yes:
            self._request("stop")

    def _request(self, name: str) -> None:
        from engine.runs.acts import request

        self.requests.asking(name, self.tailfin.clock())
        self.inquire(name, partial(request, self.feed.run, name))
        self.draw()
