"""Base against tuned: the held-out loss with its interval, and the answers side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from engine.errors import EXIT_NO, TailfinError
from engine.evaluate.report import AnswerPair, EvalReport, last_evaluation, read_answers
from engine.runs.store import RunFolder
from tui.clipboard import copy
from tui.draw.compare_lines import answer_lines, measure_lines, question_lines
from tui.draw.line import BLANK, Line, beside, clip_start, line, wrapped
from tui.screens.base import TailfinScreen
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.sheet import Sheet


@dataclass(frozen=True, slots=True)
class _Found:
    job: RunFolder
    report: EvalReport
    answers: list[AnswerPair]


class CompareScreen(TailfinScreen):
    """The newest evaluation of a run; arrows go from question to question."""

    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,n", "turn(1)", "next question", key_display="Right"),
        Binding("left,p", "turn(-1)", "previous", key_display="Left"),
        Binding("f", "questions", "own questions"),
        Binding("a", "again", "compare again"),
        Binding("c", "copy", "copy path"),
        Binding("escape", "back", "result", key_display="Esc"),
        Binding("up,k", "read(-1)", "read", show=False),
        Binding("down,j", "read(1)", "read", show=False),
        Binding("pageup", "page(-1)", "read", show=False),
        Binding("pagedown", "page(1)", "read", show=False),
    ]

    def __init__(self, run: RunFolder) -> None:
        super().__init__()
        self._run = run
        self._found: _Found | None = None
        self._trouble: TailfinError | None = None
        self._at = 0
        self._is_starting = False  # a comparison was asked for, and it is not known if it began

    def body(self) -> Iterable[Widget]:
        yield Sheet([line(("Reading the evaluation ...", "dim"))], id="measures")
        yield Sheet(id="question")
        yield Paper(id="answers")
        yield NextBar("Back to the result")

    def heading(self) -> tuple[Line, Line]:
        name = clip_start(self._run.id, max(self.size.width - 40, 12))
        return line(("tailfin", "title"), "  ", name), line("base against tuned")

    def help_lines(self) -> list[str]:
        return [
            "The base and the tuned model on the same held-out rows and the same questions, "
            "greedily and with the same limit. The interval is a bootstrap over the rows: where it "
            "holds 0, the difference may be chance.",
            "f asks questions from a file of yours, one per line in a .txt file or chat rows.",
        ]

    def on_mount(self) -> None:
        self.query_one(NextBar).focus()
        self.ask("read", self._read)

    def answered(self, question: str, value: object) -> None:
        if question == "begin":
            self._is_starting = False
        if question == "begin" and isinstance(value, RunFolder):
            self.tailfin.open_result(self._run)  # which shows how far it is
            return
        if isinstance(value, TailfinError):
            if question == "read":
                self._trouble = value
            else:
                self.tailfin.say(f"{value.message} {value.hint}", "error")
        elif isinstance(value, _Found):
            self._found = value
        self.draw()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        found = self._found
        match action:
            case "turn":
                return found is not None and len(found.answers) > 1
            case "copy":
                return found is not None
            case "again" | "questions":
                return not self._is_starting
        return True

    def on_next_bar_pressed(self) -> None:
        self.tailfin.open_result(self._run)

    def action_turn(self, by: int) -> None:
        """Another question; after the last comes the first."""
        if self._found is not None and self._found.answers:
            self._at = (self._at + by) % len(self._found.answers)
            self.draw()

    def action_read(self, by: int) -> None:
        self.query_one(Paper).action_scroll_by(by)

    def action_page(self, by: int) -> None:
        self.query_one(Paper).action_scroll_page(by)

    def action_questions(self) -> None:
        from tui.screens.questions import QuestionsScreen

        self.app.push_screen(QuestionsScreen(self._run), self._ask_others)

    def action_again(self) -> None:
        """Measure and ask once more, the usual questions."""

        def begin() -> RunFolder:
            from engine.evaluate.delivered import find_delivered
            from engine.evaluate.questions import usual_questions

            questions = usual_questions(find_delivered(self._run).spec)
            return self._start(questions)

        self._begin(begin)

    def action_copy(self) -> None:
        """The path of the answers, for reading or sharing them whole."""
        from engine.evaluate.report import ANSWERS

        if self._found is not None:
            path = str(self._found.job.path / ANSWERS)
            self.tailfin.say(f"{path}\n{copy(self.app, path)}")

    async def action_back(self) -> None:
        self.tailfin.open_result(self._run)

    def _ask_others(self, questions: Path | None) -> None:
        if questions is not None:
            self._begin(lambda: self._start(questions))

    def _begin(self, start: Callable[[], RunFolder]) -> None:
        """Once, however impatiently it is asked for."""
        if not self._is_starting:
            self._is_starting = True
            self.ask("begin", start)
            self.refresh_bindings()

    def _start(self, questions: Path | None) -> RunFolder:
        from engine.evaluate.start import start_evaluation

        return start_evaluation(self._run, questions=questions)

    def _read(self) -> _Found:
        found = last_evaluation(self._run)
        if found is None:
            raise TailfinError(
                "Base and tuned were not compared yet.",
                "Go back and press v.",
                exit_code=EXIT_NO,
            )
        job, report = found
        return _Found(job, report, read_answers(job))

    def draw(self) -> None:
        measures, asked = self.query_one("#measures", Sheet), self.query_one("#question", Sheet)
        paper = self.query_one(Paper)
        width = measures.content_size.width
        if width <= 0:
            return
        if self._trouble is not None:
            said = wrapped(self._trouble.message, width, "warn")
            measures.show([*said, *wrapped(f"Do: {self._trouble.hint}", width)])
            return
        found = self._found
        if found is None:
            return
        is_short, ascii_only = self.size.height < 20, self.tailfin.ascii_only
        measures.show(measure_lines(found.report, width, ascii_only=ascii_only, is_short=is_short))
        if not found.answers:
            asked.show([BLANK, line(("No questions were asked.", "dim"))])
            return
        pair = found.answers[self._at]
        count = line((f"Question {self._at + 1} of {len(found.answers)}", "title"))
        keys = line(("Left Right", "key")) if len(found.answers) > 1 else BLANK
        head = [] if is_short else [BLANK]
        head.append(beside(count, keys, width))
        asked.show([*head, *question_lines(pair, width, 2 if is_short else 4), BLANK][:9])
        limit = found.report.answers.max_new_tokens
        paper.put(answer_lines(pair, limit, paper.content_size.width or width))
