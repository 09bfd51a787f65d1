"""The outcomes of deep probes that a recorded box holds."""

from __future__ import annotations

from engine.doctor.facts import DeepFacts
from engine.doctor.host import Host

# Names under which a recording may hold them, beside their own.
_NAMES = {
    "cuda": "cuinit",
    "cuda-init": "cuinit",
    "cu-init": "cuinit",
    "torch-import": "torch",
    "import-torch": "torch",
    "torch-start": "torch",
    "bf16": "matmul",
    "bf16-matmul": "matmul",
    "triton-compile": "triton",
    "triton-kernel": "triton",
    "bnb": "bitsandbytes",
    "bnb-4bit": "bitsandbytes",
    "bitsandbytes-4bit": "bitsandbytes",
    "four-bit": "bitsandbytes",
    "sdpa": "attention",
    "flash-attention": "flash-attn",
    "flash-attn-import": "flash-attn",
    "all-reduce": "nccl",
    "disk-speed": "disk",
    "hub-download": "download",
}


def recorded_deep(host: Host, asked: tuple[str, ...] = ()) -> DeepFacts:
    """What the recording holds; of the probes asked for, what it lacks is named."""
    ran = {_canonical(name): outcome for name, outcome in (host.probes or {}).items()}
    skipped = {name: "the recording does not hold it" for name in asked if name not in ran}
    return DeepFacts(ran, skipped, host.env.get("LD_LIBRARY_PATH", ""))


def _canonical(name: str) -> str:
    plain = name.strip().lower().replace("_", "-").replace(" ", "-")
    return _NAMES.get(plain, plain)
