"""What happened to a run, in words and figures, and the ways on, each on a key."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from tui.clipboard import copy
from tui.commands import Command
from tui.draw.line import Line, line, wrapped
from tui.screens.base import TailfinScreen
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from engine.memory.budget import Budget
    from engine.runs.ending import Action, Ending
    from engine.runs.state import Observed


@dataclass(frozen=True, slots=True)
class _Found:
    observed: Observed
    ending: Ending
    budget: Budget | None


class ActionRows(Rows):
    """The ways on; Enter does the chosen one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "do it", key_display="Enter"),
    ]


class FailureScreen(TailfinScreen):
    """Never a traceback as the only answer: title, evidence, what is kept, ranked actions."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "home", key_display="Esc"),
        Binding("h", "halve", "halve and go on"),
        Binding("r", "resume", "resume"),
        Binding("c", "copy", "copy command"),
        Binding("l", "log", "log"),
        Binding("m", "charts", "charts"),
        Binding("enter", "first", "do it", show=False),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._run = run
        self._found: _Found | None = None

    def body(self) -> Iterable[Widget]:
        yield Rows(id="what", empty=[line(("Reading what the run left behind ...", "dim"))])
        yield ActionRows(id="actions")
        yield Sheet(id="action-detail")

    def heading(self) -> tuple[Line, Line]:
        state = self._found.observed.state if self._found else ""
        return line(("tailfin", "title"), "  ", self._run.id), line((state.upper(), "fail"))

    def help_lines(self) -> list[str]:
        return [
            "Why this run ended. Above: what happened, what it is known by, and what is kept. "
            "Below: what can be done, best first. Enter does the chosen one where tailfin can do "
            "it itself; c copies its command.",
            "After out of memory, h halves the micro-batch and doubles accumulation: the effective "
            "batch, and so the training, stays what it was.",
        ]

    def on_mount(self) -> None:
        self.query_one("#actions").focus()
        self.ask("explain", self._explain)

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, TailfinError):
            said = wrapped(f"{value.message} {value.hint}", max(self.size.width - 6, 20), "warn")
            self.query_one("#what", Rows).fill([Row(str(n), d) for n, d in enumerate(said)])
        elif isinstance(value, _Found):
            self._found = value
            self.show_heading()
            self.draw()
            self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what this ending offers."""
        found = self._found
        match action:
            case "halve":
                return bool(self._relief)
            case "resume":
                return any(action.resumes for action in self._actions) and not self._relief
            case "copy" | "first":
                return bool(self._actions)
            case "charts":
                return found is not None and len(found.observed.status.steps) > 0
        return True

    def commands(self) -> list[Command]:
        """Every action of this ending by its words."""
        return [
            Command(action.says, action.command, lambda n=number: self._do(n))  # type: ignore[misc]
            for number, action in enumerate(self._actions)
        ]

    def on_rows_moved(self, message: Rows.Moved) -> None:
        if message.control.id == "actions":
            self._draw_detail()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        if message.control.id == "actions":
            self._do(int(message.key))

    def action_first(self) -> None:
        self._do(0)

    def action_halve(self) -> None:
        self._do(self._actions.index(self._relief[0]))

    def action_resume(self) -> None:
        self._do(next(n for n, action in enumerate(self._actions) if action.resumes))

    def action_copy(self) -> None:
        key = self.query_one("#actions", Rows).key
        if key:
            self._copy(self._actions[int(key)].command)

    def action_charts(self) -> None:
        self.tailfin.open_run(self._run)

    def action_log(self) -> None:
        """The worker's own last words, many of them."""
        from tui.screens.reading import LogScreen

        self.app.push_screen(LogScreen(self._run))

    @property
    def _actions(self) -> tuple[Action, ...]:
        return self._found.ending.actions if self._found else ()

    @property
    def _relief(self) -> list[Action]:
        """Resumes with fewer rows at once: the one key after out of memory.

        One that goes on as it is names the micro-batch too, but no accumulation to make up for it.
        """
        batches = {"train.accumulation", "eval.micro_batch"}
        return [a for a in self._actions if a.resumes and batches & {p for p, _ in a.changes}]

    def _explain(self) -> _Found:
        from engine.runs.ending import explain_ending, prediction
        from engine.runs.state import observe

        observed = observe(self._run)
        ending = explain_ending(self._run, observed)
        is_memory = ending.kind == "oom"
        return _Found(observed, ending, prediction(self._run, observed) if is_memory else None)

    def draw(self) -> None:
        found = self._found
        what, actions = self.query_one("#what", Rows), self.query_one("#actions", Rows)
        width = what.content_size.width - 2
        if found is None or width <= 0:
            return
        from tui.draw.ending_lines import action_line, ending_lines

        drawn = ending_lines(found.ending, found.budget, width, ascii_only=self.tailfin.ascii_only)
        what.fill([Row(str(number), text) for number, text in enumerate(drawn)])
        actions.fill(
            [
                Row(str(number), action_line(action, width))
                for number, action in enumerate(found.ending.actions)
            ]
        )
        self._draw_detail()

    def _draw_detail(self) -> None:
        sheet, key = self.query_one("#action-detail", Sheet), self.query_one("#actions", Rows).key
        if not key or not sheet.content_size.width:
            return
        from tui.draw.ending_lines import action_detail

        sheet.show(action_detail(self._actions[int(key)], sheet.content_size.width))

    def _copy(self, command: str) -> None:
        self.tailfin.say(f"{command}\n{copy(self.app, command)}")

    def _do(self, number: int) -> None:
        """Resume where the engine can do it; else show and copy the command."""
        action = self._actions[number]
        if not action.resumes:
            self._copy(action.command)
            return
        from tui.screens.resume import ResumeScreen

        changes = {path: json.loads(value) for path, value in action.changes}
        self.app.push_screen(ResumeScreen(self._run, changes))
