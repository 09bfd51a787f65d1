"""Where things lie on a box: places, mounts and volumes, from real folders and recorded boxes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.host import Host, Room, this_host
from engine.doctor.platform import read_platform
from engine.doctor.recorded import read_recorded
from engine.doctor.storage import places, read_storage
from engine.doctor.volumes import mount_of, read_mounts, resolved

GIB = 2**30


def recorded(tmp_path: Path, disks: dict[str, object], mountinfo: str = "", **env: str) -> Host:
    """A box with these volumes."""
    (tmp_path / "root/proc/self").mkdir(parents=True)
    if mountinfo:
        (tmp_path / "root/proc/self/mountinfo").write_text(mountinfo)
    (tmp_path / "disks.json").write_text(json.dumps(disks))
    (tmp_path / "env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    return read_recorded(tmp_path)


def disk(total_gib: float, free_gib: float, **more: object) -> dict[str, object]:
    return {"total": int(total_gib * GIB), "free": int(free_gib * GIB), **more}


def test_places_follow_the_environment(tmp_path: Path) -> None:
    env = {
        "HF_HOME": f"{tmp_path}/hf",
        "TMPDIR": f"{tmp_path}/t",
        "TAILFIN_RUNS": f"{tmp_path}/r",
        "TRITON_CACHE_DIR": f"{tmp_path}/k",
    }
    assert dict(places(this_host(env), {})) == {
        "model cache": f"{tmp_path}/hf/hub",
        "runs": f"{tmp_path}/r",
        "temporary files": f"{tmp_path}/t",
        "compiled kernels": f"{tmp_path}/k",
        "system": "/",
    }


def test_folders_on_one_volume_are_one_line(tmp_path: Path) -> None:
    env = {
        "HF_HUB_CACHE": f"{tmp_path}/not/there/yet",
        "TAILFIN_RUNS": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "HOME": str(tmp_path),
    }
    facts = read_storage(this_host(env))
    volume = next(v for v in facts.volumes if "runs" in v.roles)
    assert set(volume.roles) >= {"model cache", "runs", "temporary files", "compiled kernels"}
    assert 0 < volume.free_gib < volume.total_gib
    assert os.path.ismount(volume.path)
    assert facts.cache_variable == "HF_HUB_CACHE"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    facts = read_storage(this_host({"TAILFIN_RUNS": str(tmp_path), "HOME": "/tmp"}))
    closed = [pair for volume in facts.volumes for pair in volume.unwritable]
    assert ("runs", str(tmp_path)) in closed


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "runs"
    file.touch()
    facts = read_storage(this_host({"TAILFIN_RUNS": str(file), "HOME": "/tmp"}))
    closed = [pair for volume in facts.volumes for pair in volume.unwritable]
    assert ("runs", str(file)) in closed


def test_a_pod_with_its_volume(tmp_path: Path) -> None:
    mountinfo = (
        "500 400 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a\n"
        "501 500 0:51 / /dev/shm rw,nosuid,nodev,noexec - tmpfs shm rw,size=65536k\n"
        "502 500 8:1 /hosts /etc/hosts rw - ext4 /dev/sda1 rw\n"
        "503 500 0:52 / /workspace rw,nosuid,nodev - fuse.mfs mfs#master:9421 rw\n"
    )
    host = recorded(
        tmp_path,
        {
            "/": disk(20, 9),
            "/workspace": disk(150_000, 149_000),
            "/etc/hosts": disk(900, 800),
            "/dev/shm": disk(0.0625, 0.0625),
        },
        mountinfo,
        HOME="/root",
        RUNPOD_POD_ID="abc",
        PWD="/root",
    )
    facts = read_storage(host)
    by_path = {volume.path: volume for volume in facts.volumes}
    assert "model cache" in by_path["/"].roles
    assert by_path["/workspace"].roles == ("runs",)  # runs go to a volume that outlives the pod
    assert by_path["/workspace"].kind == "network"
    assert by_path["/workspace"].persistent
    assert facts.spare == ()
    assert facts.where("runs") == "/workspace/tailfin/runs"


def test_without_proc_the_rooms_tell_volumes_apart(tmp_path: Path) -> None:
    host = recorded(
        tmp_path, {"/": disk(30, 25), "/root/autodl-tmp": disk(50, 50)}, AutoDLRegion="x"
    )
    mounts = read_mounts(host, read_platform(host))
    assert set(mounts) == {"/", "/root/autodl-tmp"}
    assert mount_of("/root/autodl-tmp/hf/hub", mounts).path == "/root/autodl-tmp"


def test_the_older_table_of_mounts_will_do(tmp_path: Path) -> None:
    host = recorded(tmp_path, {"/": disk(30, 25), "/scratch": disk(5000, 4000)})
    (tmp_path / "root/proc/self/mounts").write_text(
        "/dev/sda1 / ext4 ro,relatime 0 0\nnas:/x /my\\040files nfs4 rw 0 0\n"
        "/dev/sdb /scratch xfs rw 0 0\n"
    )
    mounts = read_mounts(host, read_platform(host))
    assert mounts["/"].is_read_only
    assert mounts["/my files"].kind == "network"
    assert [volume.path for volume in read_storage(host).spare] == ["/scratch"]


def test_links_of_a_recorded_box_are_its_own(tmp_path: Path) -> None:
    host = recorded(tmp_path, {"/": disk(30, 25)})
    (tmp_path / "root/root/.cache").mkdir(parents=True)
    (tmp_path / "root/root/.cache/huggingface").symlink_to("/workspace/hf")
    (tmp_path / "root/ring").symlink_to("/ring")
    assert resolved(host, "/root/.cache/huggingface/hub") == "/workspace/hf/hub"
    assert resolved(host, "/ring/x") == "/ring/x"


def test_a_closed_home_of_a_recorded_box(tmp_path: Path) -> None:
    host = recorded(tmp_path, {"/": disk(100, 80, unwritable=["/root"])}, HOME="/root", PWD="/work")
    (volume,) = read_storage(host).volumes
    assert dict(volume.unwritable) == {
        "model cache": "/root/.cache/huggingface/hub",
        "compiled kernels": "/root/.triton",
    }
    assert volume.base == "/var/tmp"


def test_a_recording_without_disks_says_nothing(tmp_path: Path) -> None:
    host = recorded(tmp_path, {})
    (tmp_path / "disks.json").unlink()
    (volume,) = read_storage(read_recorded(tmp_path)).volumes
    assert (volume.total_gib, volume.unwritable) == (0.0, ())
    assert host.room("/") is None


def test_the_room_of_this_box_counts_its_files(tmp_path: Path) -> None:
    room = this_host().room(tmp_path)
    assert isinstance(room, Room)
    assert room.files_free is None or room.files_free > 0
    assert replace(room, writable=False).total == room.total
