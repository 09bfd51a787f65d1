"""Small, poor and unkind terminals: what a person must know can be read in all of them."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.cells import cell_len

from engine.bundled import bundled
from tests.journey.box import Box
from tests.journey.reading import framed, says, says_not
from tests.journey.wizard import PATIENCE_S, await_step, go_to
from tests.live_run import LiveRun
from tests.tmux import available

pytestmark = pytest.mark.timeout(200)
needs_tmux = pytest.mark.skipif(bool(available()), reason=available())
_COLOUR = re.compile(rb"\x1b\[([0-9;]*)m")


@pytest.fixture
def live(box: Box) -> Iterator[LiveRun]:
    """A run at work, with steps and evaluations behind it."""
    with LiveRun(box.runs / "support", steps_per_s=4, max_steps=4000, steps_before=120) as made:
        yield made


def _is_running(text: str) -> bool:
    return "RUNNING  step" in text


def test_a_storm_of_sizes_leaves_the_picture_whole(box: Box, live: LiveRun) -> None:
    """Every size for a moment, down to none at all; then what a fresh look at 100x30 shows."""
    dice = random.Random(3)
    with box.tailfin("attach", "last") as terminal:
        terminal.wait_for(_is_running, PATIENCE_S)
        for _ in range(60):
            terminal.resize(dice.randint(1, 200), dice.randint(1, 60))
            time.sleep(dice.choice((0.0, 0.005, 0.05)))
        terminal.resize(30, 8)
        terminal.wait_for("Enlarge it")
        says(terminal, "30 x 8 cells", "runs go on")
        terminal.resize(100, 30)
        terminal.wait_for(_is_running)
        live.finish()
        terminal.wait_for("[ What happened ]", 20)
        terminal.wait_quiet()
        with box.tailfin("attach", "last", columns=100, lines=30) as fresh:
            fresh.wait_for("[ What happened ]", PATIENCE_S)
            fresh.wait_quiet()
            assert terminal.screen == fresh.screen, framed(f"{terminal.text}\n\n{fresh.text}")


def test_sixteen_colours(box: Box, live: LiveRun) -> None:
    """TERM=xterm promises no more; states are words anyway."""
    with box.tailfin(env={"TERM": "xterm"}) as terminal:
        terminal.wait_for("running", PATIENCE_S)
        terminal.keys("enter")
        terminal.wait_for(_is_running)
        assert _colours(terminal.raw), "no colour at all"
        assert not [codes for codes in _colours(terminal.raw) if re.search(r"[34]8;", codes)]


def test_no_colour(box: Box, live: LiveRun) -> None:
    """NO_COLOR=1: shades of grey at most, and every state still a word."""
    with box.tailfin("demo", env={"NO_COLOR": "1"}) as terminal:
        await_step(terminal, "box")
        says(terminal, "- WARN  GPU", "  OK  ")
        terminal.keys("escape")
        terminal.wait_for("running", PATIENCE_S)
        says(terminal, "> support")  # the cursor is more than a colour
        terminal.keys("enter")
        terminal.wait_for(_is_running)
        shades = {code for codes in _colours(terminal.raw) for code in _shades(codes)}
        assert all(code in (0, 7, 15, 16) or code >= 232 for code in shades), shades


@needs_tmux
def test_a_tmux_without_utf_8_gets_ascii(box: Box, live: LiveRun) -> None:
    with box.shell(env={"LC_ALL": "C", "LANG": "C"}) as terminal:
        terminal.send("tailfin attach last")
        terminal.keys("enter")
        monitor = terminal.wait_for(_is_running, PATIENCE_S)
        assert monitor.isascii(), framed(monitor)
        says(terminal, "train  #", "* smoothed", "o held out")


@needs_tmux
@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
def test_chinese_names_and_rows(box: Box, size: tuple[int, int]) -> None:
    """A run's folder and its data in Chinese: measured in cells, never torn."""
    data = box.work / "训练数据.jsonl"
    row = '{{"question": "第{0}个问题:天空是什么颜色的?", "answer": "天空是蓝色的,编号{0}。"}}\n'
    data.write_text("".join(row.format(number) for number in range(40)), encoding="utf-8")
    with (
        LiveRun(box.runs / "客服模型-第一次", steps_per_s=4, steps_before=60),
        box.shell(*size) as terminal,
    ):
        terminal.send("tailfin")
        terminal.keys("enter")
        terminal.wait_for("running", PATIENCE_S)
        says(terminal, "客服模型-第一次")
        terminal.keys("enter")
        terminal.wait_for(_is_running)
        says(terminal, "客服模型-第一次")
        terminal.keys("escape")
        terminal.wait_for("tailfin  runs")
        terminal.keys("n")
        await_step(terminal, "box")
        terminal.keys("enter")
        terminal.wait_for("Name a base model")
        terminal.send(str(bundled("samples") / "model"))
        await_step(terminal, "model")
        terminal.keys("enter")
        terminal.wait_for("Name a data file")
        terminal.send(data.name)
        terminal.wait_for("第0个问题", PATIENCE_S)
        says(terminal, "Nobody knows these columns")
        terminal.keys("enter")
        terminal.wait_for("> Read the file like this")
        terminal.keys("enter")
        terminal.wait_for("40 usable of 40", PATIENCE_S)
        says(terminal, "训练数据.jsonl")
        await_step(terminal, "data")
        assert all(cell_len(line) <= size[0] for line in terminal.screen)


