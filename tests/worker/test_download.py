"""Downloads continue from the byte they reached, notice stalls, and end in one clear message."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.hub import ModelPlace, find_model
from engine.hub.cache import RepoCache
from engine.hub.folder import inspect_folder
from engine.worker.download import DownloadStopped, download_model
from tests.fake_hub import FakeHub, FakeModel, Fault, connect, etag, fake_hub, tiny_files

WEIGHTS = "model.safetensors"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub() as running:
        connect(monkeypatch, running.url, tmp_path)
        yield running


@pytest.fixture
def model(hub: FakeHub) -> FakeModel:
    return hub.add(FakeModel("nice/model", tiny_files(random.Random(1).randbytes(400_000))))


def download(place: ModelPlace, **options: object) -> tuple[str, list[tuple[int, int]]]:
    seen: list[tuple[int, int]] = []
    settings: dict[str, object] = {"stall_s": 10.0, "retry_wait_s": 0.01, **options}
    folder = download_model(place, lambda done, total: seen.append((done, total)), **settings)  # type: ignore[arg-type]
    return folder, seen


def test_a_model_arrives_whole_and_where_others_find_it(hub: FakeHub, model: FakeModel) -> None:
    from huggingface_hub import snapshot_download

    place = find_model("nice/model")
    folder, seen = download(place)
    content = inspect_folder(Path(folder))
    assert content.files == place.files
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert seen[-1] == (place.total_bytes, place.total_bytes)
    assert folder == snapshot_download("nice/model", local_files_only=True)
    assert not list(RepoCache.of("nice/model").folder.rglob("*.incomplete"))
    assert hub.body_bytes("model.gguf") == 0

    asked = len(hub.seen)
    assert download(find_model("nice/model"))[0] == folder
    assert hub.body_bytes(WEIGHTS) == len(model.files[WEIGHTS])
    assert all("resolve" not in seen.path or "config" in seen.path for seen in hub.seen[asked:])


def test_a_dropped_connection_costs_no_byte_twice(hub: FakeHub, model: FakeModel) -> None:
    model.faults[WEIGHTS] = Fault("drop", 100_000, times=2)
    folder, _ = download(find_model("nice/model"))
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert hub.ranges(WEIGHTS) == ["", "bytes=100000-", "bytes=200000-"]
    assert hub.body_bytes(WEIGHTS) == len(model.files[WEIGHTS])


def test_a_killed_download_goes_on_in_the_next_process(
    hub: FakeHub, model: FakeModel, tmp_path: Path
) -> None:
    hub.bytes_per_s = 300_000
    child = downloader(hub, tmp_path)
    partial = RepoCache.of("nice/model").partial(etag(model, WEIGHTS))
    wait_for(lambda: partial.exists() and partial.stat().st_size > 0, 20, child)
    hub.bytes_per_s = 0
    child.send_signal(signal.SIGKILL)
    child.wait()
    kept = partial.stat().st_size
    assert 0 < kept < len(model.files[WEIGHTS])

    place = find_model("nice/model")
    assert place.cached_bytes >= kept
    folder, _ = download(place)
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert hub.ranges(WEIGHTS)[1:] == [f"bytes={kept}-"]


def downloader(hub: FakeHub, home: Path) -> subprocess.Popen[bytes]:
    code = (
        "from engine.hub import find_model; from engine.worker.download import download_model\n"
        "download_model(find_model('nice/model'), lambda done, total: None)"
    )
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_OFFLINE": "0",
    }
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def test_two_processes_at_once_fetch_every_byte_once(
    hub: FakeHub, model: FakeModel, tmp_path: Path
) -> None:
    hub.bytes_per_s = 400_000
    child = downloader(hub, tmp_path)
    wait_for(lambda: hub.body_bytes(WEIGHTS) > 0, 20, child)
    folder, _ = download(find_model("nice/model"))
    assert child.wait(20) == 0
    assert hub.body_bytes(WEIGHTS) == len(model.files[WEIGHTS])
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert not list(RepoCache.of("nice/model").folder.rglob("*.incomplete"))


def wait_for(is_so: Callable[[], bool], seconds: float, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert child.poll() is None, "the downloading process ended early"
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def test_a_stall_is_told_and_the_download_goes_on(hub: FakeHub, model: FakeModel) -> None:
    model.faults[WEIGHTS] = Fault("stall", 150_000)
    told: list[tuple[float, str]] = []
    folder, _ = download(
        find_model("nice/model"),
        on_stall=lambda seconds, advice: told.append((seconds, advice)),
        stall_s=0.4,
        tries=20,
    )
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert told and told[0][0] >= 0.4
    assert "HF_ENDPOINT" in told[0][1]
    assert hub.ranges(WEIGHTS) == ["", "bytes=150000-"]


def test_a_lasting_stall_is_given_up_with_everything_kept(hub: FakeHub, model: FakeModel) -> None:
    model.faults[WEIGHTS] = Fault("stall", 150_000, times=1)
    place = find_model("nice/model")
    original = model.faults[WEIGHTS]
    told: list[float] = []

    def still_stalled(seconds: float, advice: str) -> None:
        told.append(seconds)
        original.after_bytes, original.times = 0, 1

    with pytest.raises(TailfinError) as caught:
        download(place, on_stall=still_stalled, stall_s=0.2, tries=3)
    assert caught.value.error_id == "hub.stalled"
    assert "HF_HUB_DISABLE_XET" in caught.value.hint
    assert len(told) == 2
    assert find_model("nice/model").cached_bytes >= 150_000


def test_a_server_that_ignores_ranges_costs_time_not_correctness(
    hub: FakeHub, model: FakeModel
) -> None:
    model.ignores_range = True
    model.faults[WEIGHTS] = Fault("drop", 100_000)
    folder, seen = download(find_model("nice/model"))
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert max(done for done, _ in seen) <= seen[-1][1]
    assert hub.body_bytes(WEIGHTS) == 100_000 + len(model.files[WEIGHTS])


def test_a_partial_file_with_wrong_bytes_is_thrown_away(hub: FakeHub, model: FakeModel) -> None:
    partial = RepoCache.of("nice/model").partial(etag(model, WEIGHTS))
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"wrong" * 1000)
    folder, _ = download(find_model("nice/model"))
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]
    assert hub.ranges(WEIGHTS) == ["bytes=5000-", ""]


def test_a_stop_request_ends_it_within_a_moment_and_keeps_the_bytes(
    hub: FakeHub, model: FakeModel
) -> None:
    hub.bytes_per_s = 100_000
    place = find_model("nice/model")
    partial = RepoCache.of("nice/model").partial(etag(model, WEIGHTS))
    with pytest.raises(DownloadStopped):
        download(place, should_stop=lambda: partial.exists() and partial.stat().st_size >= 0)
    hub.bytes_per_s = 0
    folder, _ = download(find_model("nice/model"))
    assert (Path(folder) / WEIGHTS).read_bytes() == model.files[WEIGHTS]


def test_progress_comes_at_most_twice_a_second(hub: FakeHub, model: FakeModel) -> None:
    hub.bytes_per_s = 400_000
    began = time.monotonic()
    _, seen = download(find_model("nice/model"))
    elapsed_s = time.monotonic() - began
    assert 2 <= len(seen) <= elapsed_s / 0.5 + 2
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_access_that_is_lost_on_the_way_is_told_apart(
    hub: FakeHub, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.gated = True
    hub.tokens["hf_secretsecret"] = {"nice/model"}
    monkeypatch.setenv("HF_TOKEN", "hf_secretsecret")
    place = find_model("nice/model")
    hub.tokens["hf_secretsecret"] = set()
    with pytest.raises(TailfinError) as caught:
        download(place)
    assert caught.value.error_id == "model.gated-not-accepted"
    assert hub.body_bytes(WEIGHTS) == 0


def test_a_hub_that_goes_away_is_offline(
    hub: FakeHub, model: FakeModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = find_model("nice/model")
    hub.status = 503
    with pytest.raises(TailfinError) as caught:
        download(place, tries=2)
    assert caught.value.error_id == "hub.failed"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        connect(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}", tmp_path)
    with pytest.raises(TailfinError) as caught:
        download(place, tries=2)
    assert caught.value.error_id == "hub.offline"


def test_a_full_disk_is_said_with_the_bytes(
    hub: FakeHub, model: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = find_model("nice/model")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("engine.worker.transfer._stream", full)
    with pytest.raises(TailfinError) as caught:
        download(place)
    assert caught.value.error_id == "hub.no-space"


def test_two_files_of_the_same_content_are_fetched_once(hub: FakeHub) -> None:
    files = tiny_files()
    files["vocab.json"] = files["tokenizer.json"] = b'{"version": "1.0"}' * 1000
    model = hub.add(FakeModel("nice/twins", files))
    folder, _ = download(find_model("nice/twins"))
    fetched = hub.body_bytes("vocab.json") + hub.body_bytes("tokenizer.json")
    assert fetched == len(files["vocab.json"])
    assert (Path(folder) / "vocab.json").read_bytes() == model.files["vocab.json"]


def test_a_local_folder_needs_no_download(tmp_path: Path) -> None:
    place = ModelPlace(str(tmp_path), True, "", (), 0, 0, {})
    assert download(place) == (str(tmp_path), [])


@pytest.fixture
def xet_model(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeModel:
    """A model whose weights lie in a real xet storage on this disk."""
    hf_xet = pytest.importorskip("hf_xet")
    monkeypatch.setenv("HF_XET_CACHE", str(tmp_path / "xet"))
    hub.xet_cas_url = f"local://{tmp_path}/cas"
    files = tiny_files(random.Random(2).randbytes(3_000_000))
    source = tmp_path / "weights"
    source.write_bytes(files[WEIGHTS])
    storage = {"endpoint": hub.xet_cas_url, "token": "cas", "token_expiry_unix_secs": 4102444800}
    with hf_xet.XetSession().new_upload_commit(**storage) as commit:
        upload = commit.start_upload_file(str(source), sha256=hf_xet.SKIP_SHA256)
    xet_hash = upload.result().xet_info.hash
    return hub.add(FakeModel("nice/xet", files, xet={WEIGHTS: xet_hash}))


def test_xet_delivers_and_goes_on_in_the_middle(hub: FakeHub, xet_model: FakeModel) -> None:
    partial = RepoCache.of("nice/xet").partial(etag(xet_model, WEIGHTS))
    partial.parent.mkdir(parents=True)
    partial.write_bytes(xet_model.files[WEIGHTS][:1_000_000])
    folder, _ = download(find_model("nice/xet"))
    assert (Path(folder) / WEIGHTS).read_bytes() == xet_model.files[WEIGHTS]
    assert hub.body_bytes(WEIGHTS) == 0, "nothing came over plain HTTP"


def test_where_xet_fails_plain_http_goes_on(hub: FakeHub, xet_model: FakeModel) -> None:
    hub.xet_cas_url = "http://127.0.0.1:9"
    partial = RepoCache.of("nice/xet").partial(etag(xet_model, WEIGHTS))
    partial.parent.mkdir(parents=True)
    partial.write_bytes(xet_model.files[WEIGHTS][:1_000_000])
    told: list[str] = []
    folder, _ = download(
        find_model("nice/xet"),
        on_stall=lambda _, advice: told.append(advice),
        stall_s=0.4,
        tries=20,
    )
    assert (Path(folder) / WEIGHTS).read_bytes() == xet_model.files[WEIGHTS]
    assert hub.ranges(WEIGHTS) == ["bytes=1000000-"]
    assert "HF_HUB_DISABLE_XET" in told[0]
