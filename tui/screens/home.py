"""Home: every run in every folder of runs, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widget import Widget

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from tui.draw.line import BLANK, Line, clip_start, line, wrapped
from tui.draw.words import ago, short_path
from tui.screens.base import TailfinScreen
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    # What reads logs is imported in the thread that reads them: the list is drawn before.
    from tui.runs_view import RunsView, RunView

_EVERY_S = 1.0
# A screenful of runs is looked at every second, a heap of them less often.
_MANY = 40
_NEW, _DEMO = "+new", "+demo"


@dataclass(frozen=True, slots=True)
class _Ended:
    run: RunFolder
    has_result: bool


class RunRows(Rows):
    """The list itself, which says what Enter does."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", key_display="Enter"),
    ]


class HomeScreen(TailfinScreen):
    """The list of runs, live ones first, then the newest; Enter opens one where it stands."""

    @dataclass
    class Found(Message, bubble=False):
        """The list so far, while the first reading of many runs goes on."""

        view: RunsView

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "new", "new run"),
        Binding("r", "resume", "resume"),
        Binding("m", "monitor", "charts"),
        Binding("p", "replay", "replay"),
        Binding("w", "why", "why it ended", show=False),
        Binding("d", "demo", "demo"),
        Binding("escape", "nothing", "back", show=False),
    ]

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self._key = key
        self._view: RunsView | None = None
        self._trouble: TailfinError | None = None
        self._ages: list[str] = []
        self._is_looking = False
        self._rests = 0

    def body(self) -> Iterable[Widget]:
        with Container(id="home"):
            yield RunRows([_new_row()], id="runs")
            yield Sheet(_welcome(_NEW), id="run-detail")

    def heading(self) -> tuple[Line, Line]:
        roots, unread = (self._view.roots, self._view.unread) if self._view else ((), 0)
        if self._view is not None and unread:
            num = len(self._view.runs)
            said = line((f"reading {num:,} of {num + unread:,} runs", "dim"))
            return line(("tailfin", "title"), "  runs"), said
        where = clip_start(short_path(roots[0]), max(self.size.width - 30, 10)) if roots else ""
        more = f" and {len(roots) - 1} more" if len(roots) > 1 else ""
        return line(("tailfin", "title"), "  runs"), line((where + more, "dim"))

    def help_lines(self) -> list[str]:
        return [
            "Every run in the folders of runs, those at work first, then the newest. Enter opens "
            "a run: the live charts while it is at work, its result once it finished, what "
            "happened where it failed.",
            "A run does not belong to this screen: leaving never stops one.",
            "New runs go to the folder named in the title; TAILFIN_RUNS or --runs DIR choose it.",
        ]

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self._view = self.tailfin.seen_runs
        self._look()
        self.set_interval(_EVERY_S * (2 if self.tailfin.options.slow_link else 1), self._tick)

    def on_resize(self) -> None:  # textual calls the one of the base class too
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self._draw)

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, _Ended):
            if self.is_current:
                self._open_ended(value)
            return
        if question == "look":
            self._is_looking = False
        if isinstance(value, TailfinError):
            self._trouble = value
            self._draw_detail()
        else:
            self._take(cast("RunsView", value))

    def on_home_screen_found(self, message: Found) -> None:
        if self._is_looking:  # one that came late says less than what is shown
            self._take(message.view)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        self._key = message.key
        self._draw_detail()
        self.refresh_bindings()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        if message.key == _NEW:
            self.action_new()
        elif message.key == _DEMO:
            self.action_demo()
        elif (chosen := self._chosen) is not None:
            self._open(chosen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what applies to the run under the cursor is offered."""
        chosen = self._chosen
        match action:
            case "monitor" | "replay":
                return chosen is not None and len(chosen.observed.status.steps) > 0
            case "resume":
                return chosen is not None and not chosen.is_live
            case "why":
                return chosen is not None and not chosen.is_live
        return True

    def action_new(self) -> None:
        self.tailfin.open_wizard()

    def action_demo(self) -> None:
        self.tailfin.open_demo()

    def action_monitor(self) -> None:
        if self._chosen is not None:
            self.tailfin.open_run(self._chosen.run)

    def action_replay(self) -> None:
        if self._chosen is not None:
            self.tailfin.replay(self._chosen.run)

    def action_why(self) -> None:
        if self._chosen is not None:
            self.tailfin.open_failure(self._chosen.run)

    def action_resume(self) -> None:
        if self._chosen is not None:
            from tui.screens.resume import ResumeScreen

            self.app.push_screen(ResumeScreen(self._chosen.run))

    def action_nothing(self) -> None:
        """Esc at home: there is nothing to go back to."""

    @property
    def _chosen(self) -> RunView | None:
        runs = self._view.runs if self._view else ()
        return next((view for view in runs if str(view.run.path) == self._key), None)

    def _open(self, view: RunView) -> None:
        state, run = view.observed.state, view.run
        if view.is_live or state == "elsewhere":
            self.tailfin.open_run(run)
        elif state in ("finished", "stopped"):
            self.ask("ended", lambda: _Ended(run, run.result is not None))
        else:
            self.tailfin.open_failure(run)

    def _open_ended(self, ended: _Ended) -> None:
        if ended.has_result:
            self.tailfin.open_result(ended.run)
        else:
            self.tailfin.open_failure(ended.run)

    def _take(self, view: RunsView) -> None:
        if view == self._view and self._trouble is None:
            return
        self._view, self._trouble = view, None
        self.show_heading()
        self._draw()

    def _tick(self) -> None:
        if self.app.screen is not self:
            return
        if self._ages != self._ages_now():
            self._draw()
        if self._is_looking:
            return
        runs = self._view.runs if self._view else ()
        is_quiet = not any(view.is_live for view in runs)
        self._rests += 1
        if (is_quiet or len(runs) > _MANY) and self._rests < 5:
            return
        self._rests = 0
        self._look()

    def _look(self) -> None:
        self._is_looking = True

        def tell(view: RunsView) -> None:
            self.post_message(self.Found(view))

        self.ask("look", lambda: self.tailfin.runs_watcher().look(tell))

    def _ages_now(self) -> list[str]:
        """How long ago each run was heard of, as drawn: it changes where nothing else does."""
        now = self.tailfin.clock()
        runs = self._view.runs if self._view else ()
        return [ago(view.observed.status.last_time, now) for view in runs]

    def _draw(self) -> None:
        if self._view is None or not self.is_mounted:
            return
        rows = self.query_one(Rows)
        width = rows.content_size.width - 2
        if width <= 0:
            return
        from tui.draw.home_lines import heading_line, run_line

        self._ages = self._ages_now()
        now, ascii_only = self.tailfin.clock(), self.tailfin.ascii_only
        made = [_new_row()]
        if not self._view.runs:
            words = "  the embedded model and data, in two minutes"
            made.append(Row(_DEMO, line(("Demo", "strong"), (words, "dim"))))
        if self._view.runs:
            made.append(Row("=", heading_line(width), is_heading=True))
        for root, views in _by_root(self._view):
            if len(self._view.roots) > 1:
                made.append(
                    Row(f"={root}", line((clip_start(short_path(root), width), "dim")), True)
                )
            made += [
                Row(str(view.run.path), run_line(view, width, now, ascii_only=ascii_only))
                for view in views
            ]
        first = str(self._view.runs[0].run.path) if self._view.runs else _NEW
        rows.fill(made, key=self._key or first)
        self._key = rows.key
        self._draw_detail()
        self.refresh_bindings()

    def _draw_detail(self) -> None:
        sheet = self.query_one("#run-detail", Sheet)
        width = sheet.content_size.width
        if width <= 0:
            return
        chosen = self._chosen
        if self._trouble is not None:
            lines = wrapped(self._trouble.message, width, "warn")
            lines += wrapped(self._trouble.hint, width)
        elif chosen is not None:
            from tui.draw.home_lines import detail_lines

            now, ascii_only = self.tailfin.clock(), self.tailfin.ascii_only
            lines = detail_lines(chosen, width, now, ascii_only=ascii_only)
        else:
            lines = _welcome(self._key)
        sheet.show(lines)


def _new_row() -> Row:
    return Row(_NEW, line(("New run", "strong"), ("  from a data file", "dim")))


def _by_root(view: RunsView) -> list[tuple[Path, Sequence[RunView]]]:
    grouped: dict[Path, list[RunView]] = {}
    for run in view.runs:
        grouped.setdefault(run.run.path.parent, []).append(run)
    return list(grouped.items())


def _welcome(key: str) -> list[Line]:
    if key == _DEMO:
        return [
            line(("The demo", "title")),
            BLANK,
            line("A tiny model learns a new voice from 400 rows on this very box,"),
            line("through every stage: check, train, compare, export, chat."),
        ]
    return [
        line(("A new run", "title")),
        BLANK,
        line("Five steps: box, model, data, method, review."),
        line("Press Enter in each: what can be known has a default already."),
    ]
