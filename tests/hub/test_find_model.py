"""Models are found, and every way of not being found is told apart."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.hub import find_model
from engine.hub.refusal import refusal
from tests.fake_hub import FakeHub, FakeModel, connect, fake_hub, tiny_files

SECRET = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with fake_hub() as running:
        connect(monkeypatch, running.url, tmp_path)
        yield running


def refused(path: str, revision: str = "") -> TailfinError:
    with pytest.raises(TailfinError) as caught:
        find_model(path, revision)
    assert SECRET not in str(caught.value)
    assert caught.value.hint
    return caught.value


def test_a_hub_model_is_described_without_its_weights(hub: FakeHub) -> None:
    model = hub.add(FakeModel("nice/model", tiny_files()))
    place = find_model("nice/model")
    needed = [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert [name for name, _ in place.files] == needed
    assert place.total_bytes == sum(len(model.files[name]) for name in needed)
    assert place.cached_bytes == len(model.files["config.json"])
    assert (place.path, place.is_local, place.revision) == ("nice/model", False, model.commit)
    assert place.config == {"model_type": "llama"}
    assert hub.body_bytes("model.safetensors") == 0


def test_shards_come_from_the_index_and_other_formats_are_left_out(hub: FakeHub) -> None:
    files = tiny_files()
    shard = files.pop("model.safetensors")
    files["model-00001-of-00002.safetensors"] = shard
    files["model-00002-of-00002.safetensors"] = shard
    files["consolidated.safetensors"] = shard
    files["pytorch_model.bin"] = b"PK" + shard
    files["model.safetensors.index.json"] = (
        b'{"weight_map": {"a": "model-00001-of-00002.safetensors",'
        b' "b": "model-00002-of-00002.safetensors"}}'
    )
    hub.add(FakeModel("nice/sharded", files))
    names = [name for name, _ in find_model("nice/sharded").files]
    assert "model-00001-of-00002.safetensors" in names
    assert "model-00002-of-00002.safetensors" in names
    assert "model.safetensors.index.json" in names
    assert not {"consolidated.safetensors", "pytorch_model.bin", "model.gguf"} & set(names)

    del files["model-00002-of-00002.safetensors"]
    hub.add(FakeModel("nice/half", files))
    assert refused("nice/half").error_id == "model.incomplete"


def test_a_missing_model_names_a_close_one(hub: FakeHub) -> None:
    hub.add(FakeModel("nice/model-1b", tiny_files()))
    error = refused("nice/modl-1b")
    assert error.error_id == "model.missing"
    assert "nice/model-1b" in error.hint
    assert "hf auth login" in error.hint
    assert error.exit_code == 2


def test_a_private_model_with_a_token_is_missing_or_found(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("nice/private", tiny_files(), private=True))
    hub.tokens[SECRET] = set()
    monkeypatch.setenv("HF_TOKEN", SECRET)
    assert refused("nice/private").error_id == "model.missing"
    hub.tokens[SECRET] = {"nice/private"}
    assert find_model("nice/private").config["model_type"] == "llama"


def test_gated_models_are_told_apart(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(FakeModel("nice/gated", tiny_files(), gated=True))
    without = refused("nice/gated")
    assert without.error_id == "model.gated-no-token"
    assert "hf auth login" in without.hint
    assert f"{hub.url}/nice/gated" in without.hint

    hub.tokens[SECRET] = set()
    monkeypatch.setenv("HF_TOKEN", SECRET)
    not_accepted = refused("nice/gated")
    assert not_accepted.error_id == "model.gated-not-accepted"
    assert f"Open {hub.url}/nice/gated" in not_accepted.hint

    hub.gated_message = f"Your request is awaiting a review. {SECRET}"
    waiting = refused("nice/gated")
    assert waiting.error_id == "model.gated-not-accepted"
    assert "waits for its authors" in waiting.hint

    hub.tokens[SECRET] = {"nice/gated"}
    assert find_model("nice/gated").cached_bytes > 0


def test_an_invalid_token_is_not_a_missing_model(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("nice/model", tiny_files()))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    error = refused("nice/model")
    assert error.error_id == "model.token-invalid"
    assert "unset HF_TOKEN" in error.hint


@pytest.mark.parametrize(
    ("extra", "error_id", "word"),
    [
        ({"adapter_config.json": b"{}", "adapter_model.safetensors": b""}, "model.is-adapter", ""),
        ({"weights.gguf": b"GGUF"}, "model.no-config", "GGUF"),
        ({"config.json": b"{}", "tf_model.h5": b"x"}, "model.no-weights", "TensorFlow"),
    ],
)
def test_what_is_no_base_model_says_what_it_is(
    hub: FakeHub, extra: dict[str, bytes], error_id: str, word: str
) -> None:
    hub.add(FakeModel("nice/other", extra))
    error = refused("nice/other")
    assert error.error_id == error_id
    assert word in error.message


def test_an_unknown_revision_is_named(hub: FakeHub) -> None:
    hub.add(FakeModel("nice/model", tiny_files()))
    error = refused("nice/model", "v9")
    assert error.error_id == "model.revision-missing"
    assert "v9" in error.message


def test_a_server_in_trouble_and_a_rate_limit_are_not_the_users_mistake(hub: FakeHub) -> None:
    for status, error_id in ((503, "hub.failed"), (429, "hub.rate-limited")):
        hub.status = status
        error = refused("nice/model")
        assert (error.error_id, error.exit_code) == (error_id, 1)


def test_a_dead_network_is_a_message_within_seconds(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    connect(monkeypatch, f"http://127.0.0.1:{port}", tmp_path)
    started = time.monotonic()
    error = refused("nice/model")
    assert time.monotonic() - started < 3
    assert error.error_id == "hub.offline"
    assert "HF_ENDPOINT" in error.hint
    assert str(tmp_path) in error.message


def test_a_silent_server_is_given_up_on(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.hub.remote._CONVERSATION_TIMEOUT_S", 0.3)
    hub.add(FakeModel("nice/model", tiny_files()))
    hub.pause_s = 20
    assert refused("nice/model").error_id == "hub.offline"


def test_a_whole_cached_copy_is_used_without_the_hub_and_said_so(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants, snapshot_download

    model = hub.add(FakeModel("nice/model", tiny_files()))
    find_model("nice/model")
    hub.status = 503
    assert refused("nice/model").error_id == "hub.failed"  # only its config is here

    hub.status = 0
    snapshot_download("nice/model", allow_patterns=["*.json", "*.safetensors"])
    asked = find_model("nice/model")
    assert (asked.note, asked.missing_bytes) == ("", 0)
    hub.status = 503
    place = find_model("nice/model")
    assert "503" in place.note
    assert (place.revision, place.files) == (model.commit, asked.files)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in find_model("nice/model").note
    assert find_model("nice/model", model.commit).missing_bytes == 0
    assert refused("nice/other").error_id == "hub.offline"


def test_an_unfinished_download_counts_as_cached(hub: FakeHub, tmp_path: Path) -> None:
    from engine.hub.cache import RepoCache
    from tests.fake_hub import etag

    model = hub.add(FakeModel("nice/model", tiny_files()))
    before = find_model("nice/model").cached_bytes
    partial = RepoCache.of("nice/model").partial(etag(model, "model.safetensors"))
    partial.parent.mkdir(parents=True, exist_ok=True)
    partial.write_bytes(model.files["model.safetensors"][:100])
    assert find_model("nice/model").cached_bytes == before + 100


def test_too_small_a_volume_is_said_before_anything_is_fetched(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("nice/model", tiny_files()))
    monkeypatch.setattr("engine.hub.cache.free_bytes", lambda path: 500)
    error = refused("nice/model")
    assert error.error_id == "hub.no-space"
    assert "HF_HOME" in error.hint
    assert find_model("nice/model", need_space=False).missing_bytes > 500


def test_sizes_are_asked_for_where_a_mirror_leaves_them_out(hub: FakeHub) -> None:
    model = hub.add(FakeModel("nice/model", tiny_files(), has_sizes=False))
    sizes = dict(find_model("nice/model").files)
    assert sizes["model.safetensors"] == len(model.files["model.safetensors"])


def test_the_reason_behind_the_cache_is_told(hub: FakeHub) -> None:
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    error = LocalEntryNotFoundError("not in the cache")
    error.__cause__ = httpx.ConnectError("no route to host")
    said = refusal(error, "nice/model", "main")
    assert said.error_id == "hub.offline"
    assert "no route to host" in said.message


@pytest.mark.parametrize(
    "path", ["a/b/c", "", "  ", "owner/na me", "x" * 5000, "owner/../etc", "./a\0b", "a\0b"]
)
def test_what_cannot_be_a_name_is_refused_without_asking(hub: FakeHub, path: str) -> None:
    assert refused(path).error_id == "model.bad-name"
    assert hub.seen == []


@pytest.mark.parametrize(
    ("path", "error_id"),
    [("~nobody-of-that-name/model", "model.missing"), ("/" + "a" * 300, "model.unreadable")],
)
def test_a_path_that_cannot_be_looked_at_is_a_message(path: str, error_id: str) -> None:
    assert refused(path).error_id == error_id


def test_the_environment_reaches_a_fresh_process(hub: FakeHub, tmp_path: Path) -> None:
    hub.add(FakeModel("nice/model", tiny_files()))
    code = (
        "import sys; from engine.hub import find_model\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "print(find_model('nice/model').revision)\n"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "fresh")}
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == hub.models["nice/model"].commit, done.stderr
    assert done.stderr == "", "no progress bar among the command's own words"


def test_a_path_is_never_asked_of_the_hub(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(FakeModel("nice/model", tiny_files()))
    monkeypatch.chdir(tmp_path)
    for path in ("./nice/model", str(tmp_path / "nope"), "~/surely/not/here"):
        assert refused(path).error_id == "model.missing"
    folder = tmp_path / "nice" / "model"
    folder.mkdir(parents=True)
    for name, data in tiny_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    place = find_model("nice/model")
    assert place.is_local
    assert place.path == str(folder)
    shutil.rmtree(folder)
    assert hub.seen == []
