"""What checks found: a list with the worst first, and everything about the chosen one beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container

from engine.data.text import counted
from engine.findings import Finding, Severity
from tui.clipboard import copy
from tui.draw.line import BLANK, Line, clip, line, padded, wrapped
from tui.widgets.paper import Paper
from tui.widgets.rows import Row, Rows

WORDS: dict[Severity, str] = {"ok": "OK", "info": "INFO", "warn": "WARN", "fail": "FAIL"}
_ORDER: tuple[Severity, ...] = ("fail", "warn", "info", "ok")
_HEADINGS: dict[Severity, Callable[[int], str]] = {
    "fail": lambda num: counted(num, "failure"),
    "warn": lambda num: counted(num, "warning"),
    "info": lambda num: f"{num} good to know",
    "ok": lambda num: f"{num} in order",
}
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


class FindingsView(Container):
    """A list of findings; from 100 columns on the details stand at its right, else below.

    Enter posts `Rows.Opened`, for the pane around it to go on.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("c", "copy_fix", "copy the fix")]
    DEFAULT_CSS = """
    FindingsView { layout: vertical; height: 1fr; }
    FindingsView > Paper { padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: dict[str, Labelled] = {}
        self._said = ""

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
        """One sentence below the details, until another finding is chosen."""
        self._said = text
        self._show_details()

    def action_copy_fix(self) -> None:
        if (finding := self.chosen) is not None and finding.fix:
            self.say(copy(self.app, finding.fix))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "copy_fix" or not self.is_mounted:
            return True
        finding = self.chosen
        return finding is not None and bool(finding.fix)

    def on_rows_moved(self, message: Rows.Moved) -> None:
        message.stop()
        self._said = ""
        self._show_details()
        self.refresh_bindings()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Share the room between list and details, then draw both."""
        width, height = self.size
        if not width:
            return
        rows, paper = self.query_one("#findings", Rows), self.query_one("#finding", Paper)
        if self.screen.has_class("-narrow"):
            needed = max(
                (len(self._details(one, width - 2)) for one in self._shown.values()), default=0
            )
            room = max(height - needed - 2, _LEAST_ROWS)  # air above and below the details
            kinds = len({one.finding.severity for one in self._shown.values()})
            parted = len(self._shown) + 2 * kinds - 1
            num_rows = parted if parted <= room else min(len(self._shown), room)
            rows.styles.height, paper.styles.height = num_rows, max(height - num_rows, 0)
            rows.styles.width = paper.styles.width = "1fr"
        else:
            rows.styles.height = paper.styles.height = "1fr"
            rows.styles.width, paper.styles.width = "56%", "44%"
        self.call_after_refresh(self._draw)

    def _draw(self) -> None:
        rows = self.query_one("#findings", Rows)
        width = rows.content_size.width - 2
        labels = max((len(one.label) for one in self._shown.values()), default=0)
        drawn = [Row(key, _summary(one, labels, width)) for key, one in self._shown.items()]
        parted = _with_headings(drawn, [one.finding.severity for one in self._shown.values()])
        rows.fill(parted if len(parted) <= rows.content_size.height else drawn)
        self._show_details()
        self.refresh_bindings()

    def _show_details(self) -> None:
        paper = self.query_one("#finding", Paper)
        labelled = self._shown.get(self.query_one("#findings", Rows).key)
        if labelled is None:
            paper.put([])
            return
        lines = self._details(labelled, paper.content_size.width)
        if self.screen.has_class("-narrow"):
            lines.insert(0, BLANK)
        if self._said:
            lines += wrapped(self._said, paper.content_size.width, "ok")
        paper.put(lines)

    def _details(self, labelled: Labelled, width: int) -> list[Line]:
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


def _summary(labelled: Labelled, labels: int, width: int) -> Line:
    finding = labelled.finding
    start = line(
        (f"{WORDS[finding.severity]:<4}", finding.severity),
        (f"  {padded(labelled.label, labels)}  ", "dim"),
    )
    return (*start, *line(clip(finding.message, max(width - labels - 8, 4))))


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
