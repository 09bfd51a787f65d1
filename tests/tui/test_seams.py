"""What the screens use of textual's own insides: each is named here when a release moves it."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from tests.process import ROOT
from tests.tui.pilots import drive, until
from tui.app import TailfinApp
from tui.screens.palette import PaletteScreen
from tui.widgets.line_input import LineInput
from tui.widgets.sheet import Sheet

# Private name -> where it is looked for in an app at work.
_HELD: dict[str, Callable[[TailfinApp], object]] = {
    "_batch_count": lambda app: app,
    "_close_messages_no_wait": lambda app: app,
    "_closing": lambda app: app.screen,
    "_exception": lambda app: app,
    "_exit_renderables": lambda app: app,
    "_interval": lambda app: app.set_timer(60, lambda: None),
    "_layout_required": lambda app: app.screen,
    "_layout_updates": lambda app: app.screen.query(Sheet).first(),
    "_push_result_callback": lambda app: app.screen,
    "_refresh_layout": lambda app: app.screen,
}
# What is written anew here because textual calls it.
_OVERRIDDEN = (
    (App, TailfinApp, "_fatal_error"),
    (Input, LineInput, "_value"),
    (Input, LineInput, "_position_to_cell"),
)


def test_textual_still_has_what_is_used_of_it(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "New run")
        missing = [name for name, holder in _HELD.items() if not hasattr(holder(app), name)]
        assert not missing

    drive(act, runs=tmp_path)


@pytest.mark.parametrize(("theirs", "ours", "name"), _OVERRIDDEN)
def test_what_is_overridden_is_there_and_called(
    theirs: type[object], ours: type[object], name: str
) -> None:
    assert name in vars(theirs) and name in vars(ours)
    called = f".{name}"
    assert called in inspect.getsource(inspect.getmodule(theirs) or theirs)


def test_painting_later_still_means_what_settling_copies_of_it() -> None:
    """tui/settle.py lays out as this does, without its paint."""
    source = inspect.getsource(Screen._on_timer_update)
    for part in ("not self.app._batch_count", "_layout_required = False", "_refresh_layout("):
        assert part in source


def test_a_first_screen_can_be_switched_only_with_a_callback() -> None:
    """Why tui/app.py gives it one; once textual does, that is to go."""
    assert "_push_result_callback" not in inspect.getsource(App._init_mode)
    assert "_pop_result_callback" in inspect.getsource(App.switch_screen)


def test_an_input_is_drawn_by_what_is_overridden(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        app.action_palette()
        await until(app, pilot, lambda: isinstance(app.screen, PaletteScreen))
        await until(app, pilot, lambda: bool(app.screen.query(LineInput)))
        field = app.screen.query_one(LineInput)
        field.value = "a\x1b[2J"
        await pilot.pause()
        assert "a?[2J" in "".join(segment.text for segment in field.render_line(0))

    drive(act, runs=tmp_path)


def test_nothing_else_of_it_is_used() -> None:
    used, own = set(), set()
    for path in sorted((ROOT / "tui").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        used |= set(_private_names(tree))
        own |= set(_made_here(tree))
    assert used - own == set(_HELD)


def _private_names(tree: ast.AST) -> Iterator[str]:
    """Names such as `_interval` of anything that is asked for one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr):
            yield node.attr


def _made_here(tree: ast.AST) -> Iterator[str]:
    """Names that a class of ours defines or gives its own instances."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
            case ast.Assign(targets=targets):
                for target in targets:
                    yield from _own_names(target)
            case ast.AnnAssign(target=target):
                yield from _own_names(target)


def _own_names(target: ast.AST) -> Iterator[str]:
    for node in ast.walk(target):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name):
                yield name
