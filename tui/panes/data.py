"""The data step: a file, what was recognised in it, what is wrong with it, and rows to read."""

from __future__ import annotations

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
from tui.draw.line import BLANK, Line, clip_start, line, padded, wrapped
from tui.panes.base import Pane
from tui.panes.data_lines import (
    LAYOUTS,
    fact_lines,
    finding_lines,
    headline,
    num_bad,
    sample_lines,
    summary,
    token_facts,
    trouble_lines,
)
from tui.panes.mapping import MappingRows, is_mappable, other_layouts
from tui.panes.recent_data import RecentData, recent_data
from tui.panes.token_count import count_tokens, start_reading
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

# How long nobody types before a path is looked at.
_PAUSE_S = 0.5
# Questions, and the settings whose files they are about.
_ROWS, _HELD, _TOKENS, _RECENT = "rows", "held", "tokens", "recent"
_PATHS = {_ROWS: "data.path", _HELD: "data.eval_path"}
_BROWSE, _SKIP = "browse", "skip"


class DataPane(Pane):
    """Reads a file in a child process: its rows, then its tokens by the model's tokenizer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "skip", "leave bad rows out"),
        Binding("f3", "browse", "browse files", key_display="F3"),
        Binding("r", "read", "read again"),
        Binding("pagedown", "page(1)", "read on", show=False),
        Binding("pageup", "page(-1)", "read back", show=False),
        Binding("down", "list", "to the list", show=False),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._readers = {_ROWS: Inspector(), _HELD: Inspector()}
        self._troubles: dict[str, Unreadable | TailfinError] = {}
        # question -> when it was asked, for the seconds on the screen
        self._asked: dict[str, float] = {}
        self._pause: Timer | None = None
        self._seconds: Timer | None = None
        self._recent: tuple[RecentData, ...] = ()
        self._completions: tuple[str, ...] = ()
        self._is_typing = False

    def compose(self) -> ComposeResult:
        for question, label, says in (
            (_ROWS, "Data file", "JSON, JSONL, CSV or Parquet"),
            (_HELD, "Held out", "a file of its own, or empty: split off the data file"),
        ):
            with Horizontal(classes="field"):
                yield Sheet([line(f"  {label}")], classes="label")
                text = self.draft.text(_PATHS[question])
                yield PathInput(text, placeholder=says, id=f"{question}-path")
        yield Sheet(id="completions")
        yield Sheet(id="said")
        yield MappingRows(id="mapping")
        yield Rows(id="choices")
        with Horizontal(id="found"):
            yield Paper(id="report")
            yield Paper(id="sample")

    def on_mount(self) -> None:
        self.ask(_RECENT, lambda: recent_data(self.tailfin.options.runs))
        self._seconds = self.set_interval(1.0, self._tick)
        self._read_missing()
        found = self.draft.inspection
        if found is not None and found.tokens is None:
            self._count()
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        for reader in self._readers.values():
            reader.cancel()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # What stands in the way.

    @property
    def stop(self) -> str:
        found, held = self.draft.inspection, self.draft.held_out
        if not self._path(_ROWS):
            return "Name a data file, or choose one below."
        if self._asks_mapping:
            return "Say which column is which, then press Enter."
        if _ROWS in self._troubles:
            return "This file cannot be read as it is."
        if found is None:
            return "The file is being read."
        if not found.num_rows:
            return "No row of this file can be used."
        if _HELD in self._troubles or (held is not None and not held.num_rows):
            return "The held-out file cannot be used as it is."
        if self._path(_HELD) and held is None:
            return "The held-out file is being read."
        if self._num_bad and not self.draft.skip_bad_rows:
            return "Correct the bad rows and press r, or leave them out with s."
        return ""

    @property
    def forward(self) -> str:
        return "Continue, the count goes on" if _TOKENS in self._asked else "Continue to the method"

    def first(self) -> Widget | None:
        if not self.stop and self._is_typing:
            return None  # the bar must not take the keys of somebody who is still typing
        if self._asks_mapping:
            return self.query_one(MappingRows)
        if self.stop and self._choices() and self._path(_ROWS):
            return self.query_one("#choices", Rows)
        at_fault = _HELD if _HELD in self._troubles else _ROWS
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
        if not self._path(_ROWS):
            self.action_list()
        elif not self.stop:
            self.post_message(self.Onward(self))
        else:
            self._go_where_it_stops()

    def on_path_input_choices(self, message: PathInput.Choices) -> None:
        message.stop()
        self._completions = message.choices
        self._draw()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        kind, _, value = message.key.partition(":")
        if kind == _BROWSE:
            self.action_browse()
        elif kind == _SKIP:
            self.action_skip()
        elif kind == "layout":
            self.change(self.draft.choose("data.format", value))
            self.action_read()
        else:
            self._take(_ROWS, value)

    def on_mapping_rows_confirmed(self, message: MappingRows.Confirmed) -> None:
        message.stop()
        self.change(self.draft.choose("data.columns", message.columns))
        self.action_read()

    def action_list(self) -> None:
        """From the fields to what can be chosen below them."""
        if self._asks_mapping:
            self.query_one(MappingRows).focus()
        elif self._choices():
            self.query_one("#choices", Rows).focus()

    def action_skip(self) -> None:
        """Leave the rows out that cannot be used, or take that back."""
        if not self._num_bad:
            return
        self.change(replace(self.draft, skip_bad_rows=not self.draft.skip_bad_rows))
        self._draw()

    def action_read(self) -> None:
        """Read both files from their beginning."""
        self._is_typing = False
        self._void(_ROWS)
        self._void(_HELD)
        draft = replace(self.draft, inspection=None, held_out=None, counting=None, suggestions=())
        self.change(draft)
        self._read_missing()
        self._field(_ROWS).focus()

    def action_page(self, by: int) -> None:
        for paper in self.query(Paper):
            paper.action_scroll_page(by)

    def action_browse(self) -> None:
        """Choose a file by walking through the folders."""
        from tui.screens.picker import PickerScreen

        question = _HELD if self._field(_HELD).has_focus else _ROWS
        typed = Path(self._path(question) or self._path(_ROWS)).expanduser()
        folder = typed if typed.is_dir() else typed.parent
        title = "Choose a data file" if question == _ROWS else "Choose a file of held-out rows"
        self.app.push_screen(
            PickerScreen(title, folder.resolve() if folder.is_dir() else Path.cwd(), folders=False),
            lambda path: self._take(question, str(path)) if path is not None else None,
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "skip":
            return bool(self._num_bad)
        return bool(self._path(_ROWS)) if action == "read" else True

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
                self._troubles[_TOKENS] = trouble
                self.draft = replace(self.draft, counting=None)
            case "held", Inspection():
                self.change(replace(self.draft, held_out=value))
            case (("rows" | "held"), (Unreadable() | TailfinError()) as trouble):
                self._troubles[question] = trouble
                self._offer_mapping()
        self.settle()
        self._draw()
        if self.stop and not self._is_typing and self.focused_field is not None:
            self._go_where_it_stops()

    @property
    def focused_field(self) -> PathInput | None:
        """The path that the cursor is in."""
        focused = self.screen.focused
        return focused if isinstance(focused, PathInput) else None

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
        draft = _with(self.draft, _PATHS[question], path)
        if question == _ROWS:
            is_filed = path == self.draft.filed.get("data.path")
            for setting, nothing in (("data.columns", {}), ("data.format", "auto")):
                draft = draft.forget(setting)
                if setting in draft.filed and not is_filed:  # they belong to the spec's own file
                    draft = draft.choose(setting, nothing)
        self.change(replace(draft, skip_bad_rows=False))
        self._draw()

    def _void(self, question: str) -> None:
        """Forget what is being asked about a file."""
        self._readers[question].cancel()
        for name in (question, _TOKENS) if question == _ROWS else (question,):
            self.forget(name)
            self._asked.pop(name, None)
            self._troubles.pop(name, None)
        if question == _ROWS and self.draft.counting is not None:
            self.draft.counting.cancel()

    def _read_missing(self) -> None:
        """Read what is named and neither known nor refused nor being read."""
        for question, found in ((_ROWS, self.draft.inspection), (_HELD, self.draft.held_out)):
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
        self.settle()
        self._draw()

    def _count(self) -> None:
        """Ask for the tokens too, where the model is known; going on need not wait for them."""
        try:
            counting = self.draft.counting or count_tokens(self.draft)
        except TailfinError as error:
            self._troubles[_TOKENS] = error
            return
        if counting is not None:
            self._asked[_TOKENS] = time.monotonic()
            self.change(replace(self.draft, counting=counting))
            self.ask(_TOKENS, counting.result)

    def _path(self, question: str) -> str:
        return self.draft.text(_PATHS[question])

    def _field(self, question: str) -> PathInput:
        return self.query_one(f"#{question}-path", PathInput)

    @property
    def _num_bad(self) -> int:
        return num_bad(self.draft.inspection) + num_bad(self.draft.held_out)

    @property
    def _asks_mapping(self) -> bool:
        return is_mappable(self._troubles.get(_ROWS))

    def _offer_mapping(self) -> None:
        trouble = self._troubles.get(_ROWS)
        if isinstance(trouble, Unreadable) and self._asks_mapping:
            self.query_one(MappingRows).offer(
                trouble.file_columns,
                trouble.first_values,
                trouble.proposal.columns if trouble.proposal else {},
            )

    def _go_where_it_stops(self) -> None:
        self.query_one(MappingRows).display = self._asks_mapping  # what is hidden takes no focus
        self.query_one("#choices", Rows).display = bool(self._choices())
        wanted = self.first()
        if wanted is not None:
            wanted.focus()

    # Drawing.

    def _tick(self) -> None:
        if self._asked:
            self.query_one("#said", Sheet).show(self._said())

    def _draw(self) -> None:
        if not self.size.width:
            return
        completions, choices = self.query_one("#completions", Sheet), self._choices()
        names = [name.rstrip("/").rpartition("/")[2] for name in self._completions]
        listed = wrapped("  ".join(names), max(self.size.width - 14, 20), "dim")[:2]
        completions.show(listed if names else [])
        self.query_one("#said", Sheet).show(self._said())
        self.query_one(MappingRows).display = self._asks_mapping
        rows = self.query_one("#choices", Rows)
        rows.display = bool(choices)
        rows.fill(choices)
        report, sample = self.query_one("#report", Paper), self.query_one("#sample", Paper)
        found = self.draft.inspection
        sample.display = self.tailfin.size.width >= 100 and found is not None
        self.call_after_refresh(self._draw_found)
        if report.content_size.width:
            self._draw_found()
        self.refresh_bindings()

    def _draw_found(self) -> None:
        report, sample = self.query_one("#report", Paper), self.query_one("#sample", Paper)
        width = max(report.content_size.width, 20)
        drawn, found = self._report(width), self.draft.inspection
        if found is not None and found.sample:
            if sample.display:
                sample.put(sample_lines(found.sample, max(sample.content_size.width, 20)))
            else:
                drawn += [BLANK, *sample_lines(found.sample, width)]
        report.put(drawn)

    def _said(self) -> list[Line]:
        """One line on what was found, or on what is being done and for how long."""
        says: Line = BLANK
        found = self.draft.inspection
        if _ROWS in self._asked:
            says = line(f"Reading the file ...{self._for(_ROWS)}")
        elif self._asks_mapping:
            says = line("Nobody knows these columns. ", ("Left and Right", "key"), " choose.")
        elif _ROWS in self._troubles:
            says = line(("FAIL", "fail"), "  The file was not read.")
        elif found is not None:
            says = headline(found, self.draft)
            if _TOKENS in self._asked:
                says = (*says, *line((f", counting tokens ...{self._for(_TOKENS)}", "dim")))
        elif not self._path(_ROWS):
            says = line("What the model is to learn, one conversation per row.")
        return [BLANK, (("  ", ""), *says), BLANK]

    def _for(self, question: str) -> str:
        seconds = int(time.monotonic() - self._asked[question])
        return f" {seconds} s" if seconds else ""

    def _choices(self) -> list[Row]:
        """What can be chosen in this state besides typing another path."""
        if not self._path(_ROWS):
            rows = [Row(f"{_BROWSE}:", line("Browse the files of this box", ("  F3", "key")))]
            room = max(self.size.width - 36, 20)
            return rows + [
                Row(
                    f"recent:{one.path}",
                    line(padded(clip_start(one.path, room), room), " ", (one.source, "dim")),
                )
                for one in self._recent
            ]
        if layouts := other_layouts(self._troubles.get(_ROWS)):
            return [
                Row(f"layout:{name}", line(f"Read it as {LAYOUTS[name]}", (f"  {name}", "dim")))
                for name in layouts
            ]
        if self._num_bad and self.draft.inspection is not None:
            says = f"Leave the {self._num_bad} bad rows out and train on the others"
            if self.draft.skip_bad_rows:
                says = f"Take the {self._num_bad} bad rows back, they are left out now"
            return [Row(_SKIP, line(says, ("  s", "key")))]
        return []

    def _report(self, width: int) -> list[Line]:
        if _ROWS in self._troubles:
            return trouble_lines(self._troubles[_ROWS], width)
        found, held = self.draft.inspection, self.draft.held_out
        if found is None:
            return []
        drawn: list[Line] = []
        if _HELD in self._troubles:
            drawn += [line(("The held-out file:", "title"))]
            drawn += [*trouble_lines(self._troubles[_HELD], width), BLANK]
        told = summary(found, self.draft.resolve(placeholders=True).spec.data, held)
        if found.tokens is not None:
            told += token_facts(found.tokens)
        drawn += fact_lines(told, width)
        findings = finding_lines([*found.findings, *(held.findings if held else ())], width)
        if _TOKENS in self._troubles:
            findings += trouble_lines(self._troubles[_TOKENS], width)
        return [*drawn, BLANK, *findings] if findings else drawn


def _question(field: Input) -> str:
    return (field.id or "").removesuffix("-path")


def _with(draft: Draft, setting: str, path: str) -> Draft:
    """The draft with this file, or without any."""
    if path and path != draft.filed.get(setting):
        return draft.choose(setting, path)
    draft = draft.forget(setting)
    return draft if draft.text(setting) == path else draft.choose(setting, path)
