"""What the shell is told about a start that was under way when the screens were left."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from tests.live_run import LiveRun
from tui.farewell import await_start
from tui.start import Start


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Ctrl-C interrupts, whatever earlier tests of this process left."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def _start(work: Callable[[Start], RunFolder]) -> Start:
    start = Start()
    assert start.begin()

    def carry_out() -> None:
        with contextlib.suppress(TailfinError):
            start.carry_out(lambda: work(start))

    threading.Thread(target=carry_out, daemon=True).start()
    return start


def test_a_run_that_came_of_it_is_told_with_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILFIN_RUNS", str(tmp_path))
    with LiveRun(tmp_path / "mine") as live:
        said = await_start(_start(lambda _: live.run))
    assert said == [
        "mine goes on.",
        "  Come back: tailfin attach mine",
        "  End it:    tailfin stop mine",
    ]


def test_one_that_failed_is_told_with_its_reason() -> None:
    def fail(_: Start) -> RunFolder:
        raise TailfinError("The disk is full.", "Free space.")

    said = await_start(_start(fail))
    assert said == ["No run was started: The disk is full.", "  do: Free space."]


def test_a_second_ctrl_c_gives_up_what_is_still_checked(capsys: pytest.CaptureFixture[str]) -> None:
    checked, made = threading.Event(), threading.Event()

    def check(start: Start) -> RunFolder:
        assert checked.wait(20)
        start.commit()
        made.set()
        return RunFolder(Path("x"))

    start = _start(check)
    threading.Timer(0.8, _press_ctrl_c).start()
    assert await_start(start) == ["No run was started."]
    assert "still being checked" in capsys.readouterr().out
    checked.set()
    assert start.outcome() is None and not made.is_set()


def test_what_is_made_already_is_waited_for(tmp_path: Path) -> None:
    with LiveRun(tmp_path / "mine") as live:
        interrupted = threading.Event()

        def make(start: Start) -> RunFolder:
            start.commit()
            assert interrupted.wait(20)
            return live.run

        start = _start(make)

        def interrupt() -> None:
            _press_ctrl_c()
            interrupted.set()

        threading.Timer(0.8, interrupt).start()
        assert await_start(start)[0] == "mine goes on."


def test_checks_that_never_end_are_given_up() -> None:
    hangs = threading.Event()

    def check(start: Start) -> RunFolder:
        hangs.wait(20)
        start.commit()
        raise AssertionError("it was made after all")

    start = _start(check)
    said = await_start(start, within_s=0.0)
    hangs.set()
    assert said == ["No run was started: its checks took longer than 0 minutes."]
    assert start.outcome() is None and start.error is not None


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_run_that_is_never_made_holds_nobody_up(
    is_interrupted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether patience ends or a person presses Ctrl-C a second time."""
    begins, hangs = threading.Event(), threading.Event()

    def make(start: Start) -> RunFolder:
        start.commit()
        begins.set()
        hangs.wait(20)
        return RunFolder(Path("x"))

    start = _start(make)
    assert begins.wait(20)
    if is_interrupted:
        abandon = start.abandon

        def note_abandon() -> bool:
            """Two signals that come at once are one; the second waits for what the first does."""
            threading.Timer(0.3, _press_ctrl_c).start()
            return abandon()

        monkeypatch.setattr(start, "abandon", note_abandon)
        threading.Timer(0.3, _press_ctrl_c).start()
        said = await_start(start)
    else:
        said = await_start(start, within_s=0.0, made_within_s=0.0)
    hangs.set()
    assert said == ["It is not known whether the run was started.", "  See: tailfin runs list"]


def _press_ctrl_c() -> None:
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
