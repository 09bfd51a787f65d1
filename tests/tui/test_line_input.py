"""What is typed into or put into a line: kept as it is, drawn so that no terminal obeys it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.terminal import Terminal
from tests.tui.pilots import drive, screen_text, until
from tests.tui.wizards import WizardApp
from tui.app import TailfinApp
from tui.draft import Draft
from tui.panes.data_state import ROWS
from tui.widgets.line_input import visible
from tui.widgets.path_input import PathInput

_APP = """
import sys
from textual.binding import Binding
from tests.tui.wizards import WizardApp
from tui.draft import Draft

class App(WizardApp):
    BINDINGS = [Binding("f9", "toast", priority=True)]

    def action_toast(self):
        self.say("\\x1b]2;TOAST\\x07\\nsecond line")
        self.last_words = ["\\x1b]2;WORDS\\x07 goes on."]

path = "/nowhere/\\x1b]0;PWNED\\x07\\x9b2Jend"
draft = Draft(choices={"data.path": path, "model.path": path, "name": "a\\x1b]0;NAME\\x07"})
sys.argv = ["tailfin"]
import tui.app
tui.app.TailfinApp = lambda opening, options: App(draft, STEP)
from tui.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(("step", "drawn"), [("data", "?]0;PWNED??2Jend"), ("review", "NAME?")])
def test_no_terminal_obeys_a_value_a_toast_or_the_last_words(
    tmp_path: Path, step: str, drawn: str
) -> None:
    script = tmp_path / "app.py"
    script.write_text(_APP.replace("STEP", repr(step)), encoding="utf-8")
    env = {"HOME": str(tmp_path), "TAILFIN_RUNS": str(tmp_path)}
    with Terminal([sys.executable, str(script)], columns=120, cwd=tmp_path, env=env) as terminal:
        terminal.wait_for(drawn, 20)
        terminal.keys("f9")
        terminal.wait_for("\\x1b]2;TOAST\\x07")
        terminal.wait_for("second line")
        terminal.keys("f10")
        assert terminal.wait() == 0
        assert "\\x1b]2;WORDS\\x07 goes on." in terminal.text
        for obeyed in (b"\x1b]0;", b"\x1b]2;", b"\xc2\x9b"):
            assert obeyed not in terminal.raw


def test_what_it_holds_is_not_what_is_drawn(tmp_path: Path) -> None:
    """The file is looked for under its own name, and keys edit that name."""
    path = str(tmp_path / "a\x1b[2Jb.jsonl")

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "a?[2Jb.jsonl")
        field = app.screen.query_one(f"#{ROWS}-path", PathInput)
        assert field.value == path
        field.focus()
        await pilot.press("end", "x")
        assert field.value == f"{path}x"
        assert "a?[2Jb.jsonlx" in screen_text(app)

    drive(act, size=(120, 40), app=WizardApp(Draft(choices={"data.path": path}), "data"))


def test_a_name_that_cannot_be_drawn_is_not_suggested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil\x1b]0;x\x07.jsonl").touch()
    (tmp_path / "good.jsonl").touch()

    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "Data file")
        field = app.screen.query(PathInput).first()
        field.focus()
        await pilot.press("g")
        await until(app, pilot, "good.jsonl")
        await pilot.press("backspace", "e")
        await pilot.pause(0.3)
        assert "evil" not in screen_text(app)
        await pilot.press("tab")
        await until(app, pilot, lambda: field.value == "evil\x1b]0;x\x07.jsonl")

    drive(act, app=WizardApp(Draft(), "data"))


@given(st.text())
def test_each_character_is_drawn_as_one_that_no_terminal_obeys(text: str) -> None:
    drawn = visible(text)
    assert len(drawn) == len(text)
    assert all(c.isprintable() or c.isspace() for c in drawn)
    assert not set(drawn) & set(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]))
