"""The first step: what this box can do, what is wrong with it, and the commands that fix it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.data.text import counted
from engine.doctor.checks import Group, all_findings
from engine.doctor.facts import Box
from engine.errors import TailfinError
from engine.findings import Finding
from engine.memory.cards import Card
from tui.clipboard import copy
from tui.draw.line import BLANK, Line, wrapped
from tui.panes.base import Pane
from tui.panes.data_lines import finding_lines
from tui.widgets.findings import FindingsView, Labelled
from tui.widgets.rows import Rows
from tui.widgets.sheet import Sheet

_CHECK = "box"
# Group names that would take a quarter of a narrow list.
_SHORT = {"memory and processors": "RAM, CPU"}


@dataclass(frozen=True, slots=True)
class _Checked:
    box: Box
    groups: tuple[Group, ...]
    card: Card


class BoxPane(Pane):
    """Shows the doctor's findings. Failures do not stop the person here, the review does."""

    # They work from the bar too, where the cursor is most of the time.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy_fix", "copy the fix"),
        Binding("r", "check", "check again"),
        Binding("up,k", "list('move', -1)", "up", show=False),
        Binding("down,j", "list('move', 1)", "down", show=False),
        Binding("pageup", "list('page', -1)", "page up", show=False),
        Binding("pagedown", "list('page', 1)", "page down", show=False),
        Binding("home", "list('edge', -1)", "first", show=False),
        Binding("end", "list('edge', 1)", "last", show=False),
    ]

    def compose(self) -> ComposeResult:
        yield Sheet(id="verdict")
        yield FindingsView()

    def on_mount(self) -> None:
        self._is_asking = False
        self._trouble: TailfinError | None = None
        if self.draft.box is None:
            self.action_check()
        else:
            self._show_findings()

    @property
    def stop(self) -> str:
        if self.draft.box is not None:
            return ""
        if self._trouble is not None:
            return "The box could not be checked: r tries again."
        return "The box is being checked."

    @property
    def forward(self) -> str:
        fails = self._count("fail")
        if fails:
            return f"Continue with {counted(fails, 'failure')}: a run would not start"
        return "Continue to the base model"

    def help_lines(self) -> list[str]:
        return [
            "Each line is one check of this box: FAIL keeps a run from starting, WARN makes it "
            "slow or fragile, INFO is good to know. The worst stand first; Up and Down choose one "
            "to read about.",
            "c copies the command that fixes it, to the clipboard where your terminal allows it "
            "and always to a file. r checks again after you did something about it.",
            "You may go on with failures, to plan a run or to see what memory it needs.",
        ]

    def action_check(self) -> None:
        """Gather the facts of this box anew."""
        self._is_asking, self._trouble = True, None
        self._show_verdict()
        self.announce()
        self.ask(_CHECK, _check)

    def action_copy_fix(self) -> None:
        """Copy what mends the chosen finding."""
        view = self.query_one(FindingsView)
        if (finding := view.chosen) is not None and finding.fix:
            view.say(copy(self.app, finding.fix))

    def action_list(self, what: Literal["move", "page", "edge"], by: int) -> None:
        """Move the cursor of the list from wherever the focus is."""
        rows = self.query_one(Rows)
        {"move": rows.action_move, "page": rows.action_page, "edge": rows.action_edge}[what](by)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action != "copy_fix":
            return True
        views = self.query(FindingsView)
        finding = views.first().chosen if views else None
        return finding is not None and bool(finding.fix)

    def on_findings_view_chosen(self) -> None:
        self.refresh_bindings()

    def answered(self, question: str, value: object) -> None:
        self._is_asking = False
        if isinstance(value, _Checked):
            draft = replace(self.draft, box=value.box, groups=value.groups, card=value.card)
            if value.card != self.draft.card:
                draft = replace(draft, suggestions=())  # they were made for another card
            self._show_findings(value.groups)
            self.change(draft)
        elif isinstance(value, TailfinError):
            self._trouble = value
            self.announce()
        self._show_verdict()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        self.post_message(self.Onward(self))

    def on_resize(self) -> None:
        self._show_verdict()

    def _show_findings(self, groups: tuple[Group, ...] = ()) -> None:
        found = [
            Labelled(_SHORT.get(group.name, group.name), finding)
            for group in groups or self.draft.groups
            for finding in group.findings
        ]
        self.query_one(FindingsView).fill(found)

    def _show_verdict(self) -> None:
        sheet = self.query_one("#verdict", Sheet)
        width = max(self.size.width - 2, 20)
        drawn: list[Line] = [BLANK, *wrapped(self._verdict(), width, "strong"), BLANK]
        if self._trouble is not None:
            drawn += [*finding_lines([_as_finding(self._trouble)], width), BLANK]
        sheet.show(drawn)

    def _verdict(self) -> str:
        if self._is_asking:
            again = " again" if self.draft.box else ""
            return f"Checking GPU, driver, training stack, memory, disk and hub{again} ..."
        box, groups = self.draft.box, list(self.draft.groups)
        if self._trouble is not None:
            return "This box could not be checked" + (" again." if box else ".")
        if box is None:
            return ""
        if fails := self._count("fail"):
            return f"This box cannot train yet: {counted(fails, 'failure')} to fix."
        from engine.doctor.checks import verdict

        return verdict(box, groups)

    def _count(self, severity: str) -> int:
        return sum(one.severity == severity for one in all_findings(list(self.draft.groups)))


def _as_finding(error: TailfinError) -> Finding:
    return Finding(error.error_id, "fail", error.message, error.hint)


def _check() -> _Checked:
    from engine.doctor.box import gather
    from engine.doctor.checks import examine
    from engine.doctor.host import this_host
    from engine.memory.device import this_device, this_ram

    box = gather(this_host())
    # A driver that gave no answer in its time would keep a second question waiting for ever.
    is_silent = box.gpu.handed and not box.gpu.gpus
    return _Checked(box, tuple(examine(box)), this_ram() if is_silent else this_device())
