"""Facts are gathered together; an answer that does not come costs its limit and no more."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from engine.doctor import box as box_module
from engine.doctor.box import gather
from engine.doctor.facts import GpuFacts, HubFacts
from engine.doctor.host import Host
from tests.doctor.boxes import tree


def test_a_tree_without_anything(tmp_path: Path) -> None:
    box = gather(Host({"HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}, tmp_path))
    assert box.gpu == GpuFacts()
    assert box.hub.reachable is None
    assert box.limits.ram_gib == 0
    assert box.storage.volumes


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="a real driver answers here")
def test_a_device_without_a_driver_library(tmp_path: Path) -> None:
    root = tree(tmp_path, {"dev/nvidia0": ""})
    box = gather(Host({"HF_HUB_OFFLINE": "1"}, root))
    assert box.gpu.nodes == ("/dev/nvidia0",)
    assert "was not found" in box.gpu.trouble


def test_late_answers_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def stuck_driver(known: GpuFacts, host: Host) -> GpuFacts:
        never.wait(30)
        return known

    def stuck_hub(known: HubFacts, host: Host) -> HubFacts:
        never.wait(30)
        return known

    monkeypatch.setattr(box_module, "ask_driver", stuck_driver)
    monkeypatch.setattr(box_module, "ask_hub", stuck_hub)
    monkeypatch.setattr(box_module, "DRIVER_TIMEOUT_S", 0.1)
    monkeypatch.setattr(box_module, "TIMEOUT_S", 0.1)
    began = time.monotonic()
    box = gather(Host({"HOME": str(tmp_path)}, tree(tmp_path, {"dev/nvidia0": ""})))
    assert time.monotonic() - began < 10
    never.set()
    assert box.gpu.trouble == "no answer within 0.1 s"
    assert box.hub.reachable is False
    assert "no answer" in box.hub.trouble
