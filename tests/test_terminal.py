"""The harness itself: a terminal that shows, answers, stalls and hangs up as a real one does."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests import tmux
from tests.emulator import DEFAULT_MODES, Emulator
from tests.keys import sequence, tmux_name
from tests.terminal import Terminal
from tests.tmux import Tmux

_EMPTY = [sys.executable, str(Path(__file__).parent / "benchmarks" / "empty_app.py")]
# Shows the last key by Textual's name and its size; leaves the signal that ended it in a file.
_ECHO = """
import os, signal, sys
from textual.app import App
from textual.widgets import Input, Static
class Echo(App):
    def compose(self):
        yield Static("ready", id="said")
        yield Static("", id="size")
        yield Input()
    async def on_event(self, event):
        if type(event).__name__ == "Key":
            self.query_one("#said").update(f"pressed {event.key}")
        await super().on_event(event)
    def on_resize(self, event):
        self.query_one("#size").update(f"size {event.size.width}x{event.size.height}")
    def on_mount(self):
        import asyncio
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self.leave, number)
    def leave(self, number):
        with open(sys.argv[1], "w") as file:
            file.write(signal.Signals(number).name)
        self.exit()
Echo().run()
print("said after the end")
"""
_FLOOD = """
import sys, time
for number in range(5000):
    print(f"line {number:05d} of a very long text that fills the buffer of the kernel")
