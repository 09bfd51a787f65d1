"""The table of cards, and the card of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.doctor.facts import Gpu
from engine.errors import TailfinError
from engine.memory.cards import (
    UNKNOWN_CONTEXT_GIB,
    card_of_driver,
    card_of_size,
    context_of,
    find_card,
    known_cards,
)
from engine.memory.device import first_visible, this_device, this_ram

A100 = Gpu(0, "NVIDIA A100-SXM4-80GB", 80.0, 70.0, (8, 0))
T4 = Gpu(1, "Tesla T4", 15.0, 14.5, (7, 5))


def test_every_row_is_usable() -> None:
    cards = known_cards()
    assert len({card.name for card in cards}) == len(cards) >= 12
    for card in cards:
        assert 0 < card.usable_gib < 200
        assert 0 < card.context_gib < 2
        assert card.is_gpu
        assert card.has_bf16 == (card.capability >= (8, 0))


def test_usable_memory_is_below_the_name_plate() -> None:
    import tomllib

    from engine.bundled import bundled

    rows = tomllib.loads((bundled("profiles") / "cards.toml").read_text(encoding="utf-8"))["card"]
    for row in rows:
        assert row["usable_gib"] < row["name_plate_gb"]
        assert row["source"]
        assert row["measured"] is False


@pytest.mark.parametrize(
    ("written", "name"),
    [("t4", "T4"), ("A100-80GB", "A100 80GB"), ("rtx4090", "RTX 4090"), ("h200", "H200")],
)
def test_names_are_found_however_they_are_written(written: str, name: str) -> None:
    assert find_card(written).name == name


@pytest.mark.parametrize(("written", "offered"), [("A100", "A100 40GB"), ("foo", "T4")])
def test_unclear_names_are_refused_with_a_choice(written: str, offered: str) -> None:
    with pytest.raises(TailfinError) as caught:
        find_card(written)
    assert offered in caught.value.hint


@pytest.mark.parametrize("size", [0.0, -3.0, float("nan")])
def test_a_size_must_be_one(size: float) -> None:
    with pytest.raises(TailfinError, match="gpu-gib"):
        card_of_size(size)


def test_the_drivers_name_finds_its_context() -> None:
    assert context_of("Tesla T4") == pytest.approx(141 / 1024)
    assert context_of("Something New") == UNKNOWN_CONTEXT_GIB


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        ("NVIDIA A100-SXM4-80GB", "A100 80GB"),
        ("NVIDIA A100 80GB PCIe", "A100 80GB"),
        ("NVIDIA A100-SXM4-40GB", "A100 40GB"),
        ("NVIDIA H100 80GB HBM3", "H100 80GB"),
        ("NVIDIA H100 NVL", "H100 NVL"),
        ("NVIDIA RTX A4000", "RTX A4000"),
        ("NVIDIA A40", "A40"),
        ("NVIDIA A10G", None),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA GeForce RTX 3080", "RTX 3080 10GB"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("Tesla T4", "T4"),
        ("NVIDIA H200", "H200"),
    ],
)
def test_the_drivers_name_finds_its_row(driver: str, name: str | None) -> None:
    card = card_of_driver(driver)
    assert (card.name if card else None) == name


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        ({}, "NVIDIA A100-SXM4-80GB"),
        ({"CUDA_VISIBLE_DEVICES": "1"}, "Tesla T4"),
        ({"CUDA_VISIBLE_DEVICES": "1,0"}, "Tesla T4"),
        ({"CUDA_VISIBLE_DEVICES": "GPU-5e"}, "NVIDIA A100-SXM4-80GB"),
        ({"CUDA_VISIBLE_DEVICES": ""}, None),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, None),
        ({"CUDA_VISIBLE_DEVICES": "7"}, None),
    ],
)
def test_the_first_visible_card_counts(visible: dict[str, str], name: str | None) -> None:
    found = first_visible((A100, T4), visible)
    assert (found.name if found else None) == name


def test_without_a_gpu_it_is_ram(tmp_path: Path) -> None:
    card = this_device({}, tmp_path)
    assert not card.is_gpu
    assert 0 < card.free_gib <= card.usable_gib


def test_a_container_has_its_own_limit(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (group / "memory.max").write_text(f"{2**30}\n")
    (group / "memory.current").write_text(f"{2**28}\n")
    card = this_ram(tmp_path)
    assert card.usable_gib == 1.0
    assert card.taken_gib == 0.25
