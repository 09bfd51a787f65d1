"""The data step: a file, what was recognised in it, what is wrong with it, and rows to read."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from engine.data.inspect import Inspection, Inspector, Unreadable
from engine.errors import TailfinError
from tui.draft import Draft
from tui.draw.line import BLANK, line, wrapped
from tui.panes.base import Pane
from tui.panes.data_state import (
    BROWSE,
    HELD,
    LAYOUT,
    PATHS,
    ROWS,
    SKIP,
    TOKENS,
    DataState,
    with_path,
)
from tui.panes.mapping import MappingRows
from tui.panes.recent_data import RecentData, recent_data
from tui.panes.token_count import count_tokens, is_to_count, spec_of, start_reading
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Rows
from tui.widgets.sheet import Sheet

# How long nobody types before a path is looked at.
_PAUSE_S = 0.5


class DataPane(Pane):
    """Reads a file in a child process: its rows, then its tokens by the model's tokenizer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "skip", "bad rows out or in"),
        Binding("f3", "browse", "browse", key_display="F3"),
        Binding("r", "read", "reread"),
        Binding("t", "tokens", "tokens"),
        Binding("down", "list", "to the list", show=False),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._readers = {ROWS: Inspector(), HELD: Inspector()}
        self._troubles: dict[str, Unreadable | TailfinError] = {}
        # question -> when it was asked, for the seconds on the screen
        self._asked: dict[str, float] = {}
        self._pause: Timer | None = None
        self._recent: tuple[RecentData, ...] = ()
        self._completions: tuple[str, ...] = ()
        self._is_typing = False

    def compose(self) -> ComposeResult:
        for question, label, says in (
            (ROWS, "Data file", "JSON, JSONL, CSV or Parquet"),
            (HELD, "Held out", "empty: split off the data file"),
        ):
            with Horizontal(classes="field"):
                yield Sheet([line(f"  {label}")], classes="label")
                text = self.draft.text(PATHS[question])
                yield PathInput(text, placeholder=says, id=f"{question}-path")
        yield Sheet(id="completions")
        yield Sheet(id="said")
        yield MappingRows(id="mapping")
        yield Rows(id="choices")
        with Horizontal(id="found"):
            yield Paper(id="report")
            yield Paper(id="sample")

    def on_mount(self) -> None:
        self.ask("recent", lambda: recent_data(self.tailfin.options.runs))
        self.set_interval(1.0, self._tick)
        self._read_missing()
        if is_to_count(self.draft):
            self._count()
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        for reader in self._readers.values():
            reader.cancel()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # What stands in the way.

    @property
    def state(self) -> DataState:
        """What is known now; all that is drawn follows from it."""
        now = time.monotonic()
        seconds = {question: int(now - then) for question, then in self._asked.items()}
        return DataState(self.draft, self._troubles, seconds, self._recent)

    @property
    def stop(self) -> str:
        return self.state.stop

    @property
    def forward(self) -> str:
        if self.stop:
            return "Continue"
        return "Continue, the count goes on" if TOKENS in self._asked else "Continue to the method"

    def first(self) -> Widget | None:
        if not self.stop:
            # The bar must not take the keys of somebody who is still typing.
            focused = self.screen.focused
            return (
                focused if isinstance(focused, Rows | PathInput) and not self._is_typing else None
            )
        if self.state.asks_mapping:
            return self.query_one(MappingRows)
        if self.stop and self.state.choices(self.size.width) and self._path(ROWS):
            return self.query_one("#choices", Rows)
        at_fault = HELD if HELD in self._troubles else ROWS
        return self._field(at_fault)

    def help_lines(self) -> list[str]:
        return [
            "Name a file of rows to train on: JSON, JSON Lines, CSV or Parquet. What it holds is "
            "recognised by its content; columns nobody knows are asked for, never guessed. Tab "
            "completes a path, F3 browses, r reads the file again after you changed it.",
            "Held-out rows are not trained on; the loss on them tells learning from memorising. "
            "Without a file of their own a share of the data file is held out.",
            "The maximum length is the tokens a row may have; longer rows are cut. The one from "
            "the data cuts nothing, or at most one row in a hundred where a few are far longer.",
            "t shows the rows that would train worst, token by token: trained, ignored or cut.",
            "Nothing here can know whether an answer is true: read a few rows. PgDn reads on.",
        ]

    # Keys.

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        question = _question(message.input)
        if message.value.strip() == self._path(question):
            return
        self._is_typing = True
        self._put_path(question, message.value.strip())
        self._pause = self.set_timer(_PAUSE_S, self._read_missing)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._is_typing = False
        self._read_missing()
        if not self._path(ROWS):
            self.action_list()
        elif not self.stop:
            self.post_message(self.Onward(self))
        else:
            self._go_where_it_stops()

    def on_paper_resized(self, message: Paper.Resized) -> None:
        message.stop()
        self._draw_found()

    def on_path_input_choices(self, message: PathInput.Choices) -> None:
        message.stop()
        self._completions = message.choices
        self._draw()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        kind, _, value = message.key.partition(":")
        if kind == BROWSE:
            self.action_browse()
        elif kind == SKIP:
            self.action_skip()
        elif kind == LAYOUT:
            self.change(self.draft.choose("data.format", value))
            self.action_read()
        else:
            self._take(ROWS, value)

    def on_mapping_rows_confirmed(self, message: MappingRows.Confirmed) -> None:
        message.stop()
        self.change(self.draft.choose("data.columns", message.columns))
        self.action_read()

    def action_list(self) -> None:
        """From the fields to what can be chosen below them."""
        if self.state.asks_mapping:
            self.query_one(MappingRows).focus()
        elif self.state.choices(self.size.width):
            self.query_one("#choices", Rows).focus()

    def action_skip(self) -> None:
        """Leave the rows out that cannot be used, or take that back."""
        if not self.state.num_bad:
            return
        self.change(replace(self.draft, skip_bad_rows=not self.draft.skip_bad_rows))
        self._draw()

    def action_read(self) -> None:
        """Read both files from their beginning."""
        self._is_typing = False
        self._void(ROWS)
        self._void(HELD)
        draft = replace(self.draft, inspection=None, held_out=None, counting=None, suggestions=())
        self.change(draft)
        self._read_missing()
        self._field(ROWS).focus()

    def action_browse(self) -> None:
        """Choose a file by walking through the folders."""
        from tui.screens.picker import PickerScreen

        question = HELD if self._field(HELD).has_focus else ROWS
        typed = self._path(question) or self._path(ROWS) or "."
        title = "Choose a data file" if question == ROWS else "Choose a file of held-out rows"
        self.app.push_screen(
            PickerScreen(title, Path(os.path.expanduser(typed)), folders=False),
            lambda path: self._take(question, str(path)) if path is not None else None,
        )

    def action_tokens(self) -> None:
        """Show rows token by token, as the model will be trained on them."""
        from tui.screens.tokens import TokensScreen

        spec = spec_of(self.draft)
        if spec is not None and self.draft.inspection is not None:
            self.app.push_screen(TokensScreen(spec))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "skip":
            return bool(self.state.num_bad)
        if action == "tokens":
            return self.draft.inspection is not None and bool(self.draft.text("model.path"))
        return bool(self._path(ROWS)) if action == "read" else True

    # Reading.

    def answered(self, question: str, value: object) -> None:
        self._asked.pop(question, None)
        match question, value:
            case "recent", tuple():
                self._recent = value
            case "rows", Inspection():
                self.change(replace(self.draft, inspection=value))
                self._count()
            case "tokens", Inspection():
                self.change(replace(self.draft, inspection=value, counting=None))
            case "tokens", (Unreadable() | TailfinError()) as trouble:
                self._troubles[TOKENS] = trouble
                self.draft = replace(self.draft, counting=None)
            case "held", Inspection():
                self.change(replace(self.draft, held_out=value))
            case (("rows" | "held"), (Unreadable() | TailfinError()) as trouble):
                self._troubles[question] = trouble
                self._offer_mapping()
        self.announce()
        self._draw()
        # Nothing has the focus yet where the answer comes while the step is being shown.
        if self.stop and not self._is_typing and isinstance(self.screen.focused, PathInput | None):
            self._go_where_it_stops()

    def _take(self, question: str, path: str) -> None:
        """A file that was chosen rather than typed: read at once."""
        field = self._field(question)
        field.value = path
        field.cursor_position = len(path)
        self._is_typing = False
        self._put_path(question, path)
        self._read_missing()
        field.focus()

    def _put_path(self, question: str, path: str) -> None:
        """Put another path into the draft; what was found in the one before no longer holds."""
        self._void(question)
        self._completions = ()
        if self._pause is not None:
            self._pause.stop()
        self.change(with_path(self.draft, question, path))
        self._draw()

    def _void(self, question: str) -> None:
        """Forget what is being asked about a file."""
        self._readers[question].cancel()
        for name in (question, TOKENS) if question == ROWS else (question,):
            self.forget(name)
            self._asked.pop(name, None)
            self._troubles.pop(name, None)
        if question == ROWS and self.draft.counting is not None:
            self.draft.counting.cancel()

    def _read_missing(self) -> None:
        """Read what is named and neither known nor refused nor being read."""
        for question, found in ((ROWS, self.draft.inspection), (HELD, self.draft.held_out)):
            if not self._path(question) or found is not None:
                continue
            if question in self._asked or question in self._troubles:
                continue
            reader = self._readers[question]
            try:
                start_reading(reader, self._path(question), self.draft)
            except TailfinError as error:
                self._troubles[question] = error
            else:
                self._asked[question] = time.monotonic()
                self.ask(question, reader.result)
        self.announce()
        self._draw()

    def _count(self) -> None:
        """Ask for the tokens too, where the model is known; going on need not wait for them."""
        try:
            counting = self.draft.counting or count_tokens(self.draft)
        except TailfinError as error:
            self._troubles[TOKENS] = error
            return
        if counting is not None:
            self._asked[TOKENS] = time.monotonic()
            self.change(replace(self.draft, counting=counting))
            self.ask(TOKENS, counting.result)

    def _path(self, question: str) -> str:
        return self.draft.text(PATHS[question])

    def _field(self, question: str) -> PathInput:
        return self.query_one(f"#{question}-path", PathInput)

    def _offer_mapping(self) -> None:
        trouble = self._troubles.get(ROWS)
        if isinstance(trouble, Unreadable) and self.state.asks_mapping:
            self.query_one(MappingRows).offer(
                trouble.file_columns,
                trouble.first_values,
                trouble.proposal.columns if trouble.proposal else {},
            )

    def _go_where_it_stops(self) -> None:
        self._show_choices()
        wanted = self.first()
        if wanted is not None:
            wanted.focus()

    # Drawing.

    def _tick(self) -> None:
        if self._asked and self.is_there:
            self._say()

    def _say(self) -> None:
        said = [(("  ", ""), *self.state.said())]
        is_short = self.size.height < 18
        self.query_one("#said", Sheet).show(said if is_short else [BLANK, *said, BLANK])

    def _draw(self) -> None:
        if not self.is_there:
            return
        self._say()
        self._show_completions()
        self._show_choices()
        is_wide = self.tailfin.size.width >= 100
        self.query_one("#sample").display = is_wide and self.draft.inspection is not None
        # The room for what was found is known once what stands above it has its height.
        self.call_after_refresh(self._draw_found)
        self.refresh_bindings()

    def _draw_found(self) -> None:
        if not self.is_there:
            return
        report, sample = self.query_one("#report", Paper), self.query_one("#sample", Paper)
        width, state = max(report.content_size.width, 20), self.state
        drawn = state.report(width)
        if sample.display:
            sample.put(state.sample(max(sample.content_size.width, 20)))
        elif rows := state.sample(width):
            drawn += [BLANK, *rows]
        if notes := state.notes(width):
            drawn += [BLANK, *notes]
        report.put(drawn)

    def _show_completions(self) -> None:
        names = [name.rstrip("/").rpartition("/")[2] for name in self._completions]
        listed = wrapped("  ".join(names), max(self.size.width - 14, 20), "dim")[:2]
        self.query_one("#completions", Sheet).show(listed if names else [])

    def _show_choices(self) -> None:
        """Show what has to be chosen; what is hidden takes no focus."""
        state = self.state
        self.query_one(MappingRows).display = state.asks_mapping
        rows, choices = self.query_one("#choices", Rows), state.choices(self.size.width)
        rows.display = bool(choices)
        # A list draws what fits into the height it has, so an automatic one would never grow.
        rows.styles.height = min(len(choices), max(self.size.height // 2, 3))
        rows.fill(choices)


def _question(field: Input) -> str:
    return (field.id or "").removesuffix("-path")
