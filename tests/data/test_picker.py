"""A picker lists any folder a box can have, quickly, and completes what was typed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.bundled import bundled
from engine.data.picker import Entry, complete, list_folder, looks_like_model


def make(folder: Path, *names: str) -> Path:
    """Empty files, and folders where a name ends in a slash."""
    for name in names:
        if name.endswith("/"):
            (folder / name).mkdir(parents=True)
        else:
            (folder / name).write_bytes(b"")
    return folder


def names(entries: tuple[Entry, ...]) -> list[str]:
    return [entry.name for entry in entries]


def test_folders_then_data_then_the_rest_each_as_a_person_counts(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", "part-10.jsonl", "part-2.JSONL", "b/", "A/", "rows.csv.gz", ".git/")
    make(tmp_path, "a.parquet", "README")
    listing = list_folder(tmp_path)

    assert names(listing.entries) == [
        *("A", "b"),
        *("a.parquet", "part-2.JSONL", "part-10.jsonl"),
        *("rows.csv.gz", "notes.txt", "README"),
    ]
    assert [entry.is_folder for entry in listing.entries] == [True] * 2 + [False] * 6
    assert (listing.folder, listing.parent, listing.trouble) == (tmp_path, tmp_path.parent, "")
    assert listing.num_left_out == 0


@pytest.mark.parametrize(
    ("name", "looks", "is_data"),
    [
        *(("a.json", "JSON", True), ("a.jsonl", "JSONL", True), ("a.ndjson", "JSONL", True)),
        *(("a.csv", "CSV", True), ("a.TSV", "TSV", True), ("a.parquet", "Parquet", True)),
        *(("a.jsonl.gz", "JSONL", True), ("a.csv.ZST", "CSV", True), ("a.gz", "", False)),
        *(("a.zip", "zip, unpack first", False), ("a.tar.gz", "tar, unpack first", False)),
        *(("a.txt", "", False), ("jsonl", "", False)),
    ],
)
def test_a_name_says_what_a_file_looks_like(
    tmp_path: Path, name: str, looks: str, is_data: bool
) -> None:
    (tmp_path / name).write_bytes(b"12345")
    os.utime(tmp_path / name, (7.5, 7.5))

    [entry] = list_folder(tmp_path).entries

    assert (entry.looks, entry.is_data) == (looks, is_data)
    assert (entry.num_bytes, entry.modified_s) == (5, 7.5)


def test_the_root_has_no_parent_and_typed_folders_become_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "in/", "in/a.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert list_folder(Path("/")).parent is None
    for typed in ("in", "in/../in", "~/in"):
        listing = list_folder(Path(typed))
        assert (listing.folder, names(listing.entries)) == (tmp_path / "in", ["a.csv"])


def test_links_are_followed_and_bad_ones_left_out_with_a_count(tmp_path: Path) -> None:
    make(tmp_path, "real/", "real/rows.csv", "data/")
    links = {"loop": "loop", "up": "..", "gone": "nowhere", "rows.csv": "../real/rows.csv"}
    for name, target in links.items():
        (tmp_path / "data" / name).symlink_to(target)
    os.mkfifo(tmp_path / "data" / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "data" / "socket"))
        listing = list_folder(tmp_path / "data")

    assert [(e.name, e.is_folder) for e in listing.entries] == [("up", True), ("rows.csv", False)]
    assert (listing.num_left_out, listing.trouble) == (4, "")
    assert list_folder(tmp_path / "data" / "loop").trouble.endswith("symbolic links.")


def test_folders_that_cannot_be_read_are_told_in_words(tmp_path: Path) -> None:
    make(tmp_path, "rows.csv")

    assert list_folder(tmp_path / "none").trouble == f"There is no folder {tmp_path}/none."
    assert list_folder(tmp_path / "rows.csv").trouble.endswith("is a file, not a folder.")
    assert "\x1b" not in list_folder(tmp_path / "\x1b[2J").trouble
    for broken in ("nul\0", "x" * 300):
        listing = list_folder(tmp_path / broken)
        assert listing.entries == () and "could not be read" in listing.trouble
        assert listing.parent == tmp_path


def test_a_folder_without_permission_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)  # root may look everywhere

    assert list_folder(tmp_path).trouble == f"You may not look into {tmp_path}."
    assert complete(f"{tmp_path}/a") == ()


def test_a_removed_current_folder_is_no_crash(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from engine.data.picker import complete, list_folder\n"
        "os.rmdir(os.getcwd())\n"
        "listing = list_folder(Path('in'))\n"
        "print(listing.trouble, listing.parent is not None, complete('a'), complete(''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=make(tmp_path, "here/") / "here",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "The current folder is gone; go to another one. True () ()\n"


def test_an_entry_that_vanishes_while_it_is_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.csv", "b.csv")
    from engine.data import picker

    by_name = picker._by_name

    def removing(name: str) -> object:
        (tmp_path / "a.csv").unlink(missing_ok=True)
        return by_name(name)

    monkeypatch.setattr(picker, "_by_name", removing)

    listing = list_folder(tmp_path)
    assert (names(listing.entries), listing.num_left_out) == (["b.csv"], 1)


def test_a_limit_leaves_out_other_files_first(tmp_path: Path) -> None:
    make(tmp_path, *(f"d{n}/" for n in range(6)), *(f"{n}.csv" for n in range(6)), "a.txt", "b.txt")

    listing = list_folder(tmp_path, limit=13)
    assert names(listing.entries)[-1] == "a.txt" and listing.num_left_out == 1
    assert names(list_folder(tmp_path, limit=4).entries) == ["d0", "d1", "0.csv", "1.csv"]
    assert list_folder(tmp_path, limit=4).num_left_out == 10


def test_a_hundred_thousand_entries_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(100_000):
        os.close(os.open(tmp_path / f"row{number}.jsonl", os.O_CREAT | os.O_WRONLY))

    begin = time.process_time()
    listing = list_folder(tmp_path)
    completed = complete(f"{tmp_path}/row99")
    elapsed_s = time.process_time() - begin

    assert (len(listing.entries), listing.num_left_out) == (2000, 98_000)
    assert listing.entries[-1].name == "row1999.jsonl"
    assert len(completed) == 200
    assert elapsed_s < 3


def test_paths_are_completed_as_they_were_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "data/", "data/in/", "data/rows.jsonl", "data/.hidden.csv", "dates.txt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert complete("") == ("data/", "dates.txt")
    assert complete("da") == ("data/", "dates.txt")
    assert complete("data/") == ("data/in/", "data/rows.jsonl")
    assert complete("data/.") == ("data/.hidden.csv",)
    assert complete("~") == ("~/",)
    assert complete("~/data/r") == ("~/data/rows.jsonl",)
    assert complete("./da") == ("./data/", "./dates.txt")
    assert complete("data/..") == ("data/../",)
    assert complete("data/../dat") == ("data/../data/", "data/../dates.txt")
    assert complete(f"{tmp_path}/data/i") == (f"{tmp_path}/data/in/",)


@pytest.mark.parametrize("text", ["no/such", "a.txt/", "a\0b/", "x/" * 5000, "~no-one/", "~no-one"])
def test_what_leads_nowhere_completes_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(make(tmp_path, "a.txt"))
    assert complete(text) == ()


def test_models_are_known_by_config_and_weights(tmp_path: Path) -> None:
    make(tmp_path, "bare/", "bare/config.json", "adapter/", "adapter/adapter_config.json")
    make(tmp_path, "shards/", "shards/config.json", "shards/model.safetensors.index.json")

    assert looks_like_model(bundled("samples") / "model")
    assert looks_like_model(tmp_path / "shards")
    for other in ("bare", "adapter", "none", "bare/config.json", "nul\0"):
        assert not looks_like_model(tmp_path / other)
    assert [(e.name, e.looks) for e in list_folder(tmp_path).entries] == [
        ("adapter", ""),
        ("bare", ""),
        ("shards", "model"),
    ]
