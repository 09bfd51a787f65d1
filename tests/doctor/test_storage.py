"""Disks: real folders grouped by volume, and the verdict on recorded ones."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.facts import StorageFacts, Volume
from engine.doctor.storage import (
    check_bigger_volume,
    check_room,
    check_writable,
    places,
    read_storage,
)
from tests.doctor.boxes import box, only

ROOMY = Volume("/", 400.0, 310.0, ("model cache", "runs"))


def test_places_follow_the_environment(tmp_path: Path) -> None:
    env = {"HF_HOME": f"{tmp_path}/hf", "TMPDIR": f"{tmp_path}/t", "TAILFIN_RUNS": f"{tmp_path}/r"}
    assert dict(places(env)) == {
        "model cache": tmp_path / "hf/hub",
        "runs": tmp_path / "r",
        "temporary files": tmp_path / "t",
        "system": Path("/"),
    }


def test_folders_on_one_volume_are_one_line(tmp_path: Path) -> None:
    used = [("model cache", tmp_path / "not/there/yet"), ("runs", tmp_path)]
    (volume,) = read_storage(used, candidates=[]).volumes
    assert volume.roles == ("model cache", "runs")
    assert 0 < volume.free_gib < volume.total_gib
    assert os.path.ismount(volume.path)


def test_a_volume_in_use_is_not_spare(tmp_path: Path) -> None:
    facts = read_storage([("runs", tmp_path), ("system", Path("/"))], candidates=["/"])
    assert facts.spare == ()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    (volume,) = read_storage([("runs", tmp_path)], candidates=[]).volumes
    assert volume.unwritable == (("runs", str(tmp_path)),)


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    file.touch()
    (volume,) = read_storage([("runs", file)], candidates=[]).volumes
    assert volume.unwritable == (("runs", str(file)),)


def test_unwritable_names_its_variable() -> None:
    facts = StorageFacts((replace(ROOMY, unwritable=(("model cache", "/mnt/hf"),)),))
    finding = only(check_writable(box(storage=facts)))
    assert finding.severity == "fail"
    assert "HF_HOME" in finding.fix
    assert finding.where == "/mnt/hf"


@pytest.mark.parametrize(
    ("free_gib", "roles", "severity"),
    [
        (310.0, ("model cache",), "ok"),
        (12.0, ("model cache",), "warn"),
        (1.0, ("runs",), "fail"),
        (12.0, ("system",), "ok"),
        (1.0, ("system",), "warn"),
    ],
)
def test_room(free_gib: float, roles: tuple[str, ...], severity: str) -> None:
    facts = StorageFacts((Volume("/", 400.0, free_gib, roles),))
    assert only(check_room(box(storage=facts))).severity == severity


def test_a_small_root_beside_a_big_volume() -> None:
    # 20 GB overlay full, terabytes free on /workspace: the commonest full disk on rented boxes
    small = Volume("/", 20.0, 9.0, ("model cache", "temporary files", "system"))
    big = Volume("/workspace", 150_000.0, 149_000.0)
    finding = only(check_bigger_volume(box(storage=StorageFacts((small,), (big,)))))
    assert "export HF_HOME=/workspace/hf" in finding.fix
    assert check_bigger_volume(box(storage=StorageFacts((ROOMY,), (big,)))) == []
    assert check_bigger_volume(box(storage=StorageFacts((small,)))) == []
