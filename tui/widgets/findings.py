"""What checks found: a list with the worst first, and everything about the chosen one beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message

from engine.data.text import counted
from engine.findings import Finding, Severity
from tui.draw.line import BLANK, Line, clip, line, padded, wrapped
from tui.widgets.paper import Paper
from tui.widgets.rows import Row, Rows

WORDS: dict[Severity, str] = {
    "ok": "OK",
    "info": "INFO",
    "warn": "WARN",
    "fail": "FAIL",
    "skip": "SKIP",
}
_ORDER: tuple[Severity, ...] = ("fail", "warn", "info", "skip", "ok")
_HEADINGS: dict[Severity, Callable[[int], str]] = {
    "fail": lambda num: counted(num, "failure"),
    "warn": lambda num: counted(num, "warning"),
    "info": lambda num: f"{num} good to know",
    "skip": lambda num: f"{num} not looked at",
    "ok": lambda num: f"{num} in order",
}
_BESIDE_FROM = 100
# The list keeps at least so many rows where the details stand below it.
_LEAST_ROWS = 4


@dataclass(frozen=True, slots=True)
class Labelled:
    """A finding and the short word for what it is about."""

    label: str
    finding: Finding


class FindingRows(Rows):
    """The list itself; nothing can be opened in it, so Enter goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "continue", key_display="Enter")
    ]

    def action_page(self, by: int) -> None:
        """Read on in the details where they do not fit, else turn a page of the list."""
        details = self.screen.query_one("#finding", Paper)
        if details.can_focus:
            details.action_scroll_page(by)
        else:
            super().action_page(by)


class FindingsView(Container):
    """A list of findings; from 100 columns on the details stand at its right, else below.

    Enter posts `Rows.Opened`, for the pane around it to go on.
    """

    DEFAULT_CSS = """
    FindingsView { height: 1fr; }
    FindingsView > Paper { padding: 0 1; }
    """

    class Chosen(Message):
        """Another finding is under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: dict[str, Labelled] = {}
        self._said = ""
        self._is_beside = False
        self._text_width = 78

    def compose(self) -> ComposeResult:
        yield FindingRows(id="findings")
        yield Paper(id="finding")

    @property
    def chosen(self) -> Finding | None:
        """The finding under the cursor."""
        labelled = self._shown.get(self.query_one("#findings", Rows).key)
        return labelled.finding if labelled else None

    def fill(self, found: Sequence[Labelled]) -> None:
        """Show these, worst first; the cursor stays on the finding it was on."""
        self._shown = {}
        for labelled in sorted(found, key=lambda one: _ORDER.index(one.finding.severity)):
            key = f"{labelled.finding.id} {labelled.finding.where}"
            while key in self._shown:
                key += "+"
            self._shown[key] = labelled
        self._arrange()

    def say(self, text: str) -> None:
        """One sentence above the details, until another finding is chosen."""
        self._said = text
        self._show_details()

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()
        self._said = ""
        self._show_details()
        self.post_message(self.Chosen())

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Share the room between list and details, then draw both.

        In cells, not in shares: what is drawn must fit before the layout has been made.
        """
        width, height = self.size
        if not width:
            return
        self._is_beside = width >= _BESIDE_FROM
        room = height
        list_width = detail_width = width
        kinds = len({one.finding.severity for one in self._shown.values()})
        num_parted = len(self._shown) + 2 * kinds - 1
        if self._is_beside:
            list_width = width * 56 // 100
            detail_width = width - list_width
        else:
            needed = max((len(_details(one, width - 2)) for one in self._shown.values()), default=0)
            room = max(height - needed - 2, _LEAST_ROWS)  # air above and below the details
            room = min(num_parted if num_parted <= room else len(self._shown), room)
        rows, paper = self.query_one("#findings", Rows), self.query_one("#finding", Paper)
        self.styles.layout = "horizontal" if self._is_beside else "vertical"
        rows.styles.width, rows.styles.height = list_width, room
        paper.styles.width = detail_width
        paper.styles.height = height if self._is_beside else max(height - room, 0)
        paper.styles.padding = (0, 1, 0, 2) if self._is_beside else (0, 1)
        self._text_width = detail_width - (3 if self._is_beside else 2)
        drawn = self._drawn_rows(list_width - 2)
        rows.fill(drawn if num_parted > room else _with_headings(drawn, self._severities()))
        self._show_details()
        self.post_message(self.Chosen())

    def _drawn_rows(self, width: int) -> list[Row]:
        labels = max((len(one.label) for one in self._shown.values()), default=0)
        return [Row(key, _summary(one, labels, width)) for key, one in self._shown.items()]

    def _severities(self) -> list[Severity]:
        return [one.finding.severity for one in self._shown.values()]

    def _show_details(self) -> None:
        labelled = self._shown.get(self.query_one("#findings", Rows).key)
        lines: list[Line] = [] if self._is_beside else [BLANK]
        if labelled is not None and self._said:
            said = wrapped(self._said, self._text_width, "ok")
            lines = [*said, BLANK] if self._is_beside else said
        if labelled is not None:
            lines += _details(labelled, self._text_width)
        self.query_one("#finding", Paper).put(lines)


def _summary(labelled: Labelled, labels: int, width: int) -> Line:
    finding = labelled.finding
    start = line(
        (f"{WORDS[finding.severity]:<4}", finding.severity),
        (f"  {padded(labelled.label, labels)}  ", "dim"),
    )
    return (*start, *line(clip(finding.message, max(width - labels - 8, 4))))


def _details(labelled: Labelled, width: int) -> list[Line]:
    """Everything about a finding; the fix is never cut."""
    finding = labelled.finding
    lines = [
        line(
            (WORDS[finding.severity], finding.severity),
            f"  {labelled.label}  ",
            (finding.id, "dim"),
        )
    ]
    lines += wrapped(finding.message, width)
    if finding.where:
        lines += wrapped(f"Where: {finding.where}", width, "dim", indent="       ")
    if finding.fix:
        lines += wrapped(f"Fix:   {finding.fix}", width, "value", indent="       ")
    return lines


def _with_headings(rows: Sequence[Row], severities: Sequence[Severity]) -> list[Row]:
    """The rows with a heading over those of one severity, and air between them."""
    drawn: list[Row] = []
    for i, (row, severity) in enumerate(zip(rows, severities, strict=True)):
        if i == 0 or severity != severities[i - 1]:
            if drawn:
                drawn.append(Row("", BLANK, is_heading=True))
            heading = _HEADINGS[severity](severities.count(severity))
            drawn.append(Row("", line((heading, "title")), is_heading=True))
        drawn.append(row)
    return drawn
