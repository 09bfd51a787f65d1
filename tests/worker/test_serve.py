from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import TailfinError
from engine.evaluate.session import Done, Loading, Piece, Ready, Refused, Reply, Session
from engine.runs.launch import worker_command
from engine.runs.store import RunFolder
from tests.export.trained_run import make_base, make_run, write_run
from tests.process import COMMAND, environment, tailfin
from tests.process import answer as json_answer

ASK = [{"role": "user", "content": "What does the goat eat?"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("serve")
    make_run(root / "runs" / "a-lora", make_base(root / "base"), "lora")
    return root


@pytest.fixture(scope="module")
def session(folder: Path) -> Iterator[Session]:
    """A warm session; the first replies are read up to ready."""
    warm = Session(RunFolder(folder / "runs" / "a-lora"))
    start = _until(warm, Ready)
    assert [reply.stage for reply in start if isinstance(reply, Loading)] == ["import", "load"]
    yield warm
    warm.close()


def _until(session: Session, last: type[Reply]) -> list[Reply]:
    seen: list[Reply] = []
    for reply in session.replies():
        seen.append(reply)
        if isinstance(reply, last):
            return seen
    raise AssertionError(f"the session ended after {seen}")


def test_an_answer_comes_in_pieces_and_whole(session: Session) -> None:
    asked = session.ask(ASK, "tuned", max_new_tokens=16)
    *pieces, done = _until(session, Done)
    assert isinstance(done, Done)
    assert done.id == asked and done.num_tokens == 16 and done.hit_limit and not done.cancelled
    assert len(pieces) > 1
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == done.text


def test_base_and_tuned_answer_differently_and_repeatably(session: Session) -> None:
    said = []
    for which in ("tuned", "base", "tuned"):
        session.ask(ASK, which, max_new_tokens=8)
        done = _until(session, Done)[-1]
        assert isinstance(done, Done)
        said.append(done.text)
    assert said[0] == said[2] != said[1]


def test_a_cancelled_answer_stops_at_once(session: Session) -> None:
    asked = session.ask(ASK, "tuned", max_new_tokens=100_000)
    _until(session, Piece)
    session.cancel(asked)
    done = _until(session, Done)[-1]
    assert isinstance(done, Done)
    assert done.cancelled and not done.hit_limit and done.num_tokens < 2_000


def test_a_bad_request_is_answered_and_the_session_lives_on(session: Session) -> None:
    session.ask([{"role": "wizard", "content": "?"}], "tuned", max_new_tokens=4)
    refused = _until(session, Refused)[-1]
    assert isinstance(refused, Refused) and "role" in refused.message
    session.ask([], "tuned", max_new_tokens=4)
    assert "empty" in str(_until(session, Refused)[-1])
    session.ask(ASK, "tuned", max_new_tokens=2)
    assert isinstance(_until(session, Done)[-1], Done)


def test_a_run_without_a_result_is_told_in_words(folder: Path) -> None:
    run, _ = write_run(folder / "runs" / "b-nothing", folder / "base", "lora")
    failing = Session(run)
    with pytest.raises(TailfinError, match="ended before it delivered"):
        list(failing.replies())
    failing.close()


@pytest.mark.parametrize("way", ["stdin closed", "parent killed"])
def test_a_session_ends_with_its_parent(folder: Path, way: str) -> None:
    """Killed, its pipe stays open in this process and an idle child writes nothing into the other
    one, so only its death itself can be noticed."""
    command = worker_command("serve", str(folder / "runs" / "a-lora"))
    if way == "stdin closed":
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()
        )
        assert child.stdin is not None and child.stdout is not None
        child.stdout.readline()
        child.stdin.close()
        assert child.wait(10) == 0
        child.stdout.close()
        return
    script = (
        "import json, subprocess, sys; command = json.loads(sys.argv[1]); "
        "child = subprocess.Popen(command, stdin=0, stdout=subprocess.PIPE); "
        "any(b'ready' in line for line in child.stdout); print(child.pid, flush=True); child.wait()"
    )
    reading, writing = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", script, json.dumps(command)],
        stdin=reading,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert parent.stdout is not None
    served = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, _ = psutil.wait_procs([served], timeout=10)
    os.close(reading)
    os.close(writing)
    assert gone


def test_one_question_from_a_script(folder: Path) -> None:
    words = ["chat", "a-lora", "--once", "What does the goat eat?", "--max-new-tokens", "8"]
    done = tailfin(*words, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    data: dict[str, Any] = json_answer(done)["data"]
    assert data["which"] == "tuned" and data["num_tokens"] == 8 and data["hit_limit"]
    assert "Ready on cpu" in done.stderr


def test_a_conversation_with_an_answer_interrupted(folder: Path) -> None:
    """The answer is endless until Ctrl-C, and the conversation goes on after it."""
    chat = subprocess.Popen(
        [*COMMAND, "chat", "a-lora", "--max-new-tokens", "100000"],
        cwd=folder,
        env=environment({"TAILFIN_RUNS": str(folder / "runs")}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert chat.stdin is not None and chat.stdout is not None
    chat.stdin.write("Hello\n")
    chat.stdin.flush()
    shown = ""
    while len(shown) < 40:
        shown += chat.stdout.read(1)
    chat.send_signal(signal.SIGINT)
    began = time.monotonic()
    while "(cancelled)" not in shown:
        piece = chat.stdout.read(1)
        assert piece, shown[-200:]
        shown += piece
    assert time.monotonic() - began < 10
    _, err = chat.communicate("/base\n/nonsense\n/quit\n", timeout=20)
    assert chat.returncode == 0, err
    assert shown.startswith("you> tuned> ")
    assert "Talking to the base model." in err


def test_json_needs_a_question(folder: Path) -> None:
    done = tailfin("chat", "a-lora", "--json", cwd=folder)
    assert done.returncode == 2
    assert "--once" in json_answer(done)["findings"][0]["message"]
