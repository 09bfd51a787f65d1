"""Boxes a wizard could find itself on, as facts; what is said about them are the real checks."""

from __future__ import annotations

from dataclasses import replace

from engine.doctor.facts import Box, Gpu, GpuFacts, HubFacts, LimitFacts, StorageFacts, Volume
from engine.memory.cards import Card
from tests.doctor import boxes
from tests.tui.gallery.course import CARD
from tests.tui.gallery.scene import Stage

HUB = "https://huggingface.co"
_GPU = GpuFacts(("/dev/nvidia0",), "580.65.06", (13, 0), (Gpu(0, CARD, 23.5, 23.1, (8, 9)),))
_LIMITS = LimitFacts(ram_gib=62.7, available_gib=58.1, cores=16, open_files=65535, shm_gib=16.0)
_DISK = StorageFacts(
    (
        Volume("/workspace", 500.0, 312.0, ("model cache", "runs")),
        Volume("/", 40.0, 21.0, ("system", "temporary files")),
    )
)
_TOKEN = HubFacts(HUB, reachable=True, elapsed_s=0.2, has_token=True)

GOOD = boxes.box(gpu=_GPU, limits=_LIMITS, storage=_DISK, hub=_TOKEN)
CPU_ONLY = boxes.box(
    gpu=GpuFacts(),
    stack=replace(boxes.STACK, torch=boxes.CPU_TORCH),
    limits=replace(_LIMITS, ram_gib=15.6, available_gib=13.2, cores=4),
    storage=StorageFacts((Volume("/", 80.0, 41.0, ("model cache", "runs")),)),
    hub=replace(_TOKEN, has_token=False),
)
FAILING = boxes.box(
    gpu=replace(_GPU, driver="535.104.05", cuda=(12, 2)),
    stack=replace(
        boxes.STACK,
        installed={"transformers": "4.46.0", "trl": "1.16.0"},
    ),
    limits=replace(_LIMITS, shm_gib=0.06, oom_kills=2),
    storage=StorageFacts(
        (Volume("/", 40.0, 1.2, ("model cache", "runs", "temporary files")),),
        spare=(Volume("/workspace", 500.0, 312.0),),
    ),
    hub=HubFacts(HUB, reachable=False, trouble="timed out", elapsed_s=5.0),
)

RTX_4090 = Card(CARD, 23.5, (8, 9), 0.45, taken_gib=0.4)
RAM = Card("RAM", 15.6, (0, 0), 0.0, is_gpu=False, taken_gib=2.4)


def be_on(stage: Stage, box: Box, card: Card) -> None:
    """Let the wizard find this box and this device."""
    stage.set("engine.doctor.box.gather", lambda host, early=None: box)
    stage.set("engine.memory.device.this_device", lambda: card)
    stage.set("engine.memory.device.this_ram", lambda: RAM)
