"""Which probes there are, what each is handed, and why one is not tried on a box."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.doctor.deep.words import said
from engine.doctor.facts import Box
from engine.doctor.host import Host, Ran

SCRIPTS = Path(__file__).parent / "scripts"
# A public model file without a licence to accept; only its beginning is read.
_REAL_FILE = "Qwen/Qwen3-0.6B/resolve/main/model.safetensors"
# After 802 the service that links the cards may still be starting: it takes a minute or two.
_WAIT_S = 60

Outcomes = Mapping[str, Ran]


@dataclass(frozen=True, slots=True)
class Probe:
    """One program: `title` names it to people, `after` are probes that must have ended well.

    `why_not` says why it is not tried, empty where it is; `arguments` are its command line.
    """

    name: str
    title: str
    script: str
    limit_s: float
    after: tuple[str, ...] = ()
    why_not: Callable[[Box, Outcomes], str] = lambda _box, _ran: ""
    arguments: Callable[[Host, Box, Outcomes], list[str]] = lambda _host, _box, _ran: []
    env: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> Path:
        return SCRIPTS / f"{self.script}.py"


def _no_gpu(box: Box, _ran: Outcomes) -> str:
    return "" if box.gpu.handed else "this box has no GPU"


def _no_torch(box: Box, _ran: Outcomes) -> str:
    if not box.stack.runs:
        return "the Python that trains does not run"
    return "" if box.stack.torch else "torch is not installed"


def _no_torch_for_gpu(box: Box, ran: Outcomes) -> str:
    if reason := _no_gpu(box, ran) or _no_torch(box, ran):
        return reason
    build = box.stack.torch
    return "" if build and build.for_gpu else "this torch cannot use a GPU"


def _no_bitsandbytes(box: Box, ran: Outcomes) -> str:
    if reason := _no_torch(box, ran):
        return reason
    return "" if "bitsandbytes" in box.stack.installed else "bitsandbytes is not installed"


def _no_pair(box: Box, ran: Outcomes) -> str:
    if reason := _no_torch_for_gpu(box, ran):
        return reason
    return "" if _gpus(box, ran) > 1 else "there is one GPU only"


def _no_nccl_trouble(box: Box, ran: Outcomes) -> str:
    if reason := _no_pair(box, ran):
        return reason
    return "" if "nccl" in ran and ran["nccl"].code != 0 else "the GPUs reach each other"


def _no_hub(box: Box, _ran: Outcomes) -> str:
    if box.hub.offline:
        return "the hub is switched off by a setting"
    return "" if box.hub.reachable else "the hub does not answer"


def _gpus(box: Box, ran: Outcomes) -> int:
    """As many as torch sees, which CUDA_VISIBLE_DEVICES may have narrowed."""
    seen = said(ran["torch"]).get("devices") if "torch" in ran else None
    return len(seen) if isinstance(seen, list) else len(box.gpu.gpus)


def _folders(_host: Host, box: Box, _ran: Outcomes) -> list[str]:
    """The places runs write to, or the nearest folder above that is there."""
    found = []
    for _, path in box.storage.places:
        folder = Path(path)
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        if os.access(folder, os.W_OK):
            found.append(str(folder))
    return list(dict.fromkeys(found))


_GPU = ("cuinit", "torch")
PROBES = (
    Probe(
        "cuinit",
        "CUDA start",
        "cuinit",
        _WAIT_S + 60.0,
        why_not=_no_gpu,
        arguments=lambda _host, _box, _ran: [str(_WAIT_S)],
    ),
    Probe("torch", "torch import", "torch_start", 120.0, why_not=_no_torch),
    Probe("matmul", "matrix products", "matmul", 120.0, _GPU, _no_torch),
    Probe("triton", "Triton kernel", "triton_kernel", 120.0, _GPU, _no_torch_for_gpu),
    Probe("bitsandbytes", "4-bit layer", "four_bit", 120.0, _GPU, _no_bitsandbytes),
    Probe("attention", "attention kernels", "attention", 120.0, _GPU, _no_torch),
    Probe("flash-attn", "flash-attn package", "flash_attention", 60.0, _GPU, _no_torch),
    Probe(
        "nccl",
        "sums across the GPUs",
        "nccl",
        75.0,
        _GPU,
        _no_pair,
        lambda _host, box, ran: [str(_gpus(box, ran))],
    ),
    Probe(
        "nccl-no-p2p",
        "sums across the GPUs without P2P",
        "nccl",
        75.0,
        _GPU,
        _no_nccl_trouble,
        lambda _host, box, ran: [str(_gpus(box, ran))],
        (("NCCL_P2P_DISABLE", "1"), ("NCCL_IB_DISABLE", "1")),
    ),
    Probe("disk", "disk speed", "disk_speed", 60.0, arguments=_folders),
    Probe(
        "download",
        "hub download speed",
        "download",
        20.0,
        why_not=_no_hub,
        arguments=lambda _host, box, _ran: [f"{box.hub.endpoint}/{_REAL_FILE}"],
    ),
)
BY_NAME = {probe.name: probe for probe in PROBES}
