"""The first step: what this box can do, what is wrong with it, and the commands that fix it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message

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
# What cannot be judged before the driver or the hub has answered.
_LATE = {"driver": ("GPU", "torch"), "hub": ("hub",)}


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
        Binding("a", "apply", "apply the fix"),
        Binding("r", "check_group", "check again"),
        Binding("R", "check", "check everything again", show=False),
        Binding("g", "grouping", "group or severity", show=False),
        Binding("up,k", "list('move', -1)", "up", show=False),
        Binding("down,j", "list('move', 1)", "down", show=False),
        Binding("pageup", "list('page', -1)", "page up", show=False),
        Binding("pagedown", "list('page', 1)", "page down", show=False),
        Binding("home", "list('edge', -1)", "first", show=False),
        Binding("end", "list('edge', 1)", "last", show=False),
    ]

    @dataclass
    class Early(Message):
        """What is known while the driver or the hub is still to answer."""

        serial: int
        groups: tuple[Group, ...]
        has_gpu: bool

    def compose(self) -> ComposeResult:
        yield Sheet(id="verdict")
        yield FindingsView()

    def on_mount(self) -> None:
        self._is_asking = False
        self._by_group = False
        self._groups = self.draft.groups
        self._has_gpu = True  # whether the list holds what the driver says
        self._look = 0
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
            "and always to a file. a applies a fix that takes nothing away: it shows the command "
            "and asks before it runs. r checks the chosen finding's group again, R everything; "
            "g orders the list by group or by severity.",
            "You may go on with failures, to plan a run or to see what memory it needs.",
        ]

    def action_check(self) -> None:
        """Gather the facts of this box anew; what is there at once is shown at once."""
        self._look += 1
        self._begin(partial(_check, partial(self._tell, self._look)))

    def action_check_group(self) -> None:
        """Look again at what the chosen finding is about."""
        box, group = self.draft.box, self._chosen_group()
        if box is None or self.draft.card is None or not group:
            self.action_check()
            return
        self._look += 1
        self._begin(partial(_check_group, box, self.draft.card, group))

    def action_grouping(self) -> None:
        """By group, or by severity."""
        self._by_group = not self._by_group
        self._show_findings(self._groups)

    def action_apply(self) -> None:
        """Run the command that fixes the chosen finding, once that was confirmed."""
        from tui.screens.apply import ApplyScreen

        finding = self.query_one(FindingsView).chosen
        if finding is not None and finding.safe and finding.fix:
            self.app.push_screen(ApplyScreen(finding), self._after_applying)

    def on_box_pane_early(self, message: Early) -> None:
        """The first findings stand there while answers are due; a later look has all of it."""
        message.stop()
        if message.serial != self._look or self.draft.box is not None or self.is_being_left:
            return
        self._show_findings(message.groups, has_gpu=message.has_gpu)

    def _begin(self, work: Callable[[], object]) -> None:
        self._is_asking, self._trouble = True, None
        self._show_verdict()
        self.announce()
        self.ask(_CHECK, work)

    def _tell(self, serial: int, groups: tuple[Group, ...], has_gpu: bool) -> None:
        """Called in a thread."""
        self.post_message(self.Early(serial, groups, has_gpu))

    def _after_applying(self, has_run: bool | None) -> None:
        if has_run:  # an export may matter to any group
            self.action_check()

    def _chosen_group(self) -> str:
        label = self.query_one(FindingsView).chosen_label
        return next((name for name, short in _SHORT.items() if short == label), label)

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
        if action not in ("copy_fix", "apply"):
            return True
        views = self.query(FindingsView)
        finding = views.first().chosen if views else None
        if action == "apply":
            return finding is not None and finding.safe and bool(finding.fix)
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

    def _show_findings(self, groups: tuple[Group, ...] = (), *, has_gpu: bool = True) -> None:
        self._groups = groups or self.draft.groups
        found = [
            Labelled(_SHORT.get(group.name, group.name), finding)
            for group in self._groups
            for finding in group.findings
        ]
        is_new, self._has_gpu = has_gpu and not self._has_gpu, has_gpu
        self.query_one(FindingsView).fill(found, by_group=self._by_group, from_top=is_new)

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


def _check(told: Callable[[tuple[Group, ...], bool], None]) -> _Checked:
    from engine.doctor.box import gather
    from engine.doctor.checks import examine
    from engine.doctor.host import this_host
    from engine.memory.device import this_device, this_ram

    def early(box: Box, late: frozenset[str]) -> None:
        hidden = {group for part in late for group in _LATE[part]}
        known = (group for group in examine(box) if group.name not in hidden)
        told(tuple(known), "driver" not in late)

    box = gather(this_host(), early)
    # A driver that gave no answer in its time would keep a second question waiting for ever.
    is_silent = box.gpu.handed and not box.gpu.gpus
    return _Checked(box, tuple(examine(box)), this_ram() if is_silent else this_device())


def _check_group(before: Box, card: Card, group: str) -> _Checked:
    from engine.doctor.box import renew
    from engine.doctor.checks import examine
    from engine.doctor.host import this_host
    from engine.memory.device import this_device

    box = renew(this_host(), before, group)
    if group == "GPU" and box.gpu.gpus:
        card = this_device()
    return _Checked(box, tuple(examine(box)), card)
