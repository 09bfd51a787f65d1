"""A local model folder is whole, or every missing, cut or wrong file is named at once."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import TailfinError
from engine.hub import find_model
from engine.hub.files import side_files
from engine.hub.folder import inspect_folder
from tests.fake_hub import safetensors, tiny_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "base", tiny_files())


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def refused(folder: Path) -> TailfinError:
    with pytest.raises(TailfinError) as caught:
        find_model(str(folder))
    assert str(folder) in caught.value.message
    assert caught.value.hint
    return caught.value


def test_a_whole_folder_is_described(folder: Path) -> None:
    place = find_model(str(folder))
    assert (place.path, place.is_local, place.revision) == (str(folder), True, "")
    assert place.total_bytes == place.cached_bytes
    assert "model.gguf" not in dict(place.files)
    assert place.config["model_type"] == "llama"


def test_home_and_relative_paths_are_understood(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.chdir(folder)
    assert {find_model(p).path for p in ("~/base", ".", "../base")} == {str(folder)}


def test_everything_wrong_is_told_in_one_message(folder: Path) -> None:
    (folder / "config.json").write_text("{not json")
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    message = refused(folder).message
    for part in ("config.json", "tokenizer", "weights"):
        assert part in message


def cut(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 500)


def grown(folder: Path) -> None:
    with (folder / "model.safetensors").open("ab") as file:
        file.write(b"more")


def header_only(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\xff" * 8)


def lfs_pointer(folder: Path) -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    (folder / "model.safetensors").write_bytes(text)


def lost_shard(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "second.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def empty_index(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text("{}")


def cut_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("data", b"x" * 10_000)
    os.truncate(folder / "pytorch_model.bin", 5_000)


def adapter(folder: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (folder / name).unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')


def no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


def dangling(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("gone")


@pytest.mark.parametrize(
    ("damage", "error_id", "words"),
    [
        (cut, "model.incomplete", ["model.safetensors", "cut short", "500 of"]),
        (grown, "model.incomplete", ["too long"]),
        (header_only, "model.incomplete", ["header"]),
        (lfs_pointer, "model.lfs-pointer", ["Git LFS"]),
        (lost_shard, "model.incomplete", ["1 of 2", "second.safetensors", "index.json"]),
        (empty_index, "model.incomplete", ["index.json"]),
        (cut_pickle, "model.incomplete", ["pytorch_model.bin", "cut short"]),
        (adapter, "model.is-adapter", ["adapter"]),
        (no_tokenizer, "model.no-tokenizer", ["tokenizer.json"]),
        (dangling, "model.no-weights", ["model.safetensors"]),
    ],
)
def test_each_damage_is_named(
    folder: Path, damage: Callable[[Path], None], error_id: str, words: list[str]
) -> None:
    damage(folder)
    error = refused(folder)
    assert error.error_id == error_id
    for word in words:
        assert word in error.message


def test_hints_name_the_next_action(folder: Path) -> None:
    lfs_pointer(folder)
    assert f"git -C {folder} lfs pull" in refused(folder).hint
    adapter(folder)
    assert "owner/base" in refused(folder).hint


def test_a_gguf_file_is_told_apart_from_a_folder(folder: Path) -> None:
    error = refused(folder / "model.gguf")
    assert error.error_id == "model.not-a-folder"
    assert "GGUF" in error.hint


def test_pickled_weights_do_where_there_are_no_others(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w") as archive:
        archive.writestr("data", b"x" * 100)
    assert "pytorch_model.bin" in dict(find_model(str(folder)).files)


@given(st.binary(max_size=64))
def test_no_bytes_in_place_of_weights_break_the_check(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = write(tmp_path_factory.mktemp("any"), {**tiny_files(), "model.safetensors": data})
    if data != safetensors(b""):
        with pytest.raises(TailfinError):
            inspect_folder(folder)


@given(st.lists(st.text(min_size=1, max_size=30)))
def test_only_small_known_files_are_side_files(names: list[str]) -> None:
    for name in side_files(names):
        assert name.endswith((".json", ".jinja", ".model", ".tiktoken", ".py", ".txt"))
        assert not name.endswith(".index.json")
