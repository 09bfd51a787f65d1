"""The data step: a file, what was recognised in it, what is wrong with it, and rows to read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from engine.data.inspect import Inspection, Inspector, Unreadable
from engine.errors import TailfinError
from engine.findings import any_fail
from tui.draft import Draft
from tui.draw.line import BLANK, Line, line, wrapped
from tui.panes.base import Pane
from tui.panes.data_lines import (
    fact_lines,
    finding_lines,
    recognised,
    sample_lines,
    summary,
    token_facts,
)
from tui.panes.mapping import MappingRows
from tui.panes.token_count import count_tokens
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

# How long nobody types before a path is looked at.
_PAUSE_S = 0.4
_MOST_RECENT = 6


class DataPane(Pane):
    """Reads a file in a child process: its rows, then its tokens by the model's tokenizer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "skip", "leave bad rows out"),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._rows_reader = Inspector()
        self._held_reader = Inspector()
        self._timer: Timer | None = None
        self._reading = ""
        self._counting = False
        self._trouble: Unreadable | TailfinError | None = None
        self._held_trouble: Unreadable | TailfinError | None = None
        self._recent: tuple[str, ...] = ()
        self._is_typing = False

    def compose(self) -> ComposeResult:
        for id, label, path, says in (
            ("data-path", "Data file", "data.path", "JSON, JSONL, CSV or Parquet"),
            ("eval-path", "Held out", "data.eval_path", "another file, or empty: split off"),
        ):
            with Horizontal(classes="field"):
                yield Sheet([line(f"  {label:<10}")], classes="label")
                field = Input(self.draft.text(path), placeholder=says, id=id, select_on_focus=False)
                field.cursor_blink = False
                yield field
        yield Sheet(id="said")
        yield MappingRows(id="mapping")
        with Horizontal(id="found"):
            yield Rows(id="report")
            yield Rows(id="sample")

    def on_mount(self) -> None:
        self.ask("recent", self._recent_files)
        if not self.draft.text("data.path"):
            pass
        elif self.draft.inspection is None:
            self._read()
        elif self.draft.inspection.tokens is None and self._model:
            self._count()
        if self.draft.text("data.eval_path") and self.draft.held_out is None:
            self._read_held_out()
        self.call_after_refresh(self._draw)

    def on_unmount(self) -> None:
        self._rows_reader.cancel()
        self._held_reader.cancel()

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    # What stands in the way.

    @property
    def stop(self) -> str:
        if not self.draft.text("data.path"):
            return "Type the path of a data file."
        if self._reading:
            return self._reading
        if self._asks_mapping:
            return "Say which column is which, then press Enter."
        if self._trouble is not None:
            return "This file cannot be read as it is."
        if self._held_trouble is not None:
            return "The held-out file cannot be read as it is."
        found = self.draft.inspection
        if found is None:
            return "Reading the file ..."
        if not found.num_rows:
            return "No row of this file can be used."
        if self._num_bad and not self.draft.skip_bad_rows:
            return f"{self._num_bad} rows cannot be used: correct them, or s leaves them out."
        return ""

    @property
    def forward(self) -> str:
        return "Continue, tokens are still counted" if self._counting else self.FORWARD

    def first(self) -> Widget | None:
        if self._asks_mapping:
            return self.query_one(MappingRows)
        if self._num_bad and self.stop:
            return self.query_one("#report", Rows)
        if not self.stop and self._is_typing:
            return None  # the bar must not take the keys of somebody who is still typing
        return self.query_one("#data-path", Input)

    def help_lines(self) -> list[str]:
        return [
            "Name a file of rows to train on: JSON, JSON Lines, CSV or Parquet. What it holds is "
            "recognised by its content; columns nobody knows are asked for, never guessed.",
            "Held-out rows are not trained on; the loss on them tells learning from memorising. "
            "Without a second file a share of the first one is held out.",
            "Nothing here can know whether an answer is true: read a few rows yourself.",
        ]

    # Keys.

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        path = "data.path" if message.input.id == "data-path" else "data.eval_path"
        typed = message.value.strip()
        if typed == self.draft.text(path):
            return
        self._is_typing = True
        if path == "data.path":
            self._rows_reader.cancel()
            self.forget("rows")
            self.forget("tokens")
            self._trouble, self._counting = None, False
            self._reading = "Reading the file ..." if typed else ""
            draft = self.draft.forget("data.columns").forget("data.format")
            self.change(replace(draft.choose(path, typed), skip_bad_rows=False))
        else:
            self._held_reader.cancel()
            self.forget("held")
            self._held_trouble = None
            self.change(self.draft.choose(path, typed))
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE_S, self._typed)
        self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._is_typing = False
        if self._timer is not None:
            self._timer.stop()
            self._typed()
        if not self.stop:
            self.post_message(self.Onward(self))
            return
        wanted = self.first()
        if wanted is not None and wanted is not message.input:
            wanted.focus()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        kind, _, path = message.key.partition(":")
        if kind == "recent":
            self.query_one("#data-path", Input).value = path
            self._is_typing = False
        elif kind == "skip":
            self.action_skip()

    def on_mapping_rows_confirmed(self, message: MappingRows.Confirmed) -> None:
        self.change(self.draft.choose("data.columns", message.columns))
        self._is_typing = False
        self._read()
        self.query_one("#report", Rows).focus()

    def action_skip(self) -> None:
        """Leave the rows out that cannot be used, or take that back."""
        if self._num_bad:
            self.change(replace(self.draft, skip_bad_rows=not self.draft.skip_bad_rows))
            self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return bool(self._num_bad) if action == "skip" else True

    # Reading.

    def answered(self, question: str, value: object) -> None:
        match question, value:
            case "recent", tuple():
                self._recent = value
            case "rows", Inspection():
                self._reading = ""
                self.change(replace(self.draft, inspection=value))
                self._count()
            case "rows", (Unreadable() | TailfinError()) as trouble:
                self._reading, self._trouble = "", trouble
                self._offer_mapping()
            case "tokens", Inspection():
                self._counting = False
                self.change(replace(self.draft, inspection=value, counting=None))
            case "tokens", _:
                self._counting = False
            case "held", Inspection():
                self.change(replace(self.draft, held_out=value))
            case "held", (Unreadable() | TailfinError()) as trouble:
                self._held_trouble = trouble
        self.settle()
        self._draw()

    def _typed(self) -> None:
        self._timer = None
        if self.draft.text("data.path") and self.draft.inspection is None:
            self._read()
        if self.draft.text("data.eval_path") and self.draft.held_out is None:
            self._read_held_out()

    def _read(self) -> None:
        """Ask for the rows; the tokens are asked for when these are there."""
        self._trouble = None
        self._start("rows", self._rows_reader, self.draft.text("data.path"))
        if self._trouble is None:
            self._reading = "Reading the file ..."
        self.settle()
        self._draw()

    def _read_held_out(self) -> None:
        self._held_trouble = None
        self._start("held", self._held_reader, self.draft.text("data.eval_path"))

    def _start(self, question: str, reader: Inspector, path: str) -> None:
        columns = self.draft.value("data.columns")
        try:
            reader.start(
                path,
                layout=self.draft.text("data.format") or "auto",
                columns=columns if isinstance(columns, dict) else None,
                system=self.draft.text("data.system"),
            )
        except TailfinError as error:
            self.answered(question, error)
            return
        self.ask(question, reader.result)

    def _count(self) -> None:
        """Ask for the tokens too, where the model is known; going on need not wait for them."""
        counting = self.draft.counting or count_tokens(self.draft)
        if counting is None:
            return
        self._counting = True
        self.change(replace(self.draft, counting=counting))
        self.ask("tokens", counting.result)

    @property
    def _model(self) -> str:
        return self.draft.text("model.path")

    @property
    def _num_bad(self) -> int:
        """Rows of both files that cannot be used."""
        files = (self.draft.inspection, self.draft.held_out)
        return sum(file.num_left_out for file in files if file and any_fail(file.findings))

    @property
    def _asks_mapping(self) -> bool:
        trouble = self._trouble
        return isinstance(trouble, Unreadable) and len(trouble.file_columns) > 1

    def _offer_mapping(self) -> None:
        trouble = self._trouble
        if isinstance(trouble, Unreadable) and self._asks_mapping:
            chosen = trouble.proposal.columns if trouble.proposal else {}
            mapping = self.query_one(MappingRows)
            mapping.offer(trouble.file_columns, trouble.first_values, chosen)
            if not self._is_typing and self.has_focus_within:
                self.call_after_refresh(mapping.focus)

    def _recent_files(self) -> tuple[str, ...]:
        return recent_files(self.tailfin.options.runs)

    # Drawing.

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        self.query_one(MappingRows).display = self._asks_mapping
        self.query_one("#said", Sheet).show([BLANK, self._headline(), BLANK])
        report, sample = self.query_one("#report", Rows), self.query_one("#sample", Rows)
        is_wide = self.tailfin.size.width >= 100
        found = self.draft.inspection
        sample.display = is_wide and found is not None
        width = max(report.content_size.width - 2, 20)
        rows = self._report(width)
        if found is not None and found.sample:
            if is_wide:
                beside = max(sample.content_size.width - 2, 20)
                sample.fill(_reading(sample_lines(found.sample, beside), "sample"))
            else:
                rows += _reading([BLANK, *sample_lines(found.sample, width)], "sample")
        report.fill(rows)
        self.refresh_bindings()

    def _headline(self) -> Line:
        if not self.draft.text("data.path"):
            return line("  The rows to train on. Files of earlier runs stand below.")
        if self._reading:
            return line(f"  {self._reading}")
        if self._trouble is not None:
            return line("  ", ("FAIL", "fail"), "  The file was not read.")
        found = self.draft.inspection
        if found is None:
            return BLANK
        said = f"  {recognised(found)}" + (", counting tokens ..." if self._counting else "")
        if self._num_bad and not self.draft.skip_bad_rows:
            return line("  ", ("FAIL", "fail"), said)
        return line("  ", ("OK", "ok"), said)

    def _report(self, width: int) -> list[Row]:
        if not self.draft.text("data.path"):
            return [Row(f"recent:{path}", line(path)) for path in self._recent]
        if self._trouble is not None:
            return _reading(_trouble_lines(self._trouble, width), "trouble")
        found = self.draft.inspection
        if found is None:
            return []
        rows = []
        if self._num_bad:
            says = f"Leave the {self._num_bad} bad rows out and train on the others"
            if self.draft.skip_bad_rows:
                says = f"{self._num_bad} bad rows are left out; take that back"
            rows = [Row("skip", line(says, ("  s", "key")))]
        facts = summary(found, self.draft.resolve(placeholders=True).spec.data, self.draft.held_out)
        if found.tokens is not None:
            facts += token_facts(found.tokens)
        drawn = fact_lines(facts, width)
        held = self.draft.held_out.findings if self.draft.held_out else ()
        if self._held_trouble is not None:
            drawn += [BLANK, *_trouble_lines(self._held_trouble, width)]
        if found.findings or held:
            drawn += [BLANK, *finding_lines([*found.findings, *held], width)]
        return [*rows, *_reading(drawn, "report")]


def recent_files(runs: str | None) -> tuple[str, ...]:
    """Data files of earlier runs that still exist, newest first."""
    import tomllib

    from engine.runs.store import list_runs

    found: dict[str, None] = {}
    for run in list_runs(runs):
        try:
            path = tomllib.loads(run.spec.read_text(encoding="utf-8"))["data"]["path"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if isinstance(path, str) and os.path.isfile(path):
            found.setdefault(path)
        if len(found) == _MOST_RECENT:
            break
    return tuple(found)


def _reading(drawn: Sequence[Line], name: str) -> list[Row]:
    """Lines to read as rows: the cursor scrolls through them."""
    return [Row(f"{name}-{number}", text) for number, text in enumerate(drawn)]


def _trouble_lines(trouble: Unreadable | TailfinError, width: int) -> list[Line]:
    error = trouble.error if isinstance(trouble, Unreadable) else trouble
    drawn = wrapped(error.message, width)
    return drawn + (wrapped(error.hint, width, "dim") if error.hint else [])
