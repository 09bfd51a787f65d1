"""The child process that reports on data: what it answers, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.bundled import bundled
from engine.data.inspect import Inspection, Inspector, SampleTurn, Unreadable
from engine.data.read import read_data
from engine.errors import TailfinError
from engine.findings import any_fail

ROOT = Path(__file__).parents[2]
SAMPLES = bundled("samples")
GOOD = {"prompt": "Where?", "completion": "Here."}


def inspect(path: str | Path, **choices: object) -> Inspection | Unreadable:
    inspector = Inspector()
    inspector.start(path, **choices)  # type: ignore[arg-type]
    return inspector.result()


def read(path: str | Path, **choices: object) -> Inspection:
    told = inspect(path, **choices)
    assert isinstance(told, Inspection), told
    return told


def refused(path: str | Path, **choices: object) -> Unreadable:
    told = inspect(path, **choices)
    assert isinstance(told, Unreadable), told
    return told


def write(folder: Path, *rows: object) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def until(condition: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def endless_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A tokenizer's worker that never answers; the file gets its process id and its parent's."""
    pids, script = tmp_path / "pids", tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho $$ $PPID > {pids}.part\nmv {pids}.part {pids}\n")
    with script.open("a") as file:
        file.write("exec sleep 600\n")
    script.chmod(0o755)
    monkeypatch.setenv("TAILFIN_PYTHON", str(script))
    yield pids
    for pid in pids_in(pids):  # only a failed test leaves any
        if not is_gone(pid):
            os.kill(pid, signal.SIGKILL)


def pids_in(path: Path) -> list[int]:
    until(path.exists)
    return [int(pid) for pid in path.read_text().split()]


def test_a_good_file_is_told_in_full() -> None:
    told = read(SAMPLES / "good.jsonl")
    data = read_data(SAMPLES / "good.jsonl")

    assert told.path == str(SAMPLES / "good.jsonl")
    assert (told.container, told.layout, told.columns) == ("jsonl", "messages", {})
    assert (told.num_records, told.num_rows, told.num_left_out) == (400, 400, 0)
    assert told.num_turns == sum(len(row.messages) for row in data.rows)
    assert told.answer_chars is not None
    assert told.answer_chars.longest == max(len(row.answer_text) for row in data.rows)
    assert told.file_columns == ("messages",)
    assert told.first_values["messages"].startswith('[{"role": "user"')
    assert told.tokens is None
    assert {finding.severity for finding in told.findings} == {"info"}
    by_line = {row.line: row for row in data.rows}
    assert len(told.sample) == 3
    for row in told.sample:
        turns = tuple(SampleTurn(m.role, m.content) for m in by_line[row.line].messages)
        assert (row.turns, row.num_more_turns) == (turns, 0)


@pytest.mark.parametrize("path", sorted((SAMPLES / "broken").glob("*.[!m]*")), ids=lambda p: p.name)
def test_the_child_says_what_reading_here_would_say(path: Path) -> None:
    told = inspect(path)
    try:
        data = read_data(path)
    except TailfinError as error:
        assert isinstance(told, Unreadable)
        assert (told.error.message, told.error.hint) == (error.message, error.hint)
        assert (told.error.where, told.error.error_id) == (error.where, error.error_id)
        assert told.proposal is None
        return
    assert isinstance(told, Inspection)
    assert (told.container, told.num_rows) == (data.container, len(data.rows))
    assert {problem.id for problem in data.problems} <= {finding.id for finding in told.findings}


def test_faulty_rows_are_counted_and_named() -> None:
    told = read(SAMPLES / "broken.jsonl")

    assert told.num_left_out > 0 and told.num_rows + told.num_left_out == told.num_records
    assert told.findings[0].severity == "fail" and told.findings[0].where


