"""What a run delivered, and the way on from there: compare, export, chat, take it home."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widget import Widget

from engine.errors import TailfinError
from engine.export.targets import Form
from engine.runs.store import RunFolder
from tui.clipboard import copy
from tui.commands import Command
from tui.draw.job_lines import job_lines
from tui.draw.line import BLANK, Line, clip_start, line, wrapped
from tui.draw.result_lines import COMPARE, COPY, EXPORT, result_rows
from tui.job_watch import JobView, JobWatcher
from tui.journey import Stage, can_compare, goes_on, next_stage, plain_twins, stage_words
from tui.result_view import ResultView, read_result
from tui.screens.base import TailfinScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

_EVERY_S, _QUIET_EVERY_S = 1.0, 5.0


class ResultScreen(TailfinScreen):
    """Enter leads from stage to stage; what takes long is a job that goes on without the screen."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "compare", "compare"),
        Binding("e", "export", "export"),
        Binding("t", "chat", "chat"),
        Binding("c", "copy", "copy home"),
        Binding("x", "end_job", "end the job"),
        Binding("l", "log", "log"),
        Binding("m", "charts", "charts"),
        Binding("r", "resume", "train on"),
        Binding("f", "questions", "own questions"),
        Binding("escape", "back", "home", key_display="Esc"),
        Binding("up,down,pageup,pagedown", "read", "read", show=False),
    ]

    def __init__(self, run: RunFolder, *, has_chatted: bool = False) -> None:
        super().__init__()
        self._run = run
        self._watcher = JobWatcher(run)
        self._view: ResultView | None = None
        self._trouble: TailfinError | None = None
        self._job: JobView | None = None
        self._wanted = ""  # the kind of job that was started here last
        self._is_starting = False  # asked for, and not known yet whether it began
        self._began: RunFolder | None = None  # started here, not seen by the watcher yet
        self._refusal: TailfinError | None = None  # of the last thing that was to be started
        self._is_stopping = False
        self._has_news = False  # a comparison was finished before these eyes and not opened yet
        self._has_chatted = has_chatted
        self._look_at = ""  # the part of the page that a job has just changed
        self._is_looking = False
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        yield Rows(id="result", empty=[line(("Reading what the run left behind ...", "dim"))])
        yield Sheet(id="job")
        yield NextBar("Home")

    def heading(self) -> tuple[Line, Line]:
        name = line(("tailfin", "title"), "  ", clip_start(self._run.id, 48))
        if self._view is None:
            return name, ()
        status = self._view.delivered.status
        is_whole = status.ending == "finished"
        return name, line(("FINISHED", "ok") if is_whole else ("STOPPED", "warn"))

    def help_lines(self) -> list[str]:
        return [
            "What this run delivered. Enter goes on with the next thing that was not done yet: "
            "compare base and tuned, export, chat. Each also has a key of its own.",
            "A comparison and an export are jobs of their own: they go on when this screen or the "
            "terminal is closed, and are found again here.",
            "Up and Down read the whole page; Enter on a path or a command copies it.",
        ]

    def on_mount(self) -> None:
        self.query_one(NextBar).focus()
        self._timer = self.set_interval(_QUIET_EVERY_S, self._look)
        self._read()
        self._look()

    def on_unmount(self) -> None:
        self.tailfin.last_words = []

    def on_screen_resume(self) -> None:
        self._read()
        self._look()

    # What is known

    def answered(self, question: str, value: object) -> None:
        match question:
            case "result":
                self._trouble = value if isinstance(value, TailfinError) else None
                self._view = value if isinstance(value, ResultView) else None
            case "job":
                self._is_looking = False
                if not isinstance(value, TailfinError):
                    self._take_job(value if isinstance(value, JobView) else None)
            case "begin":
                self._begun(value)
            case "stop":
                if isinstance(value, TailfinError):
                    self._is_stopping, self._refusal = False, value
        self.show_heading()
        self.draw()
        if question == "result":
            self._show_news()
        self.refresh_bindings()

    @property
    def is_busy(self) -> bool:
        """Whether a job of this run is at work, or is to be in a moment."""
        return self._is_beginning or (self._job is not None and self._job.is_live)

    @property
    def _is_beginning(self) -> bool:
        return self._is_starting or self._began is not None

    @property
    def stage(self) -> Stage:
        """The next thing that was not done yet."""
        return next_stage(
            self._view,
            is_busy=self.is_busy,
            has_news=self._has_news,
            has_chatted=self._has_chatted,
        )

    def _read(self) -> None:
        self.ask("result", lambda: read_result(self._run))

    def _look(self) -> None:
        if self._is_looking or not self.is_current:
            return
        self._is_looking = True
        self.ask("job", self._watcher.look)

    def _take_job(self, view: JobView | None) -> None:
        before, self._job = self._job, view
        if view is not None and self._began is not None and view.job.path == self._began.path:
            self._began = None
        was_live = before is not None and before.is_live
        has_ended = view is not None and not view.is_live
        is_new = before is None or (view is not None and view.job.path != before.job.path)
        if view is not None and has_ended and (was_live or (is_new and before is not None)):
            self._is_stopping = False
            if view.observed.state == "finished":
                self._has_news = self._has_news or view.kind == "evaluate"
                self._look_at = EXPORT if view.kind == "export" else COMPARE
            self._read()
        self._keep_pace()

    def _keep_pace(self) -> None:
        slow = 2.0 if self.tailfin.options.slow_link else 1.0
        every_s = _EVERY_S * slow if self.is_busy else _QUIET_EVERY_S
        if self._timer is not None and self._timer._interval != every_s:
            self._timer.stop()
            self._timer = self.set_interval(every_s, self._look)
        job = self._began or (self._job.job if self._job and self._job.is_live else None)
        self.tailfin.last_words = goes_on(job, self.tailfin.name_of(job)) if job else []

    # Drawing

    def draw(self) -> None:
        rows = self.query_one(Rows)
        width = rows.content_size.width - 2
        if width <= 0:
            return
        if self._trouble is not None:
            said = wrapped(self._trouble.message, width, "warn")
            said += wrapped(f"Do: {self._trouble.hint}", width)
            rows.fill([Row(str(number), drawn) for number, drawn in enumerate(said)])
        elif self._view is not None:
            twins = plain_twins(self._view, self.tailfin.name_of(self._run))
            rows.fill(result_rows(self._view, twins, width))
        self._draw_job()
        self._show_next()

    def _show_news(self) -> None:
        """Bring what a job changed into sight, its end first and then its beginning."""
        rows = self.query_one(Rows)
        if self._look_at and self._view is not None and rows.rows:
            begin = next(n for n, row in enumerate(rows.rows) if row.key.startswith(self._look_at))
            end = next(n for n in range(begin, len(rows.rows)) if not rows.rows[n].drawn)
            rows.choose(rows.rows[end].key)
            rows.choose(rows.rows[begin].key)
            self._look_at = ""

    def _draw_job(self) -> None:
        sheet = self.query_one("#job", Sheet)
        width = max(self.size.width - 2, 20)
        drawn: list[Line] = []
        if self._refusal is not None:
            drawn = wrapped(self._refusal.message, width, "warn")
            drawn += wrapped(f"Do: {self._refusal.hint}", width)
        if self._is_beginning:
            drawn = [line(("Starting ...", "dim")), BLANK]
        elif self._job is not None and (self._job.is_live or not drawn):
            now, ascii_only = self.tailfin.clock(), self.tailfin.ascii_only
            drawn += job_lines(
                self._job, now, width, ascii_only=ascii_only, is_stopping=self._is_stopping
            )
        sheet.show(drawn)

    def _show_next(self) -> None:
        bar = self.query_one(NextBar)
        if self.is_busy:
            bar.say(self._at_work, "at work; Enter goes on when it is done")
        else:
            bar.say(stage_words(self.stage, self._view))

    @property
    def _at_work(self) -> str:
        """What is being done, as the bar called it."""
        kind = self._job.kind if self._job and not self._is_beginning else self._wanted
        return "Export" if kind == "export" else stage_words("compare", None)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        view, job = self._view, self._job
        match action:
            case "compare" | "questions" | "export" | "chat" | "resume":
                return view is not None and not self.is_busy  # a job has the card
            case "copy":
                return view is not None
            case "end_job":
                return self.is_busy and not self._is_beginning and not self._is_stopping
            case "log":
                return job is not None and job.observed.state not in ("finished", "stopped")
            case "charts":
                return view is None or len(view.delivered.status.steps) > 0
        return True

    def commands(self) -> list[Command]:
        """What has no key of its own."""
        if self._view is None or self.is_busy:
            return []
        return [Command("compare again", "measure and ask once more", self._compare)]

    def on_next_bar_pressed(self) -> None:
        match self.stage:
            case "compare":
                self._compare()
            case "see":
                self._open_comparison()
            case "export":
                self.action_export()
            case "chat":
                self.action_chat()
            case "home":
                self.tailfin.go_home()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        key = message.key.rpartition("\n")[0]
        if key.startswith(COPY):
            self._copy(key.removeprefix(COPY))
        elif key.startswith(COMPARE):
            self.action_compare()
        elif key.startswith(EXPORT):
            self.action_export()

    def action_read(self) -> None:
        """Arrows read the page from wherever the cursor is."""
        self.query_one(Rows).focus()

    def action_compare(self) -> None:
        """Show the comparison; make it where there is none yet."""
        if self._view is not None and self._view.evaluation is not None:
            self._open_comparison()
        elif self._view is not None and can_compare(self._view):
            self._compare()
        else:
            self.tailfin.say("No rows were held out: name a file of questions.")
            self.action_questions()

    def action_questions(self) -> None:
        """Compare on questions from a file of one's own."""
        from tui.screens.questions import QuestionsScreen

        self.app.push_screen(QuestionsScreen(self._run), self._compare_on)

    def action_export(self) -> None:
        """Choose the forms, then start."""
        view = self._view
        if view is None or self.is_busy:
            return
        from tui.screens.export import ExportScreen

        self.app.push_screen(ExportScreen(view), self._export)

    def action_chat(self) -> None:
        self.tailfin.open_chat(self._run)

    def action_copy(self) -> None:
        if self._view is not None:
            self._copy(self._view.copy_home)

    def action_charts(self) -> None:
        self.tailfin.open_run(self._run)

    def action_resume(self) -> None:
        from tui.screens.resume import ResumeScreen

        self.app.push_screen(ResumeScreen(self._run))

    def action_log(self) -> None:
        """Everything the job said."""
        if self._job is None:
            return
        from tui.screens.reading import LogScreen

        self.app.push_screen(LogScreen(self._job.job))

    def action_end_job(self) -> None:
        """End the job that is at work, once that was confirmed."""
        job = self._job
        if job is None or not job.is_live:
            return
        from tui.screens.confirm import ConfirmScreen

        question = ConfirmScreen(
            f"End the {job.called}?",
            ["Nothing of it is kept; the run and what was exported before stay as they are."],
            yes="End it",
            no="Let it go on",
        )
        self.app.push_screen(question, self._end_if)

    # Parts of the above

    def _compare(self) -> None:
        self._begin_comparison(self._view.questions if self._view else None)

    def _compare_on(self, questions: Path | None) -> None:
        if questions is not None:
            self._begin_comparison(questions)

    def _begin_comparison(self, questions: Path | None) -> None:
        from engine.evaluate.start import start_evaluation

        self._begin("evaluate", lambda: start_evaluation(self._run, questions=questions))

    def _export(self, forms: tuple[Form, ...] | None) -> None:
        from engine.export.start import start_export

        if forms:
            self._begin("export", lambda: start_export(self._run, forms))

    def _begin(self, kind: str, start: Callable[[], RunFolder]) -> None:
        """Once, however impatiently it is asked for."""
        if self.is_busy:
            return
        self._wanted, self._refusal, self._is_starting = kind, None, True
        self.ask("begin", start)
        self.draw()
        self.refresh_bindings()

    def _begun(self, value: object) -> None:
        self._is_starting = False
        if isinstance(value, TailfinError):
            self._refusal = value
        elif isinstance(value, RunFolder):
            self._began = value
            self._keep_pace()
            self._look()

    def _open_comparison(self) -> None:
        self.tailfin.open_comparison(self._run)

    def _end_if(self, is_yes: bool | None) -> None:
        from engine.runs.acts import request

        job = self._job
        if is_yes and job is not None and job.is_live:
            self._is_stopping = True
            self.ask("stop", lambda: request(job.job, "stop"))
            self.draw()

    def _copy(self, text: str) -> None:
        self.tailfin.say(f"{text}\n{copy(self.app, text)}")
