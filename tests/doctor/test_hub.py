"""The hub is a real local server here; the token never leaves its place."""

from __future__ import annotations

import http.server
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.hub import ask_hub, check_reachable, check_token, hub_cache, read_hub
from tests.doctor.boxes import HUB, box, only, tree

SECRET = "hf_notARealToken1234567890"


@pytest.fixture(params=[200, 401, 503])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(request.param)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()


def test_any_answer_counts(server: str, tmp_path: Path) -> None:
    known = read_hub(tmp_path, {"HF_ENDPOINT": f"{server}/", "HOME": str(tmp_path)})
    facts = ask_hub(known)
    assert facts.endpoint == server
    assert facts.reachable is True
    assert only(check_reachable(box(hub=facts))).severity == "ok"


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        facts = ask_hub(read_hub(tmp_path, {"HF_ENDPOINT": endpoint}))
    assert facts.reachable is False
    finding = only(check_reachable(box(hub=facts)))
    assert finding.severity == "warn"
    assert finding.where == endpoint
    assert "HF_ENDPOINT" in finding.fix


def test_a_hub_that_never_answers_costs_its_timeout_only() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        facts = ask_hub(replace(HUB, endpoint=endpoint), timeout_s=0.2)
    assert facts.reachable is False
    assert facts.trouble
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("endpoint", ["not an address", "http://", "http://[broken", "ftp2://x"])
def test_a_nonsense_endpoint_is_trouble_not_a_crash(endpoint: str) -> None:
    facts = ask_hub(replace(HUB, endpoint=endpoint))
    assert facts.reachable is False
    assert facts.trouble


def test_offline_by_wish_is_not_asked(tmp_path: Path) -> None:
    known = read_hub(tmp_path, {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"})
    assert ask_hub(known) == known
    assert only(check_reachable(box(hub=known))).severity == "info"


def test_the_token_is_seen_and_not_kept(tmp_path: Path) -> None:
    from_env = read_hub(tmp_path, {"HF_TOKEN": SECRET})
    saved = tmp_path / "hf/token"
    tree(tmp_path, {"hf/token": SECRET + "\n"})
    from_file = read_hub(tmp_path, {"HF_HOME": str(saved.parent)})
    for facts in (from_env, from_file):
        assert facts.has_token
        assert SECRET not in repr(facts)
        assert only(check_token(box(hub=facts))).severity == "ok"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("proc/1/environ", f"PATH=/bin\0HF_TOKEN={SECRET}\0HOME=/root\0"),
        ("etc/rp_environment", f"export A=b\nexport HF_TOKEN={SECRET}\n"),
    ],
)
def test_a_token_that_ssh_did_not_inherit(tmp_path: Path, file: str, text: str) -> None:
    # https://github.com/runpod/containers/issues/70
    facts = read_hub(tree(tmp_path, {file: text}), {"HOME": str(tmp_path)})
    assert not facts.has_token
    finding = only(check_token(box(hub=facts)))
    assert finding.severity == "warn"
    assert f"/{file}" in finding.message
    assert SECRET not in finding.message + finding.fix


def test_no_token_anywhere(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/1/environ": "MY_HF_TOKEN_NOTE=1\0HF_TOKEN=\0"})
    assert only(check_token(box(hub=read_hub(root, {"HOME": "/no"})))).severity == "info"


def test_the_cache_follows_huggingface_hubs_rule() -> None:
    assert hub_cache({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}) == Path("/c")
    assert hub_cache({"HF_HOME": "/h"}) == Path("/h/hub")
    assert hub_cache({"XDG_CACHE_HOME": "/x"}) == Path("/x/huggingface/hub")
    assert hub_cache({"HOME": "/root"}) == Path("/root/.cache/huggingface/hub")
