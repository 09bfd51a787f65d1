"""Whether a model brings a chat template is told by its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.hub import ModelPlace, find_model
from engine.hub.chat_template import has_chat_template
from tests.fake_hub import FakeModel, connect, fake_hub, tiny_files


def local(folder: Path, **files: bytes) -> ModelPlace:
    for name, data in {**tiny_files(), **files}.items():
        if "/" not in name:
            (folder / name.replace("__", ".")).write_bytes(data)
    return find_model(str(folder))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, False),
        ({"chat_template__jinja": b"{{ messages }}"}, True),
        ({"tokenizer_config__json": b'{"chat_template": "{{ messages }}"}'}, True),
        ({"tokenizer_config__json": b'{"chat_template": [{"name": "default"}]}'}, True),
        ({"tokenizer_config__json": b'{"chat_template": null}'}, False),
    ],
)
def test_a_folder_tells_whether_it_has_a_template(
    tmp_path: Path, files: dict[str, bytes], expected: bool
) -> None:
    assert has_chat_template(local(tmp_path, **files)) is expected


def test_what_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    place = local(tmp_path)
    (tmp_path / "tokenizer_config.json").write_bytes(b"{ broken")
    assert has_chat_template(place) is None


def test_a_hub_model_is_known_by_its_listing_or_after_its_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with fake_hub() as hub:
        connect(monkeypatch, hub.url, tmp_path)
        hub.add(FakeModel("nice/chat", {**tiny_files(), "chat_template.jinja": b"x"}))
        hub.add(FakeModel("nice/base", tiny_files()))
        assert has_chat_template(find_model("nice/chat")) is True
        place = find_model("nice/base")
        assert has_chat_template(place) is None
        from huggingface_hub import snapshot_download

        snapshot_download("nice/base", allow_patterns=["*.json"])
        assert has_chat_template(place) is False
