"""Before a resume: from which step, with which changes; then it is started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from tui.ask import Asking
from tui.draw.line import BLANK, Line, line, wrapped
from tui.screens.modal import Modal
from tui.start import Start
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

if TYPE_CHECKING:
    from tui.app import TailfinApp


class ResumeScreen(Asking, Modal[None]):
    """Asks the engine for the plan, shows it, starts it on a yes and opens the monitor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "start", "resume", show=False),
        Binding("n,escape", "dismiss", "back", show=False),
    ]

    def __init__(self, run: RunFolder, asked: Mapping[str, object] | None = None) -> None:
        super().__init__(classes="box small")
        self._run = run
        self._asked = dict(asked or {})
        self._plan: object | None = None
        self._start = Start()

    def compose(self) -> ComposeResult:
        yield Sheet([line((f"Resume {self._run.id}", "title"))], id="box-title")
        yield Sheet([line("Checking the run, its data and its model ...")], id="box-text")
        yield Rows(id="choices")

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self._check(force=False)

    def answered(self, question: str, value: object) -> None:
        from engine.runs.resume import ResumePlan

        if isinstance(value, TailfinError):
            self._tailfin.starting = None
            self._refuse(value)
        elif question == "prepare" and isinstance(value, ResumePlan):
            self._plan = value
            self._offer(value.from_step, value.attempt, value.changes)
        else:
            self._tailfin.starting = None
            self._tailfin.open_run(self._run)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        match message.key:
            case "start":
                self.action_start()
            case "force":
                self._check(force=True)
            case _:
                self.dismiss()

    def action_start(self) -> None:
        from engine.runs.resume import ResumePlan, resume_training

        plan = self._plan
        if not isinstance(plan, ResumePlan) or not self._start.begin():
            return
        self._say(line("Starting ..."))
        self._tailfin.starting = self._start

        def resume() -> RunFolder:
            self._start.commit()
            resume_training(plan)
            return self._run

        self.ask("start", lambda: self._start.carry_out(resume))

    @property
    def _tailfin(self) -> TailfinApp:
        return cast("TailfinApp", self.app)

    def _check(self, *, force: bool) -> None:
        def prepare() -> object:
            from engine.runs.resume import prepare_resume

            return prepare_resume(self._run, self._asked, force=force)

        self.ask("prepare", prepare)

    def _offer(self, from_step: int, attempt: int, changes: Mapping[str, object]) -> None:
        says = "starts from the first step: there is no checkpoint yet."
        if from_step:
            says = f"goes on from step {from_step}."
        lines: list[Line] = [line(f"Attempt {attempt} {says}")]
        lines += [
            line(f"  {path} becomes ", (str(value), "value")) for path, value in changes.items()
        ]
        if not changes:
            lines.append(line("Nothing changes in its settings."))
        self._say(*lines)
        choices = [Row("start", line("Resume", ("  y", "key")))]
        choices.append(Row("back", line("Leave it as it is", ("  n", "key"))))
        self.query_one(Rows).fill(choices, key="start")

    def _refuse(self, error: TailfinError) -> None:
        width = max(self.size.width - 8, 20)
        lines = wrapped(error.message, width, "warn")
        if error.hint:
            lines += [BLANK, *wrapped(f"Do: {error.hint}", width)]
        self._say(*lines)
        choices = [Row("back", line("Back", ("  n", "key")))]
        if "--force" in error.hint:
            choices.append(Row("force", line("That box is gone: resume here")))
        self.query_one(Rows).fill(choices, key="back")

    def _say(self, *lines: Line) -> None:
        self.query_one("#box-text", Sheet).show(lines)
