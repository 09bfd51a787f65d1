"""The first step of the wizard: the doctor's findings, what fixes them, and the way on."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from engine.doctor.facts import Box, HubFacts, StorageFacts, Volume
from engine.memory.cards import Card
from engine.suggest import Suggestion
from tests.doctor import boxes
from tests.tui.pilots import drive, screen_lines, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.clipboard import copied_file
from tui.draft import Draft
from tui.widgets.findings import FindingsView
from tui.widgets.next_bar import NextBar
from tui.widgets.paper import Paper
from tui.widgets.rows import Rows

FULL_DISK = StorageFacts((Volume("/", 20.0, 0.4, ("model cache", "runs")),))
BROKEN = boxes.box(
    gpu=replace(boxes.GPU, driver="535.104.05", cuda=(12, 2)),
    storage=FULL_DISK,
    hub=HubFacts("https://hub.example", reachable=False, trouble="[red]timed out[/red]"),
)
SIZES = [(80, 24), (120, 40), (60, 16), (200, 50)]


class Doctor:
    """Stands in for the facts of this machine; the checks are the real ones."""

    def __init__(self, patch: pytest.MonkeyPatch, box: Box) -> None:
        self.box = box
        self.num_asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        patch.setattr("engine.doctor.box.gather", self.gather)

    def gather(self, host: object, early: object = None) -> Box:
        self.num_asked += 1
        self.may_answer.wait(20)
        return self.box


async def shown(app: WizardApp, pilot: Pilot[list[str]]) -> None:
    """Until the findings stand there."""
    await until(app, pilot, lambda: app.draft.box is not None)
    await until(app, pilot, "Where:" if app.size.height < 20 else "OK  ")


def chosen_id(app: WizardApp) -> str:
    finding = app.pane.query_one(FindingsView).chosen
    return finding.id if finding else ""


def test_failures_stand_first_and_do_not_keep_a_person_from_planning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        text = screen_text(app)
        assert "This box cannot train yet: 2 failures to fix." in text
        fails = [line for line in screen_lines(app) if line.lstrip(">- ").startswith("FAIL ")]
        assert len(fails) == 3  # two in the list, one in the details
        rows = app.pane.query_one(Rows).rows
        words = ["".join(text for text, _ in row.drawn).split()[0] for row in rows]
        assert words == sorted(words, key=["FAIL", "WARN", "INFO", "SKIP", "OK"].index)
        assert chosen_id(app) == "gpu.driver-too-old"
        bar = app.screen.query_one(NextBar)
        assert "2 failures: a run would not start" in bar.text
        assert not bar.stop
        await pilot.press("enter")
        await until(app, pilot, "Base model")

    drive(act, app=app)
    assert app.draft.groups[0].findings[0].severity == "fail"
    assert app.draft.card is not None


@pytest.mark.parametrize("size", SIZES)
def test_every_message_and_fix_can_be_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.box is not None)
        await pilot.pause()
        view, rows = app.pane.query_one(FindingsView), app.pane.query_one(Rows)
        assert isinstance(app.focused, NextBar)
        keys = [row.key for row in rows.rows if not row.is_heading]
        assert len(keys) == sum(len(group.findings) for group in app.draft.groups)
        for number in range(len(keys)):
            finding = view.chosen
            assert finding is not None
            read = await read_all(app, pilot)
            for text in (finding.message, finding.fix, finding.where):
                assert squeezed(text) in squeezed(read), (size, finding.id)
            if number + 1 < len(keys):
                await pilot.press("down")

    drive(act, app=app, size=size)


def squeezed(text: str) -> str:
    """The text without its blanks, so that it is the same however it was wrapped."""
    return "".join(text.split())


async def read_all(app: WizardApp, pilot: Pilot[list[str]]) -> str:
    """The details as a person reads them: what is on the screen, scrolled where it must be."""
    paper = app.pane.query_one("#finding", Paper)
    await pilot.pause()
    seen = seen_in(app, paper)
    if paper.can_focus:
        await pilot.press("shift+tab")
        assert paper.has_focus
        seen = seen_in(app, paper)[:-1]
        while "more line" in paper.text:
            await pilot.press("down")
            await pilot.pause()
            seen.append(seen_in(app, paper)[-2])
        await pilot.press("tab")
    return " ".join(seen)


def seen_in(app: WizardApp, widget: Widget) -> list[str]:
    """What the screen shows where a widget stands."""
    strips = app.screen._compositor.render_strips()
    left, right = widget.region.x, widget.region.right
    rows = strips[widget.region.y : widget.region.bottom]
    return ["".join(part.text for part in strip.crop(left, right)) for strip in rows]


def test_the_details_are_read_on_from_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.box is not None)
        await until(app, pilot, "more lines: PgDn to read on")
        paper, first = app.pane.query_one("#finding", Paper), chosen_id(app)
        assert isinstance(app.focused, NextBar)
        for _page in paper.whole:
            await pilot.press("pagedown")
        await until(app, pilot, "End. PgUp goes back")
        assert chosen_id(app) == first

    drive(act, app=app, size=(60, 16))


def test_the_details_stand_beside_the_list_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        rows, paper = app.pane.query_one(Rows), app.pane.query_one("#finding", Paper)
        assert paper.region.x == 0
        assert paper.region.y == rows.region.bottom
        await pilot.resize_terminal(120, 40)
        await until(app, pilot, lambda: paper.region.x == rows.region.right)
        await until(
            app, pilot, "2 failures\n" if "2 failures\n" in screen_text(app) else "in order"
        )
        await pilot.resize_terminal(80, 24)
        await until(app, pilot, lambda: paper.region.y == rows.region.bottom)

    drive(act, app=app)


def test_a_fix_is_copied_to_the_clipboard_and_to_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        finding = app.pane.query_one(FindingsView).chosen
        assert finding is not None
        await pilot.press("c")
        assert app.clipboard == finding.fix
        assert copied_file().read_text("utf-8") == f"{finding.fix}\n"
        await until(app, pilot, "Copied; it also stands in")
        await pilot.press("end")
        await until(app, pilot, lambda: "Copied" not in screen_text(app))
        before = app.clipboard
        assert chosen_id(app).startswith("terminal")
        assert "copy the fix" not in screen_text(app)
        await pilot.press("c")
        assert app.clipboard == before

    drive(act, app=app)


def test_a_file_that_cannot_be_written_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        await pilot.press("c")
        await until(app, pilot, "Not a directory.")

    drive(act, app=app, size=(120, 40))


def test_checking_again_shows_what_was_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        await pilot.press("down")
        assert chosen_id(app) == "disk.full"
        doctor.box = replace(BROKEN, gpu=boxes.GPU)
        doctor.may_answer.clear()
        await pilot.press("R")
        await until(app, pilot, "again ...")
        assert "disk.full" in screen_text(app)  # the old findings stay while it looks
        doctor.may_answer.set()
        await until(app, pilot, "1 failure to fix.")
        assert chosen_id(app) == "disk.full"

    drive(act, app=app)
    assert doctor.num_asked == 2


def test_while_it_checks_the_screen_stands_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch, boxes.box())
    doctor.may_answer.clear()
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Checking GPU")
        await until(app, pilot, "The box is being checked.")
        await pilot.press("enter", "ctrl+n")
        assert app.wizard.step == "box"
        doctor.may_answer.set()
        await until(app, pilot, "This box can train on 1 x NVIDIA H100")
        assert "stop" not in screen_text(app)
        await pilot.press("enter")
        await until(app, pilot, "Base model")

    drive(act, app=app)


def test_coming_back_asks_nothing_again(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        await pilot.press("enter")
        await until(app, pilot, "Base model")
        await pilot.press("escape")
        await until(app, pilot, "gpu.driver-too-old")
        assert "Checking" not in screen_text(app)

    drive(act, app=app)
    assert doctor.num_asked == 1


def test_suggestions_for_another_card_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    Doctor(monkeypatch, boxes.box())
    suggested = (Suggestion("train.micro_batch", 64, "this card has room"),)
    other = Card("another", 24.0, (8, 6), 0.4)
    app = WizardApp(Draft(suggestions=suggested, card=other))

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)

    drive(act, app=app)
    assert app.draft.card != other
    assert app.draft.suggestions == ()


def test_words_that_look_like_markup_are_shown_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Doctor(monkeypatch, BROKEN)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await shown(app, pilot)
        await until(app, pilot, "[red]timed out[/red]")

    drive(act, app=app, size=(120, 40))


def test_this_very_box_is_examined_within_a_second_or_so() -> None:
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, lambda: app.draft.box is not None, timeout_s=10)
        assert app.draft.box is not None
        assert app.draft.box.stack.python
        assert app.draft.card is not None
        assert app.draft.card.usable_gib > 0
        assert len(app.screen.query("*")) < 60

    drive(act, app=app)


def test_a_check_that_failed_is_said_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    doctor = Doctor(monkeypatch, BROKEN)

    def broken(host: object, early: object = None) -> Box:
        raise OSError(5, "Input/output error", "/proc/meminfo")

    monkeypatch.setattr("engine.doctor.box.gather", broken)
    app = WizardApp()

    async def act(_: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "FAIL  /proc/meminfo could not be used: Input/output error.")
        await until(app, pilot, "The box could not be checked: r tries again.")
        await pilot.press("enter")
        assert app.wizard.step == "box"
        monkeypatch.setattr("engine.doctor.box.gather", doctor.gather)
        await pilot.press("R")
        await shown(app, pilot)
        assert not app.pane.stop
        # one that fails later takes nothing away
        monkeypatch.setattr("engine.doctor.box.gather", broken)
        await pilot.press("R")
        await until(app, pilot, "This box could not be checked again.")
        assert not app.pane.stop

    drive(act, app=app)