def test_a_proposal_is_confirmed_or_edited() -> None:
    path = SAMPLES / "formats" / "question_answer.csv"
    asked = refused(path)

    assert asked.error.error_id == "data.mapping-proposed"
    assert asked.proposal is not None
    assert asked.proposal.columns == {"prompt": "question", "completion": "answer"}
    assert asked.file_columns == ("question", "answer")
    assert asked.first_values["answer"].startswith("Fin says")

    confirmed = read(path, columns=asked.proposal.columns)
    swapped = read(path, columns={"prompt": "answer", "completion": "question"})
    assert confirmed.layout == "columns" and confirmed.columns == asked.proposal.columns
    assert [turn.text for turn in swapped.sample[0].turns] == [
        turn.text for turn in reversed(confirmed.sample[0].turns)
    ]
    wrong = refused(path, columns={"prompt": "question", "completion": "anwser"})
    assert "'anwser'" in wrong.error.message and wrong.file_columns == ("question", "answer")


def test_two_readings_are_decided_by_the_layout(tmp_path: Path) -> None:
    path = write(tmp_path, {**GOOD, "instruction": "a", "output": "b"})
    asked = refused(path)

    assert (asked.error.error_id, asked.proposal) == ("data.two-readings", None)
    assert asked.file_columns == ("prompt", "completion", "instruction", "output")
    assert read(path, layout="alpaca").sample[0].turns[1].text == "b"


def test_strange_names_and_texts_come_through_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.chdir(tmp_path)
    question, answer = 'say "\U0001f4ac" = \x7f\n', "\u7b54\u6848"
    write(tmp_path, {question: "Wo\u003f", answer: "H\u00e4user \x1b[2J", "id": 7})
    (tmp_path / "rows.jsonl").rename(tmp_path / "-\u6570 \u636e.jsonl")

    told = read(
        "-\u6570 \u636e.jsonl",
        columns={"prompt": question, "completion": answer},
        system="Sei kurz.\nImmer: \u7b54",
    )

    assert told.file_columns == (question, answer, "id")
    assert told.first_values == {question: "Wo?", answer: "H\u00e4user \\x1b[2J", "id": "7"}
    assert [turn.text for turn in told.sample[0].turns] == [
        "Sei kurz.\nImmer: \u7b54",
        "Wo?",
        "H\u00e4user \x1b[2J",
    ]


def test_names_that_no_spec_can_say_are_refused_in_words(tmp_path: Path) -> None:
    half = write(tmp_path, {"\ud800": "a", "b": "c"})
    asked = refused(half)
    assert (asked.proposal, asked.file_columns) == (None, ("b",))

    strange = os.fsdecode(bytes(tmp_path) + b"/\xff.jsonl")
    half.rename(strange)
    assert "data.path" in refused(strange).error.message


def test_a_row_like_a_book_is_cut_for_reading(tmp_path: Path) -> None:
    turns = [{"role": role, "content": "x" * 9000} for role in ("user", "assistant")] * 30
    told = read(write(tmp_path, {"messages": turns}))

    [row] = told.sample
    assert {len(turn.text) for turn in row.turns} == {4000}
    assert row.turns[0].text.endswith("x...")
    assert len(row.turns) + row.num_more_turns == 60 and row.num_more_turns > 0


@pytest.mark.parametrize(
    ("path", "said"), [("/dev/zero", "not a"), ("pipe", "not a"), (".", "holds no data file")]
)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")

    assert said in refused(path).error.message


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = write(tmp_path, GOOD)

    assert read("~/rows.jsonl").path == str(path)


def test_tokens_are_counted_with_a_model() -> None:
    told = read(SAMPLES / "good.jsonl", model=str(SAMPLES / "model"), max_length=24)

    assert told.tokens is not None
    assert (told.tokens.num_rows, told.tokens.lengths.max_length) == (400, 24)
    assert told.tokens.num_tokens > told.tokens.num_trained > 0
    assert told.tokens.lengths.cut_rows > 0 and told.tokens.stop_tokens == ("<|end|>",)
    assert not told.tokens.is_suggested and told.findings


def test_a_tokenizer_that_fails_leaves_the_rest_of_the_report(tmp_path: Path) -> None:
    told = read(write(tmp_path, GOOD), model=str(tmp_path))

    assert told.tokens is None and told.num_rows == 1
    assert any_fail(told.findings) and "tokenizer" in told.findings[0].message


def test_settings_are_checked_by_the_child(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)

    assert "data.fromat" in refused(path, sets=["data.fromat=alpaca"]).error.message
    assert refused(path, layout="none").file_columns == ()


