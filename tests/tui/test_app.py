"""The app as a whole: how it is left, how it dies, and what it says when it cannot draw."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.emulator import DEFAULT_MODES
from tests.process import COMMAND, tailfin
from tests.terminal import Terminal
from tests.tui.pilots import drive, screen_text, until
from tui.app import TailfinApp
from tui.options import parse
from tui.screens.help import HelpScreen
from tui.screens.palette import PaletteScreen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_restored(
    tmp_path: Path, number: signal.Signals
) -> None:
    with Terminal(COMMAND, cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("New run")
        assert terminal.modes != DEFAULT_MODES
        terminal.signal(number)
        assert terminal.wait() == 0
        assert terminal.modes == DEFAULT_MODES


@pytest.mark.parametrize("key", ["q", "f10", "ctrl+q", "ctrl+c"])
def test_every_way_out_works(tmp_path: Path, key: str) -> None:
    with Terminal(COMMAND, cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("New run")
        terminal.keys(key)
        assert terminal.wait() == 0
        assert terminal.modes == DEFAULT_MODES


def test_a_terminal_that_is_gone_ends_it(tmp_path: Path) -> None:
    with Terminal(COMMAND, cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("New run")
        terminal.hangup()
        assert terminal.wait() is not None


def test_a_mistake_of_ours_is_a_sentence_and_a_file(tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        "from tui.screens.home import HomeScreen\n"
        "def broken(self): secret = 'hf_secret'; raise ValueError('a wire came loose')\n"
        "HomeScreen.action_new = broken\n"
        "from tui.__main__ import main\n"
        "sys.argv = ['tailfin']\n"
        "sys.exit(main())\n"
    )
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    with Terminal([sys.executable, str(script)], cwd=tmp_path, env=env) as terminal:
        terminal.wait_for("New run")
        terminal.keys("n")
        assert terminal.wait() == 1
        assert _says("a wire came loose")(terminal.text) and "Traceback" not in terminal.text
        assert terminal.modes == DEFAULT_MODES
    [file] = (tmp_path / "cache" / "tailfin").glob("screens-*.txt")
    assert "action_new" not in terminal.text
    assert "a wire came loose" in file.read_text() and "hf_secret'" in file.read_text()


def test_a_small_terminal_is_told_in_words_and_recovers(tmp_path: Path) -> None:
    with Terminal(
        COMMAND, columns=50, lines=10, cwd=tmp_path, env={"HOME": str(tmp_path)}
    ) as small:
        small.wait_for(_says("needs 60 x 16"))
        small.resize(80, 24)
        small.wait_for("New run")
        small.resize(40, 8)
        small.wait_for(_says("needs 60 x 16"))
        small.keys("q")
        assert small.wait() == 0


def test_without_a_terminal_the_same_words_print_lines(tmp_path: Path) -> None:
    plain = tailfin(cwd=tmp_path)
    assert (
        plain.returncode == 0 and "usage: tailfin" in plain.stdout and "No runs yet" in plain.stdout
    )
    assert "\x1b" not in plain.stdout


@pytest.mark.parametrize("term", ["dumb", ""])
def test_a_dumb_terminal_gets_lines(tmp_path: Path, term: str) -> None:
    with Terminal(COMMAND, cwd=tmp_path, env={"HOME": str(tmp_path), "TERM": term}) as terminal:
        assert terminal.wait() == 0
        assert b"\x1b[?1049h" not in terminal.raw and b"No runs yet" in terminal.raw


def test_no_mouse_asks_for_none(tmp_path: Path) -> None:
    for flag, asks in (([], True), (["--no-mouse"], False), (["--slow-link"], False)):
        with Terminal([*COMMAND, *flag], cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
            terminal.wait_for("New run")
            assert (b"\x1b[?1003h" in terminal.raw) is asks


def test_the_kitty_protocol_is_never_asked_for(tmp_path: Path) -> None:
    with Terminal(COMMAND, cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("New run")
        assert b"\x1b[>1u" not in terminal.raw


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--bogus"], "--bogus"),
        (["attach", "nothing"], "There is no run"),
        (["replay", "--speed", "x"], "speed"),
    ],
)
def test_wrong_words_are_one_message_before_any_screen(
    tmp_path: Path, flags: list[str], said: str
) -> None:
    with Terminal([*COMMAND, *flags], cwd=tmp_path, env={"HOME": str(tmp_path)}) as terminal:
        assert terminal.wait() == 2
        assert said in terminal.text and "do: " in terminal.text
        assert b"\x1b[?1049h" not in terminal.raw


def test_help_and_palette_open_and_close_on_every_screen(tmp_path: Path) -> None:
    async def act(app: TailfinApp, pilot: Pilot[list[str]]) -> None:
        await until(app, pilot, "New run")
        for key in ("question_mark", "f1"):
            await pilot.press(key)
            assert isinstance(app.screen, HelpScreen)
            await until(app, pilot, "Keys")
            await pilot.press("escape")
        for key in ("colon", "ctrl+k"):
            await pilot.press(key)
            assert isinstance(app.screen, PaletteScreen)
            await pilot.press("d", "a", "r", "k", "enter")
            await pilot.pause()
        assert app.theme == "tailfin-dark"  # light and back
        assert "New run" in screen_text(app)

    drive(act, runs=tmp_path)


def test_flags_come_from_the_environment_too() -> None:
    wanted = parse([], {"TAILFIN_UI": "--ascii --no-mouse --light"})
    assert wanted is not None
    assert (wanted[1].ascii_only, wanted[1].mouse, wanted[1].theme) == (True, False, "light")


@pytest.mark.parametrize(
    ("env", "ascii_only"),
    [
        ({}, False),
        ({"LANG": "C"}, False),
        ({"LANG": "en_US.UTF-8", "TMUX": "x"}, False),
        ({"LANG": "C", "TMUX": "x"}, True),
        ({"LC_ALL": "de_DE.ISO-8859-1", "LANG": "en_US.UTF-8"}, True),
    ],
)
def test_ascii_where_other_characters_would_not_arrive(
    env: dict[str, str], ascii_only: bool
) -> None:
    wanted = parse([], env)
    assert wanted is not None and wanted[1].ascii_only is ascii_only


def test_engine_words_are_not_for_the_screens() -> None:
    for words in (
        ["runs"],
        ["train", "x"],
        ["attach", "--json"],
        ["demo", "--help"],
        ["--version"],
    ):
        assert parse(words, dict(os.environ)) is None


def _says(wanted: str) -> Callable[[str], bool]:
    """Whether a screen says something, over however many lines."""
    return lambda text: wanted in " ".join(text.split())
