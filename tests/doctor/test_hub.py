"""What is known of the hub, and what asking a real local server adds; the token never stays."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.host import Host, Reply
from engine.doctor.hub import hub_cache, read_hub
from engine.doctor.hub_checks import CHECKS, check_model, check_reachable
from engine.doctor.hub_network import ask_hub
from engine.findings import Finding, worst_first
from tests.doctor.boxes import HUB, box, only, tree
from tests.fake_hub import FakeModel, fake_hub, tiny_files

SECRET = "hf_notARealToken1234567890"
HUB_URL = "https://huggingface.co"


def judged(host: Host) -> list[Finding]:
    seen = box(hub=ask_hub(read_hub(host), host, 1.0))
    return worst_first(found for check in CHECKS for found in check(seen))


class Wire:
    """Answers by method, URL and token; what it does not know times out at once."""

    def __init__(self, replies: dict[str, Reply]) -> None:
        self.replies = {HUB_URL: Reply(200)} | replies
        self.told: list[tuple[str, str]] = []

    def ask(self, method: str, url: str, *, token: str = "", timeout_s: float = 3.0) -> Reply:
        self.told.append((url, token))
        known = self.replies.get(f"{url} with token" if token else url)
        return known or Reply(error="timed out", seconds=timeout_s)


def test_a_server_answers_for_its_token_and_its_models(tmp_path: Path) -> None:
    with fake_hub() as server:
        server.add(FakeModel("acme/gated", tiny_files(), gated=True))
        env = {"HF_ENDPOINT": f"{server.url}/", "HOME": str(tmp_path)}
        host = Host(env, root=tmp_path, model="acme/gated")
        first = judged(host)[0]
        assert (first.id, first.severity) == ("hub.model-needs-token", "fail")
        assert "hf auth login" in first.fix
        server.tokens[SECRET] = set()
        first = judged(replace(host, env={**env, "HF_TOKEN": SECRET}))[0]
        assert (first.id, first.severity) == ("hub.model-not-accepted", "fail")
        assert "acme/gated" in first.fix
        server.tokens[SECRET] = {"acme/gated"}
        assert "fail" not in {
            one.severity for one in judged(replace(host, env={**env, "HF_TOKEN": SECRET}))
        }


def test_nobody_there(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        finding = judged(Host({"HF_ENDPOINT": endpoint, "HOME": "/no"}, root=tmp_path))[0]
    assert (finding.id, finding.severity, finding.where) == ("hub.unreachable", "warn", endpoint)
    assert finding.why


def test_a_hub_that_never_answers_costs_its_timeout_only() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        began = time.monotonic()
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        facts = ask_hub(replace(HUB, endpoint=endpoint), Host({}), timeout_s=0.3)
    assert facts.reachable is False
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("endpoint", ["not an address", "http://", "http://[broken", "ftp2://x"])
def test_a_nonsense_endpoint_is_trouble_not_a_crash(endpoint: str) -> None:
    facts = ask_hub(replace(HUB, endpoint=endpoint), Host({}), timeout_s=0.5)
    assert facts.reachable is False
    assert facts.trouble


def test_a_box_without_network_is_not_kept_waiting(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/net/route": "Iface\tDestination\n"})
    wire = Wire({})
    first = judged(Host({"HOME": "/no"}, root=root, network=wire))[0]
    assert first.id == "hub.unreachable"
    assert wire.told == []


def test_offline_by_wish_is_not_asked(tmp_path: Path) -> None:
    wire = Wire({})
    host = Host({"TRANSFORMERS_OFFLINE": "1", "HOME": "/no"}, root=tmp_path, network=wire)
    first = judged(host)[0]
    assert (first.id, first.fix) == ("hub.offline", "unset TRANSFORMERS_OFFLINE")
    assert wire.told == []


def test_the_way_round_a_blocked_hub_is_one_that_answers(tmp_path: Path) -> None:
    blocked = {HUB_URL: Reply(error="reset")}
    mirror = Wire(blocked | {"https://hf-mirror.com": Reply(200)})
    scope = Wire(blocked | {"https://www.modelscope.cn": Reply(200)})
    fixes = [judged(Host({}, root=tmp_path, network=net))[0].fix for net in (mirror, scope)]
    assert fixes[0] == "export HF_ENDPOINT=https://hf-mirror.com HF_HUB_DISABLE_XET=1"
    assert "modelscope download" in fixes[1]


def test_the_token_is_told_to_the_hub_and_not_to_mirrors(tmp_path: Path) -> None:
    wire = Wire({"https://mirror.test": Reply(200)})
    judged(Host({"HF_TOKEN": SECRET}, root=tmp_path, network=wire))
    assert {url for url, token in wire.told if token} == {f"{HUB_URL}/api/whoami-v2"}
    wire.told.clear()
    judged(
        Host(
            {"HF_TOKEN": SECRET, "HF_ENDPOINT": "https://mirror.test"}, root=tmp_path, network=wire
        )
    )
    assert [url for url, token in wire.told if token] == []


@pytest.mark.parametrize(("days", "is_wrong"), [(0, False), (-400, True), (3, True)])
def test_the_clock_is_held_against_the_server(tmp_path: Path, days: int, is_wrong: bool) -> None:
    dated = Reply(200, {"date": "Wed, 18 Nov 2026 11:06:40 GMT"})
    now = 1795000000 + days * 86400
    host = Host({}, root=tmp_path, network=Wire({HUB_URL: dated}), clock=now)
    assert ("hub.clock" in {one.id for one in judged(host)}) is is_wrong


def test_a_refused_token_goes_first_where_a_good_one_is_saved(tmp_path: Path) -> None:
    wire = Wire({f"{HUB_URL}/api/whoami-v2 with token": Reply(401)})
    root = tree(tmp_path, {"h/token": "other-token"})
    host = Host({"HF_TOKEN": SECRET, "HF_HOME": "/h"}, root=root, network=wire)
    first = judged(host)[0]
    assert (first.id, first.fix) == ("hub.token-invalid", "unset HF_TOKEN")


def test_the_token_is_seen_and_not_kept(tmp_path: Path) -> None:
    root = tree(tmp_path, {"hf/token": SECRET + "\n"})
    for env in ({"HF_TOKEN": SECRET}, {"HF_HOME": "/hf"}):
        host = Host(env, root=root, network=Wire({}))
        facts = ask_hub(read_hub(host), host, 0.5)
        assert facts.has_token
        assert SECRET not in repr(facts)
        assert SECRET not in repr(judged(host))


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("proc/1/environ", f"PATH=/bin\0HF_TOKEN={SECRET}\0HOME=/root\0"),
        ("etc/rp_environment", f'export A=b\nexport HF_TOKEN="{SECRET}"\n'),
    ],
)
def test_a_token_that_ssh_did_not_inherit(tmp_path: Path, file: str, text: str) -> None:
    # https://github.com/runpod/containers/issues/70
    root = tree(tmp_path, {file: text})
    found = {one.id: one for one in judged(Host({}, root=root, network=Wire({})))}
    finding = found["hub.token-elsewhere"]
    assert f"/{file}" in finding.message
    assert SECRET not in repr(found)
    import subprocess

    command = finding.fix.replace(f"/{file}", str(root / file)) + '; printf %s "$HF_TOKEN"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == SECRET


def test_no_token_anywhere(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/1/environ": "MY_HF_TOKEN_NOTE=1\0HF_TOKEN=\0"})
    ids = {one.id for one in judged(Host({"HOME": "/no"}, root=root, network=Wire({})))}
    assert "hub.no-token" in ids
    assert "hub.token-elsewhere" not in ids


def test_any_answer_counts_but_trouble_is_named() -> None:
    assert only(check_reachable(box(hub=replace(HUB, state=401)))).severity == "ok"
    assert only(check_reachable(box(hub=replace(HUB, state=503)))).id == "hub.in-trouble"
    assert check_model(box(hub=HUB)) == []


def test_the_cache_follows_huggingface_hubs_rule() -> None:
    assert hub_cache({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}) == Path("/c")
    assert hub_cache({"HF_HOME": "/h"}) == Path("/h/hub")
    assert hub_cache({"XDG_CACHE_HOME": "/x"}) == Path("/x/huggingface/hub")
    assert hub_cache({"HOME": "/root"}) == Path("/root/.cache/huggingface/hub")
    assert hub_cache({"HF_HOME": "~/hf", "HOME": "/h"}) == Path("/h/hf/hub")
