"""A fix is run as it was shown: its output, its end, and what it exports."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from engine.doctor.apply import apply

ENV = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "KEPT": "as it was"}


def test_what_it_exports_is_brought_back(tmp_path: Path) -> None:
    command = f"export CACHE={tmp_path}/cache TEMPORARY={tmp_path}/tmp && mkdir -p $TEMPORARY"
    ended = apply(command, ENV)
    assert ended.succeeded
    assert ended.environment == {"CACHE": f"{tmp_path}/cache", "TEMPORARY": f"{tmp_path}/tmp"}
    assert (tmp_path / "tmp").is_dir()


def test_a_value_keeps_its_lines_and_blanks(tmp_path: Path) -> None:
    ended = apply("export A='two\nlines = here' B=", ENV)
    assert ended.environment == {"A": "two\nlines = here", "B": ""}


def test_what_failed_changes_nothing() -> None:
    ended = apply("export CACHE=/x; echo first; echo second >&2; false", ENV)
    assert (ended.code, ended.succeeded, ended.environment) == (1, False, {})
    assert ended.tail == ("first", "second")


def test_a_command_that_does_not_exist_is_told_by_the_shell() -> None:
    ended = apply("no-such-program-here --now", ENV)
    assert ended.code == 127
    assert "no-such-program-here" in ended.tail[-1]


def test_it_has_no_terminal_to_ask_at() -> None:
    ended = apply("read answer || echo nobody there", ENV)
    assert ended.tail == ("nobody there",)


def test_only_the_end_of_a_long_output_is_kept_and_progress_is_one_line() -> None:
    told: list[tuple[str, ...]] = []
    ended = apply(
        "for i in $(seq 1000); do echo $i; done; printf '10%%\\r50%%\\r100%%\\n'",
        ENV,
        said=told.append,
    )
    assert ended.tail[-2:] == ("1000", "100%")
    assert len(ended.tail) == 200
    assert told[-1] == ended.tail


def test_past_its_limit_it_is_ended_with_all_it_started() -> None:
    began = time.monotonic()
    ended = apply("sleep 60 & echo $!; sleep 60", ENV, limit_s=0.5)
    assert time.monotonic() - began < 20
    assert (ended.code, ended.was_cancelled) == (None, False)
    deadline = time.monotonic() + 10
    while is_running(int(ended.tail[0])) and time.monotonic() < deadline:
        time.sleep(0.02)  # a signal is obeyed a moment after it was sent
    assert not is_running(int(ended.tail[0]))


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return "State:\tZ" not in status


def test_it_can_be_cancelled() -> None:
    cancelled = threading.Event()
    ended = apply(
        "export A=b; echo begun; sleep 60",
        ENV,
        is_cancelled=cancelled.is_set,
        said=lambda tail: cancelled.set(),
    )
    assert (ended.code, ended.was_cancelled, ended.environment) == (None, True, {})


def test_what_it_leaves_behind_holds_nobody_up() -> None:
    began = time.monotonic()
    ended = apply("sleep 20 & echo done", ENV)
    assert ended.succeeded and ended.tail == ("done",)
    assert time.monotonic() - began < 10
