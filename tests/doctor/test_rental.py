"""Platforms: how one is known, and what is lost there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.doctor.facts import StorageFacts, Volume
from engine.doctor.host import Host
from engine.doctor.platform import Platform, read_platform
from engine.doctor.rental import check_kept, check_platform
from engine.persistent import PERSISTENT
from tests.doctor.boxes import box, only, tree


@pytest.mark.parametrize(
    ("env", "files", "name"),
    [
        ({"RUNPOD_POD_ID": "x"}, {}, "RunPod"),
        ({}, {"etc/rp_environment": ""}, "RunPod"),
        ({}, {"proc/1/environ": "PATH=/bin\0RUNPOD_POD_ID=x\0"}, "RunPod"),
        ({"RUNPOD_API_KEY": "x"}, {}, ""),
        ({"VAST_CONTAINERLABEL": "C.1"}, {}, "Vast.ai"),
        ({"CONTAINER_ID": "12345"}, {}, "Vast.ai"),
        ({"CONTAINER_ID": "9f8e7d"}, {}, ""),
        ({"AutoDLContainerUUID": "x"}, {}, "AutoDL"),
        (
            {},
            {"proc/self/mountinfo": "1 2 8:1 / /root/autodl-tmp rw - xfs /dev/sdb rw\n"},
            "AutoDL",
        ),
        ({"KAGGLE_KERNEL_RUN_TYPE": "Batch", "COLAB_GPU": "1"}, {}, "Kaggle"),
        ({"KAGGLE_USERNAME": "me"}, {}, ""),
        ({"COLAB_RELEASE_TAG": "x"}, {}, "Colab"),
        ({}, {"proc/self/mountinfo": "1 2 0:5 / /lambda/nfs/me rw - nfs4 h:/ rw\n"}, "Lambda"),
        ({}, {"proc/version": "Linux 6.6-microsoft-standard-WSL2"}, "WSL"),
        ({}, {}, ""),
    ],
)
def test_platforms_are_known_by_their_marks(
    tmp_path: Path, env: dict[str, str], files: dict[str, str], name: str
) -> None:
    assert read_platform(Host(env, tree(tmp_path, files))).name == name


def test_volumes_of_a_platform_are_among_those_runs_go_to(tmp_path: Path) -> None:
    for env in ({"RUNPOD_POD_ID": "x"}, {"VAST_X": "1"}, {"AutoDLx": "1"}):
        first = read_platform(Host(env, tmp_path)).volumes[0]
        assert first in PERSISTENT


def test_runs_on_the_container_disk_of_a_pod() -> None:
    root = Volume("/", 50.0, 40.0, ("model cache", "runs"), base="/root")
    kept = Volume("/workspace", 200.0, 190.0, base="/workspace", persistent=True)
    pod = replace(box(storage=StorageFacts((root,), (kept,))), platform=Platform("RunPod"))
    finding = only(check_kept(pod))
    assert finding.fix == "export TAILFIN_RUNS=/workspace/tailfin/runs"
    alone = replace(pod, storage=StorageFacts((root,)))
    assert only(check_kept(alone)).severity == "info"
    assert check_kept(replace(pod, platform=Platform())) == []


def test_a_platform_says_what_is_kept() -> None:
    assert check_platform(box()) == []
    pod = replace(box(), platform=Platform("RunPod"))
    assert "/workspace" in only(check_platform(pod)).message
