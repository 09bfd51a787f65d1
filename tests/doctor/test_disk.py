"""The verdict on volumes: small beside big, full, closed, and of kinds that do not serve."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.doctor.disk import check_kind, check_noexec, check_room, check_writable
from engine.doctor.facts import StorageFacts, Volume
from engine.doctor.platform import Platform
from tests.doctor.boxes import box, only

ROOMY = Volume("/", 400.0, 310.0, ("model cache", "runs"), base="/root")
ALL = ("model cache", "temporary files", "compiled kernels", "system")
# The commonest full disk on rented boxes: a 20 GB overlay beside terabytes on /workspace.
SMALL = Volume("/", 20.0, 9.0, ALL, base="/root")
BIG = Volume("/workspace", 150_000.0, 149_000.0, ("runs",), base="/workspace", persistent=True)


@pytest.mark.parametrize(
    ("free_gib", "roles", "severity"),
    [
        (310.0, ("model cache",), "ok"),
        (12.0, ("model cache",), "warn"),
        (1.0, ("runs",), "fail"),
        (12.0, ("system",), "ok"),
        (1.0, ("system",), "warn"),
        (0.1, ("temporary files",), "fail"),
    ],
)
def test_room(free_gib: float, roles: tuple[str, ...], severity: str) -> None:
    facts = StorageFacts((Volume("/", 400.0, free_gib, roles),))
    finding = only(check_room(box(storage=facts)))
    assert finding.severity == severity
    assert severity == "ok" or (finding.fix and finding.why)


def test_a_small_root_beside_a_big_volume() -> None:
    finding = check_room(box(storage=StorageFacts((SMALL, BIG))))[0]
    assert finding.id == "disk.bigger-volume"
    assert finding.severity == "warn"
    assert finding.fix.startswith("export HF_HOME=/workspace/hf TMPDIR=/workspace/tmp")
    assert "while /workspace has 145.5 TiB free" in finding.message
    alone = check_room(box(storage=StorageFacts((SMALL,))))
    assert only(alone).id == "disk.low"


def test_a_full_root_is_one_failure_that_names_the_way_out() -> None:
    full = replace(SMALL, free_gib=0.1)
    findings = check_room(box(storage=StorageFacts((full,), (replace(BIG, roles=()),))))
    finding = only(findings)
    assert (finding.id, finding.severity) == ("disk.full", "fail")
    assert "HF_HOME=/workspace/hf" in finding.fix
    assert "TRITON_CACHE_DIR=/workspace/triton" in finding.fix


def test_moving_the_cache_keeps_the_token() -> None:
    facts = StorageFacts((SMALL, BIG), saved_token="/root/.cache/huggingface/token")
    fix = check_room(box(storage=facts))[0].fix
    assert "HF_TOKEN_PATH=/root/.cache/huggingface/token" in fix


def test_a_cache_that_was_set_is_moved_by_the_same_variable() -> None:
    facts = StorageFacts((SMALL, BIG), cache_variable="HF_HUB_CACHE")
    assert "export HF_HUB_CACHE=/workspace/hf/hub" in check_room(box(storage=facts))[0].fix


def test_only_what_lies_on_the_small_volume_is_moved() -> None:
    root = replace(SMALL, roles=("temporary files", "system"), free_gib=0.1)
    home = replace(BIG, roles=("model cache", "runs"))
    fix = check_room(box(storage=StorageFacts((root, home))))[0].fix
    assert fix == "export TMPDIR=/workspace/tmp && mkdir -p /workspace/tmp"


def test_a_disk_of_vast_cannot_grow() -> None:
    here = replace(box(storage=StorageFacts((SMALL,))), platform=Platform("Vast.ai"))
    finding = only(check_room(here))
    assert "keeps the size it was rented with" in finding.why
    assert finding.fix.startswith("Rent again with a larger disk")


def test_a_volume_in_memory_or_of_objects_is_no_way_out() -> None:
    for other in (replace(BIG, kind="memory"), replace(BIG, kind="objects"), replace(BIG, base="")):
        assert check_room(box(storage=StorageFacts((SMALL, other))))[0].id == "disk.low"


def test_no_inodes_left() -> None:
    facts = StorageFacts((replace(ROOMY, files_free=12),))
    finding = only(check_room(box(storage=facts)))
    assert (finding.id, finding.severity) == ("disk.no-files", "fail")
    assert "12 more files" in finding.message


def test_an_image_that_is_never_written_is_never_full() -> None:
    image = Volume("/", 4.0, 0.0, ("system",), read_only=True)
    assert check_room(box(storage=StorageFacts((image, ROOMY))))[0].severity == "ok"


def test_room_that_could_not_be_read_is_skipped() -> None:
    facts = StorageFacts((Volume("/", 0.0, 0.0, ("model cache",)),))
    assert only(check_room(box(storage=facts))).severity == "skip"


def test_a_closed_home_is_one_failure() -> None:
    closed = (
        ("model cache", "/root/.cache/huggingface/hub"),
        ("compiled kernels", "/root/.triton"),
    )
    root = replace(ROOMY, unwritable=closed, base="/var/tmp")
    finding = only(check_writable(box(storage=StorageFacts((root,)))))
    assert finding.severity == "fail"
    assert finding.fix == "export HF_HOME=/var/tmp/hf TRITON_CACHE_DIR=/var/tmp/triton"
    assert finding.safe
    assert finding.where == "/root/.cache/huggingface/hub"


def test_a_read_only_volume_names_another() -> None:
    root = replace(ROOMY, read_only=True, base="", unwritable=(("model cache", "/root/.cache/x"),))
    finding = only(check_writable(box(storage=StorageFacts((root,), (BIG,)))))
    assert "/ is mounted read-only" in finding.message
    assert "HF_HOME=/workspace/hf" in finding.fix
    nowhere = only(check_writable(box(storage=StorageFacts((root,)))))
    assert nowhere.severity == "fail"
    assert "HF_HOME" in nowhere.fix
    assert not nowhere.safe


def test_system_alone_need_not_be_writable() -> None:
    root = replace(ROOMY, unwritable=(("system", "/"),))
    assert check_writable(box(storage=StorageFacts((root,)))) == []


def test_kinds_that_do_not_serve() -> None:
    def kinds(kind: str, fs: str, *roles: str) -> list[str]:
        volume = Volume("/x", 100.0, 90.0, roles, fs=fs, kind=kind)
        found = check_kind(box(storage=StorageFacts((volume, ROOMY))))
        return [f"{finding.severity} {finding.id}" for finding in found]

    assert kinds("disk", "ext4", "model cache") == []
    assert kinds("memory", "tmpfs", "model cache") == ["warn disk.in-memory"]
    assert kinds("memory", "tmpfs", "temporary files") == ["info disk.temporary-in-memory"]
    assert kinds("objects", "fuse.gcsfuse", "runs") == ["warn disk.object-store"]
    assert kinds("network", "nfs4", "runs") == ["info disk.network"]
    assert kinds("network", "nfs4", "system") == []


def test_noexec_where_kernels_are_compiled() -> None:
    # https://github.com/pytorch/pytorch/issues/123054
    tmp = Volume("/tmp", 8.0, 8.0, ("temporary files",), fs="tmpfs", kind="memory", noexec=True)
    finding = only(check_noexec(box(storage=StorageFacts((ROOMY, tmp)))))
    assert finding.fix == "export TMPDIR=/root/tmp && mkdir -p /root/tmp"
    assert check_noexec(box(storage=StorageFacts((ROOMY,)))) == []