def test_a_cancel_ends_child_and_worker_and_whoever_waits(
    tmp_path: Path, endless_worker: Path
) -> None:
    inspector = Inspector()
    inspector.start(write(tmp_path, GOOD), model="any")
    caught: list[TailfinError] = []

    def wait() -> None:
        try:
            inspector.result()
        except TailfinError as error:
            caught.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    pids = pids_in(endless_worker)
    assert not any(map(is_gone, pids))

    inspector.cancel()
    waiting.join(10)

    assert [error.error_id for error in caught] == ["data.cancelled"]
    until(lambda: all(map(is_gone, pids)))
    inspector.cancel()  # once more is nothing
    inspector.start(tmp_path / "rows.jsonl")
    assert isinstance(inspector.result(), Inspection)
    inspector.cancel()
    assert isinstance(inspector.result(), Inspection)


def test_a_cancel_waits_for_nothing(
    tmp_path: Path, endless_worker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspector, may_end = Inspector(), threading.Event()
    inspector.start(write(tmp_path, GOOD), model="any")
    pids = pids_in(endless_worker)
    wait = subprocess.Popen.wait

    def slow_wait(process: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        may_end.wait(5)
        return wait(process, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", slow_wait)
    began = time.monotonic()
    inspector.cancel()
    took_s = time.monotonic() - began
    may_end.set()

    assert took_s < 1
    until(lambda: all(map(is_gone, pids)))


def test_a_new_start_ends_the_one_before(tmp_path: Path, endless_worker: Path) -> None:
    inspector = Inspector()
    inspector.start(write(tmp_path, GOOD), model="any")
    pids = pids_in(endless_worker)

    inspector.start(tmp_path / "rows.jsonl")

    assert isinstance(inspector.result(), Inspection)
    until(lambda: all(map(is_gone, pids)))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_nothing_outlives_the_process_that_asked(
    tmp_path: Path, endless_worker: Path, how: signal.Signals
) -> None:
    code = (
        "import sys\nfrom engine.data.inspect import Inspector\n"
        "inspector = Inspector()\ninspector.start(sys.argv[1], model='any')\n"
        "inspector.result()"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", code, str(write(tmp_path, GOOD))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    pids = pids_in(endless_worker)
    assert not any(map(is_gone, pids))

    asking.send_signal(how)
    asking.wait()

    until(lambda: all(map(is_gone, pids)))


def test_a_killed_child_is_told_and_takes_its_worker_along(
    tmp_path: Path, endless_worker: Path
) -> None:
    inspector = Inspector()
    inspector.start(write(tmp_path, GOOD), model="any")
    worker, child = pids_in(endless_worker)

    os.kill(child, signal.SIGKILL)  # as the kernel does when memory runs out

    with pytest.raises(TailfinError, match="was killed by signal 9") as caught:
        inspector.result()
    assert "memory" in caught.value.hint
    until(lambda: is_gone(worker))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo '{\"schema\"'; echo 'MemoryError.' >&2; exit 1", "ended with code 1: MemoryError."),
        ("echo '[]'", "ended with code 0."),
        ('echo \'{"schema":"tailfin.data/1","data":{},"findings":[]}\'', "ended with code 0."),
        ("printf '\\033[2Jboom' >&2; exit 9", "code 9: \\x1b[2Jboom."),
    ],
)
def test_a_child_that_breaks_is_told_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    broken = tmp_path / "python"
    broken.write_text(f"#!/bin/sh\n{body}\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with pytest.raises(TailfinError) as caught:
        inspect("rows.jsonl")

    assert caught.value.message.endswith(said)
    assert caught.value.error_id == "data.report-broken"


def test_a_child_that_cannot_start_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TailfinError, match="could not be started: embedded null byte"):
        inspect("rows\0.jsonl")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(TailfinError, match="could not be started: No such file"):
        inspect("rows.jsonl")


def test_asking_loads_nothing_that_reads() -> None:
    code = (
        "import sys\nimport engine.data.inspect, engine.data.picker\n"
        "print([m for m in ('pydantic', 'pyarrow', 'torch', 'engine.spec') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
