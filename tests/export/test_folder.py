from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import TailfinError
from engine.export.folder import ExportFolder, list_files, refuse_foreign, refuse_without_room
from engine.export.report import REPORT


def test_nothing_stands_in_place_before_it_is_published(tmp_path: Path) -> None:
    place = ExportFolder(tmp_path / "out", "merged")
    partial = place.begin()
    (partial / "model.safetensors").write_bytes(b"weights")
    (partial / "model.safetensors").chmod(0o600)
    assert not place.final.exists()
    assert place.publish() == place.final
    assert (place.final / "model.safetensors").read_bytes() == b"weights"
    assert (place.final / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["merged"]


def test_what_a_killed_export_left_is_cleared(tmp_path: Path) -> None:
    stale = tmp_path / "merged.partial"
    stale.mkdir()
    (stale / "model-00001-of-00002.safetensors").write_bytes(b"half")
    partial = ExportFolder(tmp_path, "merged").begin()
    assert list(partial.iterdir()) == []


def test_an_older_export_is_replaced_only_when_the_new_one_is_whole(tmp_path: Path) -> None:
    old = tmp_path / "merged"
    old.mkdir()
    (old / REPORT).write_text("{}")
    (old / "old.txt").write_text("old")
    place = ExportFolder(tmp_path, "merged")
    (place.begin() / "new.txt").write_text("new")
    assert (old / "old.txt").exists()
    place.publish()
    assert [path.name for path in old.iterdir()] == ["new.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]


def test_a_folder_of_somebody_else_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "thesis.txt").write_text("mine")
    with pytest.raises(TailfinError, match="not an export of tailfin"):
        ExportFolder(tmp_path, "merged").begin()
    with pytest.raises(TailfinError, match="not an export of tailfin"):
        refuse_foreign(tmp_path / "merged")
    assert (tmp_path / "merged" / "thesis.txt").read_text() == "mine"


def test_two_exports_to_one_place_are_told_apart(tmp_path: Path) -> None:
    begin = "import sys; from pathlib import Path; from engine.export.folder import ExportFolder; "
    begin += "place = ExportFolder(Path(sys.argv[1]), 'merged'); place.begin(); print(); "
    begin += "sys.stdout.flush(); sys.stdin.read()"
    words = [sys.executable, "-c", begin, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(TailfinError, match=f"process {other.pid}"):
            ExportFolder(tmp_path, "merged").begin()


def test_a_volume_without_room_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    out = tmp_path / "not" / "there" / "yet"
    refuse_without_room(out, 1, "merged")
    with pytest.raises(TailfinError, match="GiB free; merged needs") as caught:
        refuse_without_room(out, 1 << 60, "merged")
    assert "--out" in caught.value.hint
    assert not (tmp_path / "not").exists()


def test_every_file_is_listed_with_its_hash(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.bin").write_bytes(b"bb")
    (tmp_path / "a.txt").write_bytes(b"a")
    (tmp_path / REPORT).write_text("{}")
    seen: list[tuple[int, int]] = []
    files = list_files(tmp_path, lambda done, total: seen.append((done, total)))
    assert [(file.name, file.num_bytes) for file in files] == [("a.txt", 1), ("deep/b.bin", 2)]
    assert files[0].sha256 == hashlib.sha256(b"a").hexdigest()
    assert seen[-1] == (3, 3)
