"""The last step: what will be run, what it costs, what speaks against it; Enter starts it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input

from engine.command_line import shell_line, train_words
from engine.data.inspect import Inspection, Inspector, Unreadable
from engine.data.text import counted
from engine.errors import TailfinError
from engine.fields import parse
from engine.findings import Finding, any_fail
from engine.memory.budget import Budget
from engine.runs.store import RunFolder, runs_root
from engine.settings import Resolved, with_absolute_paths
from engine.spec import field_paths
from tui.clipboard import copy
from tui.draft import Draft
from tui.draw.line import BLANK, Line, line, wrapped
from tui.panes.base import Pane
from tui.panes.data_lines import fact_lines, finding_lines
from tui.panes.prediction import best_memory_of, row_length, suggestions_for
from tui.panes.review_lines import (
    Outlook,
    amount,
    chosen,
    facts,
    failures,
    too_little_disk,
    warnings,
)
from tui.widgets.line_input import LineInput
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.sheet import Sheet

_START = "start"


class ReviewPane(Pane):
    """Starts exactly one run, however often Enter is pressed."""

    FORWARD = "Start training"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy_command", "copy the command"),
        Binding("f", "show_file", "spec file"),
        Binding("p", "price", "price of an hour"),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._fault: TailfinError | None = None
        self._name_fault: TailfinError | None = None
        self._resolved: Resolved | None = None
        self._budget: Budget | None = None
        self._outlook: Outlook | None = None
        self._outlook_trouble: TailfinError | None = None
        self._said: list[Line] = []
        self._is_confirming = False
        self._resolve()

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Sheet([line("  Run name")], classes="label")
            name = self._resolved.spec.name if self._resolved else self.draft.text("name")
            field = LineInput(name, id="run-name", select_on_focus=False)
            field.cursor_blink = False
            yield field
        yield Sheet(id="start-said")
        with Horizontal(id="review"):
            yield Paper(id="plan")
            yield Paper(id="command")

    def on_mount(self) -> None:
        self.ask("outlook", self._look)
        if self.draft.counting is not None:
            self.ask("tokens", self.draft.counting.result)
        if self.draft.start.is_begun:
            self.ask(_START, self.draft.start.outcome)
            self._say("The run is being started ...")
        elif self.draft.start.error is not None:
            self._refuse(self.draft.start.error)
        self.call_after_refresh(self._draw)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_paper_resized(self, message: Paper.Resized) -> None:
        message.stop()
        self._draw()

    @property
    def stop(self) -> str:
        if self.draft.start.is_begun:
            return "Starting ..."
        if self._name_fault is not None:
            return "Correct the name."
        if self._fault is not None:
            return "This cannot run as it is."
        if fails := failures(self.draft):
            return f"{counted(len(fails), 'failure')} of the box: fix, then step 1."
        return ""

    @property
    def forward(self) -> str:
        return "Start" if self.stop else self.FORWARD

    def first(self) -> Widget | None:
        if self._name_fault is not None:
            return self.query_one("#run-name")
        return None  # the bar says what is in the way, and the keys of this step work from it

    def help_lines(self) -> list[str]:
        return [
            "Everything that will be run, before it is run. Enter starts the training as a process "
            "of its own: it goes on when you leave, and when the connection is lost.",
            "c copies the command that starts the same run without screens; f shows the spec file "
            "that the run keeps; p takes the price of an hour, for costs beside times. Esc goes "
            "back to change anything.",
        ]

    # Keys.

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._name_fault = None
        try:
            name = parse("name", message.value)
        except TailfinError as error:
            self._name_fault = error
        else:
            if self._resolved is None or name != self._resolved.spec.name:
                self.draft = self.draft.choose("name", name)
                self._resolve()
        self.announce()
        self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self.screen.query_one(NextBar).focus()  # Enter twice: a name is no order to start

    def action_copy_command(self) -> None:
        self._say(copy(self.app, self._command()))

    def action_price(self) -> None:
        from tui.screens.price import PriceScreen

        def look_again(is_changed: bool | None) -> None:
            if is_changed:
                self.ask("outlook", self._look)

        self.app.push_screen(PriceScreen(), look_again)

    def action_show_file(self) -> None:
        from engine.runs.create import spec_text
        from tui.screens.reading import ReadingScreen

        if self._resolved is not None:
            lines = spec_text(self._resolved).splitlines()
            title = "spec.toml, as the run will keep it"
            self.app.push_screen(ReadingScreen(title, lines, from_end=False))

    def proceed(self) -> bool:
        """Start the run, after a question where the memory speaks against it."""
        if self._budget is not None and not self._budget.fits:
            self._confirm()
        else:
            self._start()
        return False

    # Starting.

    def answered(self, question: str, value: object) -> None:
        match question, value:
            case "outlook", Outlook():
                self._outlook, self._outlook_trouble = value, None
            case "outlook", TailfinError():
                self._outlook, self._outlook_trouble = None, value
            case "tokens", Inspection():
                self._take_count(value)
            case "start", RunFolder():
                self.tailfin.starting = None
                self.tailfin.open_run(value)
                return
            case "start", TailfinError():
                self.tailfin.starting = None  # said here: no need to say it in the shell again
                self._refuse(value)
            case "start", _:
                error = self.draft.start.error
                if error is not None:
                    self._refuse(error)
        self.announce()
        self._draw()

    def _confirm(self) -> None:
        from tui.screens.confirm import ConfirmScreen
        from tui.widgets.memory_bar import verdict

        if self._is_confirming or self._budget is None:
            return
        self._is_confirming = True
        question = ConfirmScreen(
            "Start although the memory does not suffice?",
            [
                verdict(self._budget),
                "The estimate can be wrong; a run that meets the end of the memory stops with its "
                "state kept and says what to change.",
            ],
            yes="Start it anyway",
            no="Go back",
        )
        self.app.push_screen(question, self._confirmed)

    def _confirmed(self, is_yes: bool | None) -> None:
        self._is_confirming = False
        if is_yes:
            self._start()

    def _start(self) -> None:
        resolved, start = self._resolved, self.draft.start
        if resolved is None or self.stop or not start.begin():
            return
        draft, runs = self.draft, self.tailfin.options.runs
        self.tailfin.starting = start
        self.ask(_START, lambda: start.carry_out(lambda: _begin_run(draft, resolved, runs)))
        self._say("Checking the data, the model and the disk, then starting ...")
        self.announce()

    def _refuse(self, error: TailfinError) -> None:
        width = max(self.size.width - 4, 20)
        drawn = [*wrapped(error.message, width - 6), *wrapped(error.hint, width - 6, "dim")]
        first = (*line(("FAIL  ", "fail")), *drawn[0])
        self._said = [first, *((("      ", ""), *more) for more in drawn[1:])]

    def _say(self, text: str) -> None:
        self._said = wrapped(text, max(self.size.width - 4, 20))
        self._draw()

    def _resolve(self) -> None:
        """The spec that would run, and the memory it needs."""
        self._fault = None
        try:
            self._resolved = with_absolute_paths(self.draft.resolve(), None)
        except TailfinError as error:
            self._resolved, self._fault = None, error
            return
        need = best_memory_of(self.draft, self._resolved.spec)
        self._budget = need if isinstance(need, Budget) else None
        if isinstance(need, TailfinError) and need.where in field_paths():
            self._fault = need  # a setting that cannot work; else the model is only not known

    def _take_count(self, found: Inspection) -> None:
        """What suits these rows is known only now."""
        self.draft = replace(self.draft, inspection=found, counting=None)
        if self._resolved is not None:
            made = suggestions_for(self.draft, self._resolved.spec)
            self.draft = replace(self.draft, suggestions=made)
        self._resolve()
        self.ask("outlook", self._look)

    def _look(self) -> Outlook:
        from engine.cost import forecast as cost
        from engine.cost.price import read_price
        from engine.runs.store import list_runs

        root = self.tailfin.runs_root
        found, resolved = self.draft.inspection, self._resolved
        told = price = None
        with suppress(TailfinError):  # a variable that is no price
            price = read_price()
        shape, card = self.draft.shape, self.draft.card
        counted_tokens = found.tokens if found is not None else None
        if found and counted_tokens and resolved and shape and card:
            much = amount(self.draft, resolved.spec)
            share = much.num_train / max(found.num_rows, 1)
            tokens = round(counted_tokens.num_tokens * share)
            told = cost.forecast(
                shape,
                resolved.spec,
                row_length(self.draft)[0],
                card,
                cost.Amount(tokens, much.num_train, much.num_held_out),
                list_runs(self.tailfin.options.runs),
            )
        from engine.hub.cache import cache_root, free_bytes, is_one_volume

        cache = cache_root()
        is_one = is_one_volume(root, cache)
        return Outlook(free_bytes(root), free_bytes(cache), is_one, told, price)

    def _command(self) -> str:
        if self._resolved is None:
            return ""
        draft, spec = self.draft, self._resolved.spec
        said = {s.path: s.value for s in draft.suggestions if s.path not in draft.filed}
        said |= draft.choices
        for path, value in (
            ("model.path", spec.model.path),
            ("data.path", spec.data.path),
            ("data.eval_path", spec.data.eval_path),
        ):
            if path in said:
                said[path] = value
        words = train_words(said, spec_file=draft.file_name)
        if draft.skip_bad_rows:
            words.append("--skip-bad-rows")
        if self.tailfin.options.runs:
            words += ["--runs", str(self.tailfin.runs_root)]
        return shell_line(words)

    # Drawing.

    def _draw(self) -> None:
        if not self.is_there:
            return
        said = self.query_one("#start-said", Sheet)
        said.show([BLANK, *((("  ", ""), *text) for text in self._said), BLANK])
        if not self._said:
            said.show([BLANK])
        plan, command = self.query_one("#plan", Paper), self.query_one("#command", Paper)
        is_wide = self.tailfin.size.width >= 100
        command.display = is_wide
        width = max(plan.content_size.width, 20)
        error = self._name_fault or self._fault
        fault = [*wrapped(str(error), width, "fail"), BLANK] if error else []
        if self._resolved is None:
            plan.put(fault)
            return
        if is_wide:
            plan.put([*fault, *self._plan(self._resolved, width)])
            command.put(self._rest(self._resolved, max(command.content_size.width, 20)))
        else:
            rest = self._rest(self._resolved, width)
            plan.put([*fault, *self._plan(self._resolved, width), BLANK, *rest])

    def _plan(self, resolved: Resolved, width: int) -> list[Line]:
        root = self.tailfin.runs_root
        told = facts(self.draft, resolved.spec, root, self._budget, self._outlook)
        drawn = fact_lines(told, width)
        if fails := failures(self.draft):
            drawn = [*finding_lines(fails, width), BLANK, *drawn]
        found = [*too_little_disk(self._budget, self._outlook), *warnings(self.draft, self._budget)]
        if (trouble := self._outlook_trouble) is not None:
            found.insert(0, Finding("review.outlook", "warn", trouble.message, trouble.hint))
        return [*drawn, BLANK, *finding_lines(found, width)] if found else drawn

    def _rest(self, resolved: Resolved, width: int) -> list[Line]:
        drawn = [line(("The same without screens", "title"), ("  c copies", "dim"))]
        drawn += wrapped(self._command(), width)
        told = chosen(resolved)
        if told:
            drawn += [BLANK, line(("Not defaults", "title"), ("  f shows the whole file", "dim"))]
            drawn += fact_lines(told, width, label=30)
        return drawn


def _begin_run(draft: Draft, resolved: Resolved, runs: str | None) -> RunFolder:
    """Check what would end the run early, then start it; the data is read in a child."""
    from engine.runs.create import start_training
    from engine.runs.preflight import check_place

    spec = resolved.spec
    check_place(spec, runs_root(runs))
    for path in (spec.data.path, spec.data.eval_path):
        if path:
            _check_rows(path, draft, resolved)
    draft.start.commit()
    return start_training(resolved, runs)


def _check_rows(path: str, draft: Draft, resolved: Resolved) -> None:
    data, reader = resolved.spec.data, Inspector()
    reader.start(path, layout=data.format, columns=data.columns, system=data.system)
    found = reader.result()
    if isinstance(found, Unreadable):
        raise found.error
    if not found.num_rows:
        raise TailfinError(
            f"{path} has no usable row.", "Choose another file in step 3.", where=path
        )
    if any_fail(found.findings) and not draft.skip_bad_rows:
        raise TailfinError(
            f"{path} has {counted(found.num_left_out, 'row')} that cannot be used.",
            "Correct them, or leave them out in step 3.",
            where=path,
        )
