"""The monitor: one run as it is, once a second; leaving it ends nothing."""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, Protocol

from textual import events
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget

from engine.doctor.gauges import Gauges, Reading
from engine.errors import TailfinError
from engine.runs.store import all_roots
from tui.draw.history import METRICS
from tui.draw.line import Line, clip_start, line
from tui.draw.run_alerts import Alert, notice_paragraphs
from tui.feed import Feed, ReplayFeed
from tui.lookout import Lookout, Picture, Seen, alerts_of
from tui.panes.run_view import RunView, log_height
from tui.requests import Requests
from tui.screens.base import TailfinScreen
from tui.widgets.next_bar import NextBar

# A disk or driver that is silent for this long is named.
_SLOW_S = 10.0


class Meter(Protocol):
    """What the box is asked through; `read` may block and is called in a thread."""

    def read(self, worker_pid: int = 0) -> Reading: ...
    def close(self) -> None: ...


class MonitorScreen(TailfinScreen):
    """Looks at a feed in a thread and draws what changed; acts go to the run as requests."""

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

    def __init__(
        self,
        feed: Feed,
        *,
        gauges: Callable[[], Meter] | None = None,
        every_s: float = 1.0,
        ended_every_s: float = 5.0,
    ) -> None:
        super().__init__()
        self.feed = feed
        self._every_s, self._ended_every_s = every_s, ended_every_s
        self._pace_s = 0.0
        self._timer: Timer | None = None
        self._lookout = Lookout(feed)
        self._seen: Seen | None = None
        self._trouble: TailfinError | None = None
        self._look_again = False
        self._since: dict[str, float] = {}  # question that is open -> when it was asked
        self._make_gauges = gauges or partial(Gauges, os.environ, path=feed.run.path)
        self._gauges: Meter | None = None
        self._reading: Reading | None = None
        self._metric = METRICS[0]
        self._is_log = False
        self._requests = Requests()

    def body(self) -> Iterable[Widget]:
        yield RunView()
        yield NextBar("Result")

    def on_mount(self) -> None:
        self.query_one(NextBar).display = False
        self.query_one(RunView).place(self.app.size)
        self._keep_pace()
        self._tick()

    def on_unmount(self) -> None:
        self.tailfin.last_words = []
        if self._gauges is not None:  # a driver that hangs must not hold up leaving
            threading.Thread(target=self._gauges.close, daemon=True).start()

    def on_resize(self, event: events.Resize | None = None) -> None:
        super().on_resize()
        if event is not None:
            self.query_one(RunView).place(event.size)
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self.call_after_refresh(self._draw)

    # What is seen

    @property
    def is_live(self) -> bool:
        return self._seen is not None and self._seen.is_live

    @property
    def can_act(self) -> bool:
        """Whether there is a worker that can be asked for something."""
        return self.is_live and not self.feed.is_replay and self._trouble is None

    @property
    def _has_more(self) -> bool:
        """Whether there is more to read than the alert on the screen."""
        return self._seen is not None and bool(self._seen.observed.status.notices or self._alerts())

    def _tick(self) -> None:
        if self._is_open("look"):
            self._name_slow_ones()
        else:
            self._look()
        self._ask_gauges()

    def _look(self) -> None:
        now = self.tailfin.clock()
        num_lines = max(log_height(self.app.size.height), 6)
        self._ask("look", partial(self._lookout.look, now, self._metric, num_lines))

    def _look_soon(self) -> None:
        """Look now, or again as soon as the look that is going on has ended."""
        if self._is_open("look"):
            self._look_again = True
        else:
            self._look()

    def _ask_gauges(self) -> None:
        """On its own: a driver that hangs must not hold up the picture of the run."""
        if self.can_act and not self._is_open("gauges"):
            self._ask("gauges", self._read_gauges)

    def _read_gauges(self) -> Reading:
        if self._gauges is None:
            self._gauges = self._make_gauges()
        return self._gauges.read(self._seen.observed.worker_pid if self._seen else 0)

    def answered(self, question: str, value: object) -> None:
        self._since.pop(question, None)
        now = self.tailfin.clock()
        match value:
            case Seen() | TailfinError() if question == "look":
                self._take(value, now)
            case Reading():
                is_first, self._reading = self._reading is None, value
                if is_first:
                    self._draw()
            case TailfinError() if question != "gauges":
                self._requests.refused(value, now)
                self._draw()
            case str():
                self._requests.asked(question, value)
                self._look_soon()

    def _take(self, value: Seen | TailfinError, now: float) -> None:
        before = self._situation()
        if isinstance(value, Seen):
            self._trouble, self._seen = None, value
            self._requests.hear(value.observed.status, now, is_live=value.is_live)
        else:
            self._trouble = value
        if before != self._situation():
            self._keep_pace()
            self.refresh_bindings()
            self.show_heading()
            self._show_way_on()
        self.tailfin.last_words = self._last_words() if self.can_act else []
        self._draw()
        if self._reading is None:
            self._ask_gauges()
        if self._look_again:
            self._look_again = False
            self._look()

    def _situation(self) -> tuple[object, ...]:
        """What keys, title and the bar below depend on."""
        seen = self._seen
        state = seen.observed.state if seen else ""
        return state, self._trouble is None, self._has_more

    def _keep_pace(self) -> None:
        """Once a second while it lives; afterwards only to notice that it was resumed."""
        is_over = self._trouble is not None or (self._seen is not None and not self.is_live)
        every_s = self._ended_every_s if is_over else self._every_s
        if self.tailfin.options.slow_link:
            every_s = max(every_s, 2 * self._every_s)
        if every_s != self._pace_s:
            self._pace_s = every_s
            if self._timer is not None:
                self._timer.stop()
            self._timer = self.set_interval(every_s, self._tick)

    def _name_slow_ones(self) -> None:
        """A disk that hangs gives no answer to draw, so the clock draws."""
        if self.tailfin.clock() - self._since["look"] > _SLOW_S:
            self._draw()

    def _is_open(self, question: str) -> bool:
        return question in self._since

    def _ask(self, question: str, work: Callable[[], object]) -> None:
        self._since[question] = self.tailfin.clock()
        self.ask(question, work)

    def _last_words(self) -> list[str]:
        run = self.feed.run
        name = run.id if run.path.parent in all_roots() else shlex.quote(str(run.path))
        return [
            f"{run.id} goes on.",
            f"  Come back: tailfin attach {name}",
            f"  End it:    tailfin stop {name}",
        ]

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
            "In the chart the dim line is every step, the bright one is smoothed, o is a held-out "
            "loss. N below the chart marks a loss that was NaN, I one that was infinite.",
        ]

    def _draw(self) -> None:
        if not self.is_current or not self.is_mounted:
            return
        if self._seen is None:
            self.query_one(RunView).say(self._alerts())
            return
        self.query_one(RunView).draw(
            Picture(
                self._seen,
                tuple(self._alerts()),
                self._reading,
                has_gauges=not self.feed.is_replay,
                is_stopping=self._requests.is_stopping,
                log_y=self._is_log,
                ascii_only=self.tailfin.ascii_only,
            )
        )

    def _alerts(self) -> list[Alert]:
        now = self.tailfin.clock()
        found: list[Alert] = []
        if self._trouble is not None:
            found.append(Alert("fail", self._trouble.message, self._trouble.hint))
        for question, what in (("look", "The run's folder"), ("gauges", "The GPU driver")):
            waited_s = now - self._since.get(question, now)
            if waited_s > _SLOW_S:
                found.append(Alert("warn", f"{what} has not answered for {waited_s:.0f} s."))
        if said := self._requests.alert(now):
            found.append(said)
        if self._seen is not None:
            found += alerts_of(self._seen, self._reading if self.can_act else None)
        return found

    def _show_way_on(self) -> None:
        """Once it has ended, the bar says where Enter leads."""
        bar = self.query_one(NextBar)
        bar.display = self._trouble is not None or (self._seen is not None and not self.is_live)
        if bar.display:
            bar.say(self._way_on()[0])
            bar.focus()

    def _way_on(self) -> tuple[str, Callable[[], object]]:
        """What Enter does now, in words and in deed."""
        run, state = self.feed.run, self._seen.observed.state if self._seen else ""
        if self.feed.is_replay and self._trouble is None:
            return "Play it again", self.action_restart
        if self._trouble is not None or state == "elsewhere":
            return "Home", self.tailfin.go_home
        if state in ("finished", "stopped") and run.result is not None:
            return "Result", partial(self.tailfin.open_result, run)
        return "What happened", partial(self.tailfin.open_failure, run)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in ("save", "stop"):
            return self.can_act
        if action in ("pause", "faster", "to_end", "restart"):
            return self.feed.is_replay
        if action == "notices":
            return self._has_more
        return True

    def on_next_bar_pressed(self) -> None:
        self._way_on()[1]()

    def action_save(self) -> None:
        """Ask the worker for a checkpoint."""
        self._request("save")

    def action_stop(self) -> None:
        """End the run with a checkpoint, once that was confirmed."""
        from tui.screens.confirm import ConfirmScreen

        status = self._seen.observed.status if self._seen else None
        says = "No step was made yet, so there is nothing to save."
        if status is not None and status.step > 0:
            says = (
                f"It saves a checkpoint after the step it is at (now {status.step:,}) and delivers "
                "what was learned so far."
            )
        again = f"The run can be continued later: tailfin resume {self.feed.run.id}"
        question = ConfirmScreen("Stop the run?", [says, again], yes="Stop it", no="Let it go on")
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

        notices = self._seen.observed.status.notices if self._seen else ()
        self.app.push_screen(HelpScreen("Notices", notice_paragraphs(self._alerts(), notices), ()))

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
            self._look_soon()

    def _stop_if(self, is_yes: bool | None) -> None:
        if is_yes:
            self._request("stop")

    def _request(self, name: str) -> None:
        from engine.runs.acts import request

        self._requests.asking(name, self.tailfin.clock())
        self._ask(name, partial(request, self.feed.run, name))
        self._draw()
