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
        self._by_group = False

    def compose(self) -> ComposeResult:
        yield FindingRows(id="findings")
        yield Paper(id="finding")

    @property
    def chosen(self) -> Finding | None:
        """The finding under the cursor."""
        labelled = self._shown.get(self.query_one("#findings", Rows).key)
        return labelled.finding if labelled else None

    @property
    def chosen_label(self) -> str:
        """What the finding under the cursor is about."""
        labelled = self._shown.get(self.query_one("#findings", Rows).key)
        return labelled.label if labelled else ""

    def fill(
        self, found: Sequence[Labelled], *, by_group: bool = False, from_top: bool = False
    ) -> None:
        """Show these, worst first, or in the order given under a heading for each label.

        The cursor stays on the finding it was on; `from_top` moves it on with the first finding
        where it stands on that.
        """
        rows = self.query_one("#findings", Rows)
        was_first = rows.key == next(iter(self._shown), "")
        self._shown, self._by_group = {}, by_group
        worst = found if by_group else sorted(found, key=_severity)
        for labelled in worst:
            key = f"{labelled.finding.id} {labelled.finding.where}"
            while key in self._shown:
                key += "+"
            self._shown[key] = labelled
        self._arrange(next(iter(self._shown), None) if from_top and was_first else None)

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

    def _arrange(self, key: str | None = None) -> None:
        """Share the room between list and details, then draw both.

        In cells, not in shares: what is drawn must fit before the layout has been made.
        """
        width, height = self.size
        if not width:
            return
        self._is_beside = width >= _BESIDE_FROM
        room = height
        list_width = detail_width = width
        kinds = len(set(self._kinds()))
        num_parted = len(self._shown) + 2 * kinds - 1
        if self._is_beside:
            list_width = width * 56 // 100
            detail_width = width - list_width
        else:
            needed = max((len(_details(one, width - 2)) for one in self._shown.values()), default=0)
            room = max(height - needed - 2, _LEAST_ROWS)  # air above and below the details
            is_parted = self._by_group or num_parted <= room
            room = min(num_parted if is_parted else len(self._shown), room)
        rows, paper = self.query_one("#findings", Rows), self.query_one("#finding", Paper)
        self.styles.layout = "horizontal" if self._is_beside else "vertical"
        rows.styles.width, rows.styles.height = list_width, room
        paper.styles.width = detail_width
        paper.styles.height = height if self._is_beside else max(height - room, 0)
        paper.styles.padding = (0, 1, 0, 2) if self._is_beside else (0, 1)
        self._text_width = detail_width - (3 if self._is_beside else 2)
        drawn = self._drawn_rows(list_width - 2)
        is_parted = self._by_group or num_parted <= room
        rows.fill(_with_headings(drawn, self._headings()) if is_parted else drawn, key=key)
        self._show_details()
        self.post_message(self.Chosen())

    def _drawn_rows(self, width: int) -> list[Row]:
        if self._by_group:
            return [Row(key, _short_summary(one, width)) for key, one in self._shown.items()]
        labels = max((len(one.label) for one in self._shown.values()), default=0)
        return [Row(key, _summary(one, labels, width)) for key, one in self._shown.items()]

    def _kinds(self) -> list[str]:
        """What each finding stands under."""
        return [
            one.label if self._by_group else one.finding.severity for one in self._shown.values()
        ]

    def _headings(self) -> list[str]:
        if self._by_group:
            return self._kinds()
        severities = [one.finding.severity for one in self._shown.values()]
        return [_HEADINGS[severity](severities.count(severity)) for severity in severities]

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


def _short_summary(labelled: Labelled, width: int) -> Line:
    finding = labelled.finding
    word = (f"{WORDS[finding.severity]:<4}", finding.severity)
    return (*line(word, "  "), *line(clip(finding.message, max(width - 6, 4))))


def _severity(labelled: Labelled) -> int:
    return _ORDER.index(labelled.finding.severity)


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
    # What to do comes first: long paths may push the rest below the edge of a small screen.
    if finding.fix:
        lines += wrapped(f"Fix:   {finding.fix}", width, "value", indent="       ")
    if finding.why:
        lines += wrapped(f"Why:   {finding.why}", width, indent="       ")
    if finding.where and finding.where not in finding.message:
        lines += wrapped(f"Where: {finding.where}", width, "dim", indent="       ")
    return lines


def _with_headings(rows: Sequence[Row], headings: Sequence[str]) -> list[Row]:
    """The rows with a heading over those that share one, and air between them."""
    drawn: list[Row] = []
    for i, (row, heading) in enumerate(zip(rows, headings, strict=True)):
        if i == 0 or heading != headings[i - 1]:
            if drawn:
                drawn.append(Row("", BLANK, is_heading=True))
            drawn.append(Row("", line((heading, "title")), is_heading=True))
        drawn.append(row)
    return drawn
