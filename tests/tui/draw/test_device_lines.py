"""The device panel: one card, many, none, a lost one; what is not known is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.doctor.gauges import Reading
from tests.tui.scenes import GPU, HOST
from tui.draw.device_lines import device_alerts, device_lines, device_panel
from tui.draw.line import Line, width_of

ONE = Reading((GPU,), HOST)
EIGHT = Reading(tuple(replace(GPU, index=i, util=0.9 + i / 100) for i in range(8)), HOST)
CPU = Reading((), HOST)


def _text(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _ in drawn).rstrip() for drawn in lines]


def test_one_card_and_its_box() -> None:
    assert _text(device_lines(ONE, 78)) == [
        "gpu     98% used  18.3 of 23.6 GiB  402 of 450 W  71 C",
        "box     62% of 8 cores  21.4 of 64.0 GiB RAM (run 9.8)  310 GiB disk free",
    ]


def test_a_box_without_a_card_shows_itself() -> None:
    assert [text[:3] for text in _text(device_lines(CPU, 78))] == ["box"]


def test_many_cards_share_a_line() -> None:
    [cards, _] = _text(device_lines(EIGHT, 78))
    assert cards.startswith("8 gpus 90% to 97% used  gpu 0 fullest: 18.3 of 23.6 GiB  3216 W")
    assert len(device_lines(EIGHT, 78, most_gpus=8)) == 9


def test_what_slows_a_card_is_said_in_words() -> None:
    slowed = replace(GPU, throttle=("power cap", "thermal"))
    [card, _] = device_lines(Reading((slowed,), HOST), 98)
    assert ("slowed: power cap, thermal", "warn") in card


def test_what_a_card_does_not_tell_is_left_out() -> None:
    slice_ = replace(GPU, util=None, power_w=None, power_limit_w=None, temp_c=None, total_gib=0.0)
    [card, _] = _text(device_lines(Reading((slice_,), HOST), 78))
    assert card == "gpu    memory is shared with the host"
    bare = replace(HOST, disk_free_gib=None, disk_total_gib=None, process_ram_gib=None)
    assert "disk" not in _text(device_lines(Reading((), bare), 78))[0]
    assert "disk" not in "".join(_text(device_panel(Reading((), bare), 46, 9, ascii_only=True)))


@pytest.mark.parametrize("reading", [None, ONE, EIGHT, CPU])
@pytest.mark.parametrize("width", [46, 58, 62, 78])
def test_it_fits(reading: Reading | None, width: int) -> None:
    assert all(width_of(drawn) <= width for drawn in device_lines(reading, width))
    for height in (2, 5, 9, 40):
        panel = device_panel(reading, width, height, ascii_only=False)
        assert len(panel) <= max(height, 2)
        assert all(width_of(drawn) <= width for drawn in panel)


def test_where_there_is_room_cards_have_bars() -> None:
    panel = _text(device_panel(ONE, 46, 12, ascii_only=True))
    assert panel[0] == "gpu    NVIDIA GeForce RTX 4090"
    assert panel[1].startswith("       #######.   98% used")
    assert [text[:4].strip() for text in panel[-3:]] == ["cpu", "ram", "disk"]


def test_nothing_is_said_of_a_box_that_is_well() -> None:
    assert device_alerts(ONE) == [] and device_alerts(None) == []
    assert device_alerts(Reading((replace(GPU, throttle=("power cap",)),), HOST)) == []


def test_what_ends_runs_is_named_before_it_does() -> None:
    full = replace(HOST, disk_free_gib=1.2, disk_total_gib=50.0)
    assert "1.2 GiB left" in device_alerts(Reading((), full))[0].message
    tight = replace(HOST, ram_used_gib=62.5)
    assert "62.5 of 64.0 GiB" in device_alerts(Reading((), tight))[0].message
    hot = Reading((replace(GPU, index=3, throttle=("thermal",)),), HOST)
    assert device_alerts(hot)[0].message == "GPU 3 is slowed down: thermal."
    lost = device_alerts(Reading((), HOST, "GPU 0: GPU is lost", True))[0]
    assert lost.severity == "fail" and "GPU is lost" in lost.message
    silent = device_alerts(Reading((), HOST, "NVML gave no answer: Driver Not Loaded"))[0]
    assert silent.severity == "warn"


def test_a_disk_that_will_be_full_before_the_run_ends_is_named() -> None:
    filling = Reading((), replace(HOST, disk_full_s=1500.0))
    [alert] = device_alerts(filling, left_s=9000.0)
    assert "full in about" in alert.message and alert.fix
    assert device_alerts(filling, left_s=600.0) == []
    assert device_alerts(filling)[0] == alert  # nothing is known of the run's end
    assert device_alerts(Reading((), replace(HOST, disk_full_s=90_000.0))) == []


def test_a_containers_limit_counts_earlier_and_its_kills_are_failures() -> None:
    tight = replace(HOST, ram_used_gib=58.5)
    assert device_alerts(Reading((), tight)) == []
    [near] = device_alerts(Reading((), replace(tight, is_ram_limited=True)))
    assert "limit is near" in near.message
    [killed] = device_alerts(Reading((), replace(HOST, oom_kills=2)))
    assert killed.severity == "fail" and "2 processes" in killed.message


def test_memory_that_others_hold_is_named() -> None:
    [told] = device_alerts(Reading((replace(GPU, others_gib=6.2),), HOST))
    assert "6.2 GiB of GPU 0" in told.message
    assert device_alerts(Reading((replace(GPU, others_gib=0.3),), HOST), reserved_gib=2.0) == []
    # where processes cannot be told apart: what is used beyond what the run says it holds
    [guessed] = device_alerts(ONE, reserved_gib=9.0)
    assert "7.8 GiB of GPU 0" in guessed.message
    assert device_alerts(ONE, reserved_gib=17.0) == []
    assert device_alerts(EIGHT, reserved_gib=9.0) == []