@needs_tmux
def test_the_smallest_terminal_leads_through_every_step(box: Box, live: LiveRun) -> None:
    """60x16: what Enter does and what is wrong stand there on every screen."""
    with box.shell(60, 16) as terminal:
        terminal.send("tailfin")
        terminal.keys("enter")
        terminal.wait_for("running", PATIENCE_S)
        says(terminal, "> support", "New run")
        terminal.keys("enter")
        terminal.wait_for(_is_running)
        says(terminal, "loss", "held out", "q leaves, the run goes on", "RAM")
        terminal.keys("x")
        terminal.wait_for("Stop the run?")
        says(terminal, "> Let it go on", "Stop it")
        terminal.keys("n", "escape")
        terminal.wait_for("tailfin  runs")
        terminal.keys("d")
        go_to(terminal, "review")
        says(terminal, "Run name", "trains", "[ Start training ]", "more lines")


@pytest.mark.parametrize("home", ["unset", "missing"])
def test_no_home_is_no_hindrance(box: Box, live: LiveRun, home: str) -> None:
    env = ["-u", "HOME"] if home == "unset" else ["HOME=/nonexistent/home"]
    with box.terminal(["env", *env, str(box.program)]) as terminal:
        terminal.wait_for("running", PATIENCE_S)
        terminal.keys("d")
        go_to(terminal, "review")
        terminal.keys("c")
        terminal.wait_for(lambda text: "Copied" in text or "could not be" in text)
        terminal.keys("q")
        assert terminal.wait(10) == 0


def test_a_read_only_home_is_said_with_its_remedy(box: Box, live: LiveRun) -> None:
    """Hub models are kept there; the list of runs and the charts need nothing of it."""
    with (
        _read_only(box.home / "of-a-pod") as home,
        box.terminal(["env", f"HOME={home}", str(box.program)]) as terminal,
    ):
        terminal.wait_for("running", PATIENCE_S)
        terminal.keys("enter")
        terminal.wait_for(_is_running)
        terminal.keys("escape", "d")
        terminal.wait_for("a run would not start", PATIENCE_S)
        says(terminal, "Nothing can be written to the folder for", "HF_HOME")
        terminal.keys("c")
        terminal.wait_for(lambda text: "Copied" in text or "could not be" in text)
        terminal.keys("q")
        assert terminal.wait(10) == 0


def test_a_runs_folder_that_cannot_be_read_is_named(box: Box) -> None:
    """Root loses the right to look into what is closed to everybody, as on another one's volume."""
    box.runs.mkdir(mode=0o000)
    without = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    closed = [] if os.geteuid() else without
    if closed and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    with box.terminal([*closed, str(box.program)]) as terminal:
        terminal.wait_for("Permission denied", PATIENCE_S)
        says(terminal, "could not be used", "n new run")
        terminal.keys("d")
        terminal.wait_for("a run would not start", PATIENCE_S)
        says(terminal, "Nothing can be written to the folder for runs", "TAILFIN_RUNS")
        says_not(terminal, "Traceback")


def _colours(raw: bytes) -> set[str]:
    """The codes of every change of colour or style that was sent."""
    return {found.decode() for found in _COLOUR.findall(raw)}


def _shades(codes: str) -> list[int]:
    """The colours of 256 in one change, by number."""
    return [int(number) for number in re.findall(r"[34]8;5;(\d+)", codes)]


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[Path]:
    """A volume nobody can write to; the test is left out where none can be made."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no volume can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
