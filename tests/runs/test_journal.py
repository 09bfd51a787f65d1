"""The log's writer and reader: torn lines, full disks, growing files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.runs.events import Exited, Finished, Notice, Stage
from engine.runs.journal import RESERVE_BYTES, Journal
from engine.runs.reader import Reader, read_all


def _notice(text: str) -> Notice:
    return Notice(id="n", severity="info", message=text)


def test_numbers_go_on_after_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    first = Journal(path)
    for name in ("load", "train"):
        first.write(Stage(name=name))
    first.close()
    with open(path, "ab") as file:
        file.write(b'{"v":1,"seq":2,"time":1,"kind":"st')
    second = Journal(path)
    second.write(Stage(name="save"))
    second.close()
    reader = Reader(path)
    events = reader.read()
    assert [(e.seq, e.body.name) for e in events if isinstance(e.body, Stage)] == [
        (0, "load"),
        (1, "train"),
        (2, "save"),
    ]
    assert reader.skipped == 1


def test_a_full_disk_holds_records_back_and_the_last_word_still_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    real_write = os.write

    def full(fd: int, data: bytes) -> int:
        if path.with_name(".reserve").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data)

    monkeypatch.setattr(os, "write", full)
    journal.write(_notice("held back"))
    assert read_all(path) == []
    journal.write(Finished(step=1, result="adapter"))
    assert [e.body.kind for e in read_all(path)] == ["notice", "finished"]
    journal.close()


def test_the_last_word_fits_the_reserve_however_much_waits_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"v":1,"seq":0,"time":1,"kind":"st')
    journal = Journal(path)
    _fill_disk(path, monkeypatch)
    for number in range(1200):
        journal.write(_notice(f"{number} " + "x" * 300))
    assert read_all(path) == []
    journal.write(Finished(step=1, result="adapter"))
    journal.close()
    reader = Reader(path)
    events = reader.read()
    assert events[-1].body == Finished(step=1, result="adapter")
    # the torn line is ended, and the latest of the held back records came along
    assert reader.skipped == 1
    waited = [e.body.message.split()[0] for e in events[:-1] if isinstance(e.body, Notice)]
    assert waited and waited == [str(n) for n in range(1200 - len(waited), 1200)]


def test_a_torn_line_on_a_full_disk_is_ended_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    torn = b'{"v":1,"seq":0,"time":1,"kind":"st'
    path.write_bytes(torn)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _no_space)
        journal = Journal(path)
        journal.write(_notice("held back"))
    assert path.read_bytes() == torn
    journal.write(_notice("next"))
    journal.close()
    messages = [e.body.message for e in read_all(path) if isinstance(e.body, Notice)]
    assert messages == ["held back", "next"]


def test_what_waits_at_the_close_goes_into_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    _fill_disk(path, monkeypatch)
    journal.write(Exited(exit_code=1, signal="", oom_kills=0, message="m"))
    assert read_all(path) == []
    journal.close()
    assert [e.body.kind for e in read_all(path)] == ["exited"]


def _no_space(_fd: int, _data: bytes) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def _fill_disk(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the log grow only by what the reserve sets free."""
    real_write, size, reserve = os.write, log.stat().st_size, log.with_name(".reserve")

    def write(fd: int, data: bytes) -> int:
        room = 0 if reserve.exists() else size + RESERVE_BYTES - log.stat().st_size
        return real_write(fd, data[:room]) if room > 0 else _no_space(fd, data)

    monkeypatch.setattr(os, "write", write)


def test_a_half_written_record_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    journal.write(_notice("whole"))
    real_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real_write(fd, data[:10]))
    journal.write(_notice("half"))
    monkeypatch.undo()
    assert path.read_bytes().endswith(b"\n")
    journal.write(_notice("next"))
    messages = [e.body.message for e in read_all(path) if isinstance(e.body, Notice)]
    assert messages == ["whole", "half", "next"]
    journal.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 5))
def test_a_reader_of_a_growing_file_sees_every_record_once(
    tmp_path: Path, pieces: list[int], budget: int
) -> None:
    whole = tmp_path / "whole.jsonl"
    whole.unlink(missing_ok=True)
    journal = Journal(whole)
    for number in range(8):
        journal.write(_notice(f"m{number} 字\n"))
    journal.close()
    data = whole.read_bytes()
    growing = tmp_path / "growing.jsonl"
    growing.write_bytes(b"")
    reader, seen, at = Reader(growing), [], 0
    for piece in [*pieces, len(data)]:
        with open(growing, "ab") as file:
            file.write(data[at : at + piece])
        at += piece
        while batch := reader.read(max_records=budget):
            assert len(batch) <= budget
            seen += batch
    assert [event.seq for event in seen] == list(range(8))
    assert reader.skipped == 0


def test_a_replaced_file_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    journal.write(_notice("a"))
    journal.write(_notice("b"))
    journal.close()
    reader = Reader(path)
    assert len(reader.read()) == 2
    path.unlink()
    journal = Journal(path)
    journal.write(_notice("c"))
    journal.close()
    assert [e.body.message for e in reader.read() if isinstance(e.body, Notice)] == ["c"]


def test_a_record_taken_back_is_not_the_whole_history_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = Journal(path)
    journal.write(_notice("a"))
    reader = Reader(path)
    assert len(reader.read()) == 1
    size = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b'{"v":1,"seq":1,"ti')
    assert reader.read() == []
    os.truncate(path, size)
    assert reader.read() == []
    journal.write(_notice("b"))
    assert [e.body.message for e in reader.read() if isinstance(e.body, Notice)] == ["b"]
    journal.close()
