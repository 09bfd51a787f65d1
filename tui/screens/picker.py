"""Choosing a file or a folder by walking through them."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from engine.data.picker import Entry, Listing, list_folder, looks_like_model
from tui.ask import Asking
from tui.draw.line import Line, clip, clip_start, columns, line, wrapped
from tui.draw.words import ago, size
from tui.screens.modal import Modal
from tui.widgets.line_input import LineInput
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

_HERE, _UP = "/here", "/up"  # no entry's name holds a slash


class PickerScreen(Asking, Modal[Path | None]):
    """Type to narrow, arrows to move, Enter to choose or go in; dismissed with a path or None.

    `folders` asks for a model's folder, else for a file of rows. What is typed with a / or ~ in
    front is a path to go to.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "close", priority=True),
        Binding("up", "move(-1)", "up", priority=True, show=False),
        Binding("down", "move(1)", "down", priority=True, show=False),
        Binding("pageup", "page(-1)", "page up", priority=True, show=False),
        Binding("pagedown", "page(1)", "page down", priority=True, show=False),
        Binding("left", "left", "up one folder", priority=True, show=False),
        Binding("right", "right", "into the folder", priority=True, show=False),
    ]

    def __init__(self, title: str, start: Path, *, folders: bool) -> None:
        super().__init__(classes="box picker")
        self._title = title
        self._folder = start
        self._wants_folder = folders
        self._listing: Listing | None = None
        self._is_model = False
        self._from = ""

    def compose(self) -> ComposeResult:
        yield Sheet([line((self._title, "title"))], id="box-title")
        yield Sheet(id="picker-folder")
        field = LineInput(placeholder="type to narrow, or a path to go to", id="picker-typed")
        field.cursor_blink = False
        yield field
        yield Rows(id="entries")
        yield Sheet(id="picker-note")
        yield Sheet(id="box-keys")

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._go(self._folder, nearest=True)

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, Path):
            self.dismiss(value)
            return
        assert isinstance(value, _Seen)
        self._listing, self._is_model = value.listing, value.is_model
        self._folder = value.listing.folder
        self._draw()

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        if self._is_path:
            self._go_typed()
        else:
            self._open(self.query_one(Rows).key)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        self._open(message.key)

    def action_move(self, by: int) -> None:
        self.query_one(Rows).action_move(by)

    def action_page(self, by: int) -> None:
        self.query_one(Rows).action_page(by)

    def action_left(self) -> None:
        field = self.query_one(Input)
        if field.value:
            field.action_cursor_left()
        else:
            self._open(_UP)

    def action_right(self) -> None:
        field = self.query_one(Input)
        entry = self._entry(self.query_one(Rows).key)
        if not field.cursor_at_end:
            field.action_cursor_right()
        elif entry is not None and entry.is_folder:
            self._go(self._folder / entry.name)

    @property
    def _typed(self) -> str:
        return self.query_one(Input).value.strip()

    @property
    def _is_path(self) -> bool:
        return self._typed.startswith(("/", "~", "./", "../"))

    def _go_typed(self) -> None:
        path = Path(os.path.expanduser(self._typed))
        path = path if path.is_absolute() else self._folder / path
        self._go(path, is_typed=True)

    def _go(self, folder: Path, *, nearest: bool = False, is_typed: bool = False) -> None:
        """Show a folder; `nearest` takes the closest one above where there is none of that name.

        What `is_typed` may be a file, which is chosen then.
        """
        self._from = self._folder.name if folder == self._folder.parent else ""
        self._listing = None
        self._folder = folder
        self.query_one(Input).value = ""
        self._draw()
        takes_file = is_typed and not self._wants_folder

        def look() -> _Seen | Path:
            if takes_file and os.path.isfile(folder):
                return folder
            return _look(folder, nearest=nearest)

        self.ask("list", look)

    def _open(self, key: str) -> None:
        if self._listing is None:
            return
        if key == _HERE:
            self.dismiss(self._folder)
        elif key == _UP:
            if self._listing.parent is not None:
                self._go(self._listing.parent, nearest=True)
        elif (entry := self._entry(key)) is not None:
            path = self._folder / entry.name
            is_wanted = entry.looks == "model" if self._wants_folder else not entry.is_folder
            if is_wanted:
                self.dismiss(path)
            elif entry.is_folder:
                self._go(path)

    def _entry(self, key: str) -> Entry | None:
        entries = self._listing.entries if self._listing else ()
        return next((entry for entry in entries if entry.name == key), None)

    def _draw(self) -> None:
        rows = self.query_one(Rows)
        width = rows.content_size.width - 2
        if width <= 0:
            return
        folder = self.query_one("#picker-folder", Sheet)
        folder.show([line((clip_start(str(self._folder), folder.content_size.width), "strong"))])
        self.query_one("#box-keys", Sheet).show(
            [
                line(
                    ("Enter", "key"),
                    " choose  ",
                    ("Left", "key"),
                    " up  ",
                    ("Right", "key"),
                    " in  ",
                    ("Esc", "key"),
                    " close",
                )
            ]
        )
        listing = self._listing
        if listing is None:
            rows.fill([])
            self._note([line(("Reading the folder ...", "dim"))])
            return
        drawn = [] if self._typed else self._fixed_rows(listing)
        words = [] if self._is_path else self._typed.casefold().split()
        now = time.time()
        for entry in listing.entries:
            if all(word in entry.name.casefold() for word in words):
                drawn.append(self._row(entry, width, now))
        rows.fill(drawn, key=self._from or (drawn[0].key if drawn else None))
        self._from = ""
        self._note(self._notes(listing, bool(drawn)))

    def _fixed_rows(self, listing: Listing) -> list[Row]:
        drawn = []
        if self._wants_folder and not listing.trouble:
            what = "config.json and weights are here" if self._is_model else "no model's files"
            drawn.append(Row(_HERE, line(("Use this folder", "strong"), (f"  {what}", "dim"))))
        if listing.parent is not None:
            drawn.append(Row(_UP, line("..  ", ("up one folder", "dim"))))
        return drawn

    def _row(self, entry: Entry, width: int, now: float) -> Row:
        is_idle = self._wants_folder and not entry.is_folder
        name = f"{entry.name}/" if entry.is_folder else entry.name
        weight = "" if entry.is_folder else size(entry.num_bytes)
        role = "dim" if is_idle else "strong" if entry.looks == "model" or entry.is_data else ""
        rest = (20, 10, 10) if width >= 70 else (10, 9, 0)
        room = max(width - sum(rest) - 3, 12)
        cells = [
            (clip(name, room), role),
            ("" if is_idle else entry.looks, "dim"),
            (f"{weight:>{rest[1]}}", "dim"),
            (ago(entry.modified_s, now), "dim"),
        ]
        return Row(entry.name, columns(cells, (room, *rest)), is_heading=is_idle)

    def _notes(self, listing: Listing, has_rows: bool) -> list[Line]:
        width = self.query_one("#picker-note", Sheet).content_size.width
        if listing.trouble:
            return [*wrapped(listing.trouble, width, "warn")]
        if self._typed and self._is_path:
            return [line(("Enter goes to this path.", "dim"))]
        if not has_rows:
            return [line(("Nothing here is called that.", "dim"))]
        if listing.num_left_out:
            return [line((f"{listing.num_left_out} more are not listed.", "dim"))]
        return []

    def _note(self, lines: list[Line]) -> None:
        self.query_one("#picker-note", Sheet).show(lines)


@dataclass(frozen=True, slots=True)
class _Seen:
    listing: Listing
    is_model: bool


def _look(folder: Path, *, nearest: bool) -> _Seen:
    # os.path's questions answer no where those of Path raise: too long a name, a NUL.
    if nearest:
        folder = _nearest(folder)
    return _Seen(list_folder(folder), looks_like_model(folder))


def _nearest(folder: Path) -> Path:
    """The folder or the closest one above it; of a relative path, from where we are."""
    with contextlib.suppress(OSError):  # where we are may be gone
        folder = Path(os.path.abspath(folder))
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
