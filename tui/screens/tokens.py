"""Rows as the model will see them: every token, trained or ignored or cut."""

from __future__ import annotations

import subprocess
import time
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.data.token_view import RowTokens, TokenView, remarks, token_lines, view_tokens
from engine.errors import TailfinError
from engine.spec import Spec
from tui.ask import Asking
from tui.draw.line import BLANK, Line, clip, line, wrapped
from tui.screens.modal import Modal
from tui.widgets.paper import Paper
from tui.widgets.sheet import Sheet

# Rows that are shown: those that would train worst, the worst first.
_NUM_ROWS = 50
_LABEL = 9
_ROLES = {"trained": "ok", "ignored": "dim", "cut": "fail"}
_KEYS = line(
    ("Esc", "key"), " close  ", ("n p", "key"), " next, previous row  ", ("i", "key"), " ids"
)


class TokensScreen(Asking, Modal[None]):
    """Counts of the whole set, and its worst rows token by token, asked of a worker."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,t", "dismiss", "close", priority=True),
        Binding("n,right,space", "turn(1)", "next row"),
        Binding("p,left", "turn(-1)", "previous row"),
        Binding("i", "ids", "ids of tokens"),
    ]

    def __init__(self, spec: Spec) -> None:
        super().__init__(classes="box")
        self._spec = spec
        self._process: subprocess.Popen[str] | None = None
        self._is_closed = False
        self._found: TokenView | TailfinError | None = None
        self._began = time.monotonic()
        self._at = 0
        self._with_ids = False

    def compose(self) -> ComposeResult:
        yield Sheet(id="box-title")
        yield Paper(id="tokens")
        yield Sheet([_KEYS], id="box-keys")

    def on_mount(self) -> None:
        self.ask("view", self._view)
        self.set_interval(1.0, self._tick)
        self.call_after_refresh(self._fill)

    def on_unmount(self) -> None:
        self._is_closed = True
        if self._process is not None:
            self._process.kill()

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def on_paper_resized(self, message: Paper.Resized) -> None:
        message.stop()
        self._fill()

    def answered(self, question: str, value: object) -> None:
        if isinstance(value, TokenView | TailfinError):
            self._found = value
        self._fill()

    def action_turn(self, by: int) -> None:
        if isinstance(self._found, TokenView) and self._found.rows:
            self._at = (self._at + by) % len(self._found.rows)
            self._fill()

    def action_ids(self) -> None:
        self._with_ids = not self._with_ids
        self._fill()

    def _view(self) -> TokenView:
        return view_tokens(self._spec, worst=_NUM_ROWS, started=self._started)

    def _started(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        if self._is_closed:
            process.kill()

    def _tick(self) -> None:
        if self._found is None:
            self._fill()

    def _fill(self) -> None:
        paper = self.query_one(Paper)
        width = max(paper.content_size.width, 20)
        title, drawn = self._drawn(width)
        self.query_one("#box-title", Sheet).show([line((clip(title, width), "title"))])
        paper.put(drawn)

    def _drawn(self, width: int) -> tuple[str, list[Line]]:
        match self._found:
            case None:
                seconds = int(time.monotonic() - self._began)
                says = f"Tokenising all rows, {seconds} s. Only this screen waits for it."
                return "Tokens", wrapped(says, width)
            case TailfinError() as error:
                return "Tokens", [
                    *wrapped(error.message, width, "fail"),
                    *wrapped(error.hint, width),
                ]
            case TokenView() as view:
                row = view.rows[self._at]
                place = f"line {row.line}" if row.line else f"record {row.record + 1}"
                title = f"Tokens: {place}, {self._at + 1} of the {len(view.rows)} worst rows"
                return title, [*_whole(view, width), BLANK, *_row(row, width, self._with_ids)]
        raise AssertionError(self._found)


def _whole(view: TokenView, width: int) -> list[Line]:
    share = view.num_trained / max(1, view.num_tokens)
    return wrapped(
        f"All {view.num_rows:,} rows, cut at {view.max_length} tokens: {share:.1%} of the tokens "
        f"are trained; {view.num_cut_rows:,} rows are cut, {view.num_untrained:,} train nothing, "
        f"{view.num_endless:,} train no end of an answer.",
        width,
        "dim",
    )


def _row(row: RowTokens, width: int, with_ids: bool) -> list[Line]:
    drawn = wrapped(
        f"{row.num_tokens} tokens, {row.num_trained} trained, {row.num_cut} cut; end of the last "
        f"answer: {row.end}.",
        width,
    )
    for says in remarks(row):
        drawn += wrapped(f"WARN  {says}", width, "warn")
    drawn.append(BLANK)
    for state, text in token_lines(row.pieces, width - _LABEL, cell_len, ids=with_ids):
        drawn.append(line((state.ljust(_LABEL), "dim"), (text, _ROLES[state])))
    return drawn