print("all written")
"""


def echo(folder: Path) -> list[str]:
    return [sys.executable, "-c", _ECHO, str(folder / "signal")]


def test_a_textual_app_is_drawn_and_its_questions_are_answered(tmp_path: Path) -> None:
    with Terminal(echo(tmp_path)) as terminal:
        after_s = terminal.wait_for("ready")
        assert 0.05 < after_s < 10
        assert b"\x1b[?2026$p" in terminal.raw
        terminal.keys("down")
        terminal.wait_for("pressed down")
        # Textual brackets its frames only for a terminal that said it knows how.
        # The first may be drawn before the answer has come: a new size has all drawn again.
        terminal.resize(70, 20)
        terminal.wait_for("size 70x20")
        assert b"\x1b[?2026h" in terminal.raw
        assert 200 < max(terminal.frames) < 10_000
        assert {1003, 1049} < terminal.modes
        assert 25 not in terminal.modes
        assert terminal.bytes_received == len(terminal.raw) > 500
        assert terminal.cpu_s > 0.05
        assert 15 < terminal.rss_mib < 500


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_keys_text_and_size_reach_the_app(tmp_path: Path, size: tuple[int, int]) -> None:
    columns, lines = size
    with Terminal(echo(tmp_path), columns=columns, lines=lines) as terminal:
        terminal.wait_for(f"size {columns}x{lines}")
        assert len(terminal.screen) == lines
        for key in ("shift+tab", "escape", "pageup", "f10", "ctrl+t", "shift+up", "f1"):
            terminal.keys(key)
            terminal.wait_for(f"pressed {key}\n")
        terminal.keys("tab")
        terminal.send("训练 abc")
        terminal.wait_for("训练 abc")
        terminal.resize(60, 20)
        terminal.wait_for("size 60x20")
        assert len(terminal.screen) == 20


def test_a_clean_end_gives_the_terminal_back(tmp_path: Path) -> None:
    with Terminal(echo(tmp_path)) as terminal:
        terminal.wait_for("ready")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait() == 0
        assert (tmp_path / "signal").read_text() == "SIGTERM"
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        assert terminal.modes == DEFAULT_MODES
        # What was there before the app is back, without a trace of the app.
        assert terminal.screen[0] == "said after the end"
        assert "ready" not in terminal.text


def test_a_killed_app_leaves_its_modes_on() -> None:
    with Terminal(_EMPTY) as terminal:
        terminal.wait_for("An empty Textual app.")
        terminal.signal(signal.SIGKILL)
        assert terminal.wait() == -signal.SIGKILL
        assert not terminal.is_alive
        assert {1003, 1049} < terminal.modes


def test_a_hang_up_reaches_the_app_as_sighup(tmp_path: Path) -> None:
    with Terminal(echo(tmp_path)) as terminal:
        terminal.wait_for("ready")
        terminal.hangup()
        terminal.wait()
        assert (tmp_path / "signal").read_text() == "SIGHUP"


def test_a_stalled_reader_holds_the_writer_up_and_loses_nothing() -> None:
    with Terminal([sys.executable, "-c", _FLOOD]) as terminal:
        terminal.wait_for("line 00")
        terminal.stall()
        held = terminal.bytes_received
        time.sleep(0.3)  # the time in which it must not end is the thing tested
        assert terminal.is_alive
        assert terminal.bytes_received == held
        terminal.unstall()
        terminal.wait_for("all written", timeout_s=60)
        assert terminal.wait() == 0
        assert terminal.raw.count(b"line ") == 5000


def test_what_never_comes_fails_with_the_screen() -> None:
    with Terminal([sys.executable, "-c", "print('here it is')"]) as terminal:
        with pytest.raises(AssertionError, match=r"ended with code 0(.|\n)*\|here it is"):
            terminal.wait_for("something else", timeout_s=20)
        assert terminal.wait() == 0


def test_quiet_is_noticed_and_so_is_its_lack() -> None:
    chatter = "import time\nwhile True: print('x', flush=True); time.sleep(0.02)"
    with (
        Terminal([sys.executable, "-c", chatter]) as terminal,
        pytest.raises(AssertionError, match="never quiet"),
    ):
        terminal.wait_quiet(0.3, timeout_s=0.6)
    with Terminal(_EMPTY) as terminal:
        terminal.wait_for("An empty Textual app.")
        terminal.wait_quiet()
        before = terminal.bytes_received
        terminal.wait_quiet(0.1)
        assert terminal.bytes_received == before


def test_leaving_the_block_ends_and_reaps_the_program() -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
        "print('up', flush=True); time.sleep(60)"
    )
    with Terminal([sys.executable, "-c", stubborn]) as terminal:
        terminal.wait_for("up")
        pid = terminal.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    terminal.send("typed into nothing")


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"\x1b[?2026$p", b"\x1b[?2026;2$y"),
        (b"\x1b[?2026h\x1b[?2026$p", b"\x1b[?2026;1$y"),
        (b"\x1b[?2048$p", b"\x1b[?2048;0$y"),
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[>c", b"\x1b[>1;3900;0c"),
        (b"\x1b[3;5Hx\x1b[6n", b"\x1b[3;6R"),
        (b"\x1b[18t", b"\x1b[8;4;20t"),
        (b"\x1b]11;?\x07", b"\x1b]11;rgb:0000/0000/0000\x1b\\"),
        (b"\x1b[?u", b""),
    ],
)
def test_questions_are_answered_as_by_xterm(question: bytes, answer: bytes) -> None:
    whole = Emulator(20, 4)
    assert whole.feed(question) == answer
    # Bytes come in pieces: the answer must not depend on where they are cut.
    pieces = Emulator(20, 4)
    assert b"".join(pieces.feed(bytes([byte])) for byte in question) == answer
    assert pieces.lines == whole.lines


def test_sequences_that_are_no_text_leave_no_text() -> None:
    emulator = Emulator(30, 3)
    emulator.feed(
        b"\x1b[>1u\x1b[<u\x1b[>4;2m\x1b[?4m\x1b[38:2::1:2:3m\x1b[2 q\x1bP+q544e\x1b\\"
        b"\x1b]52;c;aGk=\x07\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\x1b]2;a title\x07"
    )
    assert emulator.lines == ["link", "", ""]
    assert emulator.title == "a title"


def test_a_frame_is_seen_only_when_it_is_whole() -> None:
    emulator = Emulator(20, 2)
    emulator.feed("中文".encode()[:4])
    assert emulator.lines[0] == "中"
    emulator.feed("中文".encode()[4:])
    assert emulator.lines[0] == "中文"
    seen = [emulator.is_mid_frame]
    for piece in (b"\x1b[?2026h\x1b[Hha", b"lf", b"\x1b[?2026l"):
        emulator.feed(piece)
        seen.append(emulator.is_mid_frame)
    assert seen == [False, True, True, False]


def test_a_key_nobody_has_is_refused() -> None:
    assert sequence("ctrl+c") == "\x03"
    assert tmux_name("ctrl+c") == "C-c"
    assert tmux_name("shift+up") == "S-Up"
    for name in ("ctrl+", "dwon", "alt+?", ""):
        with pytest.raises(ValueError, match="no key is called"):
            sequence(name)


@pytest.mark.skipif(bool(tmux.available()), reason=tmux.available() or "tmux is there")
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_tmux_shows_the_app_and_takes_the_same_keys(tmp_path: Path, size: tuple[int, int]) -> None:
    columns, lines = size
    with Tmux(echo(tmp_path), columns=columns, lines=lines) as session:
        session.wait_for(f"size {columns}x{lines}")
        assert len(session.screen) == lines
        for key in ("shift+tab", "escape", "pageup", "f10", "ctrl+t", "shift+up", "f1"):
            session.keys(key)
            session.wait_for(f"pressed {key}\n")
        session.keys("tab", "x")
        session.send("训练; -l abc")
        session.wait_for("x训练; -l abc")
        session.resize(60, 20)
        session.wait_for("size 60x20")


@pytest.mark.skipif(bool(tmux.available()), reason=tmux.available() or "tmux is there")
def test_a_killed_tmux_hangs_up_on_the_app(tmp_path: Path) -> None:
    with Tmux(echo(tmp_path)) as session:
        session.wait_for("ready")
        session.kill()
        deadline = time.monotonic() + 10
        while not (tmp_path / "signal").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (tmp_path / "signal").read_text() == "SIGHUP"
        assert not session.is_alive


@pytest.mark.skipif(bool(tmux.available()), reason=tmux.available() or "tmux is there")
def test_tmux_keeps_the_last_screen_and_the_exit_code(tmp_path: Path) -> None:
    with Tmux(["sh", "-c", "echo $HOME; pwd; echo last words; exit 3"], cwd=tmp_path) as session:
        assert session.wait() == 3
        text = session.wait_for("last words")
        assert str(tmp_path) in text
        home = Path(session.screen[0])
        assert home.name == "home" and home != Path.home()
    assert not home.exists()
