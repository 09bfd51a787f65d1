"""Which cards this program gets, and with whom it shares them."""

from __future__ import annotations

import re

from engine.doctor.facts import Box
from engine.doctor.gpu_facts import Gpu, Slice
from engine.doctor.remedies import as_root, change_host, is_rented
from engine.findings import Finding, Severity

# GiB gone on an idle card. Where the driver does not tell its own part apart it is counted in,
# and grows with the card; a desktop takes some on the card of the display.
_TAKEN_GIB, _TAKEN_WITH_DRIVER_GIB, _DESKTOP_GIB = 0.5, 1.5, 2.0
# With less than this share of a card free no training fits.
_FULL = 0.1
_EXCLUSIVE, _PROHIBITED = (1, 3), 2
_P2P_OK = 0
# accelerate refuses cards of the RTX 40 series below it (check_cuda_p2p_ib_support).
_P2P_DRIVER = (550, 40, 7)
_ADA = re.compile(r"RTX 40\d\d\b")
_NCCL = "NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1"


def check_hidden(box: Box) -> list[Finding]:
    """CUDA_VISIBLE_DEVICES that hides every card, or names one that is not there."""
    value = box.gpu.visible_devices
    if not box.gpu.gpus or value is None:
        return []
    chosen, unknown = box.gpu.named()
    if unknown is None:
        return []
    if not chosen:
        message = f'CUDA_VISIBLE_DEVICES="{value}" hides every GPU from torch.'
        if unknown.isdecimal():
            is_there = any(str(card.index) == unknown for card in box.gpu.gpus)
            wrong = "names a GPU twice" if is_there else "names no GPU of this box"
            message = f'CUDA_VISIBLE_DEVICES="{value}" {wrong}: {_have(box)}.'
        why = "Training would run on the CPU, or end at once."
        return [Finding("gpu.hidden", "fail", message, "unset CUDA_VISIBLE_DEVICES", why=why)]
    message = f'CUDA_VISIBLE_DEVICES="{value}" names {unknown!r}, which is not here: {_have(box)}.'
    if unknown in ("", "-1"):
        return []  # an end mark: what stands before it was meant
    why = "CUDA stops reading at that word: cards named after it are not used either."
    fix = f"export CUDA_VISIBLE_DEVICES={','.join(str(card.index) for card in chosen)}"
    return [Finding("gpu.unknown-device", "warn", message, fix, why=why, safe=True)]


def check_slices(box: Box) -> list[Finding]:
    """MIG: a process gets one slice of all cards only (pytorch#92315), and none where none is."""
    divided = [card for card in box.gpu.seen if card.mig]
    if not divided:
        return []
    slices = [part for card in divided for part in card.slices]
    chosen = (box.gpu.visible_devices or "").partition(",")[0].strip()
    named = [part for part in slices if chosen.startswith("MIG-") and part.uuid.startswith(chosen)]
    slices = named or slices
    whole = [card for card in box.gpu.seen if not card.mig]
    if not slices:
        return [] if whole else [_no_slice(box, divided[0])]
    sizes = ", ".join(f"{part.vram_gib:.1f} GiB" for part in slices)
    where = divided[0].where
    largest = max(slices, key=lambda part: part.free_gib)
    fix = _take(largest)
    why = "One process is given one slice, however many there are; plan with its memory."
    if len(slices) == 1:
        message = f"{divided[0].name} is divided (MIG); this box has a slice of {sizes}."
        return [Finding("gpu.mig", "info", message, "" if named else fix, where, why)]
    message = f"{divided[0].name} is divided (MIG) into {len(slices)} slices here: {sizes}."
    return [Finding("gpu.mig", "warn", message, fix, where, why, safe=fix.startswith("export"))]


def check_mode(box: Box) -> list[Finding]:
    """Compute modes that let one process or none use a card."""
    findings = []
    for card in box.gpu.seen:
        mode = card.health.compute_mode
        fix = as_root(box.platform, f"nvidia-smi -i {card.index} -c DEFAULT")
        if mode == _PROHIBITED:
            message = f"{card.name} is in the compute mode Prohibited."
            why = "No program may compute on it: CUDA starts, and every first call fails."
            findings.append(Finding("gpu.prohibited", "fail", message, fix, card.where, why))
        elif mode in _EXCLUSIVE:
            message = f"{card.name} is in the compute mode Exclusive Process."
            why = "One process only may use it: a chat or an export beside a run is refused."
            findings.append(Finding("gpu.exclusive", "warn", message, fix, card.where, why))
    return findings


def check_memory_taken(box: Box) -> list[Finding]:
    """GPU memory that somebody holds; in a container its process is often not visible.

    nvidia-docker#179, nvidia-container-toolkit#1013: NVML tells the host's process numbers.
    """
    seen = box.gpu.seen
    taken = [card for card in seen if _taken_gib(card) > _allowed_gib(card)]
    free = [card for card in seen if card not in taken]
    return [_memory_taken(box, card, free) for card in taken]


def check_peers(box: Box) -> list[Finding]:
    """Several desktop cards: whether they reach each other's memory (nccl-tests#117)."""
    cards = [card for card in box.gpu.seen if card.is_consumer]
    if len(cards) < 2:
        return []
    name = cards[0].name
    missing = [switch for switch in _NCCL.split() if switch[:-2] not in box.gpu.nccl]
    fix = f"export {_NCCL}"
    is_old = bool(box.gpu.driver) and _numbers(box.gpu.driver) < _P2P_DRIVER
    if is_old and any(_ADA.search(card.name) for card in cards):
        if not missing:
            message = f"{len(cards)} x {name}: peer access is switched off for NCCL, as it must be."
            return [Finding("gpu.p2p", "ok", message)]
        message = f"{len(cards)} x {name} with driver {box.gpu.driver}, older than 550.40.07."
        why = (
            "These cards have no peer access but the driver offers it: training on several hangs "
            "at full load or is refused by accelerate. On one GPU nothing is wrong."
        )
        return [Finding("gpu.p2p", "warn", message, fix, "", why, safe=True)]
    indices = {card.index for card in cards}
    apart = [
        (first, second)
        for first, second, status in box.gpu.p2p
        if status != _P2P_OK and {first, second} <= indices
    ]
    if not apart or "NCCL_P2P_DISABLE" in box.gpu.nccl:
        return []
    pairs = ", ".join(f"{first} and {second}" for first, second in apart[:3])
    message = f"{len(cards)} x {name} without peer access (GPU {pairs})."
    why = "Gradients of several GPUs go through the host's memory, which is slower; it works."
    fix = f"Should training on several GPUs hang: export {_NCCL}"
    return [Finding("gpu.p2p", "info", message, fix, "", why)]


def check_mixed(box: Box) -> list[Finding]:
    """Cards of several kinds: the smallest and slowest decides for all."""
    groups: dict[str, list[Gpu]] = {}
    for card in box.gpu.seen:
        groups.setdefault(card.name, []).append(card)
    if len(groups) < 2:
        return []
    best = max(groups.values(), key=lambda cards: (sum(c.vram_gib for c in cards), -cards[0].index))
    told = ", ".join(f"{len(cards)} x {name}" for name, cards in groups.items())
    which = ",".join(str(card.index) for card in best)
    fix = f"export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={which}"
    why = (
        "The smallest card sets the memory and the slowest the speed of all, and CUDA numbers "
        "them by speed, unlike nvidia-smi."
    )
    return [
        Finding("gpu.mixed", "warn", f"GPUs of several kinds: {told}.", fix, "", why, safe=True)
    ]


def _memory_taken(box: Box, card: Gpu, free: list[Gpu]) -> Finding:
    taken_gib = _taken_gib(card)
    message = f"{taken_gib:.1f} of {card.vram_gib:.1f} GiB are already taken"
    why = "Training gets what is left, and runs out of memory later or at its first step."
    ours = [holder for holder in box.gpu.holders if holder.is_ours]
    others = [holder for holder in box.gpu.holders if not holder.is_ours]
    safe = False
    if ours:
        named = ", ".join(f"{holder.name} (process {holder.pid})" for holder in ours)
        message += f"; {named} of this box {'has' if len(ours) == 1 else 'have'} the GPU open."
        fix = f"kill {' '.join(str(holder.pid) for holder in ours)}"
        why += " What an ended run left behind may be killed; look first whether it still works."
    elif others:
        named = ", ".join(f"{holder.name} (process {holder.pid})" for holder in others)
        message += f" by another user: {named}."
        fix = f"Ask its owner, or as root: sudo kill {' '.join(str(h.pid) for h in others)}"
    elif card.health.has_display and not box.platform.is_container:
        message += ", by the desktop this card shows."
        fix = as_root(box.platform, "systemctl isolate multi-user.target")
    elif is_rented(box.platform):
        message += ", and no process of this box has the GPU open: it is held from outside."
        fix = f"It is not ours to end. {change_host(box.platform)}"
    else:
        message += ", by processes that cannot be seen from here."
        fix = as_root(box.platform, f"fuser -v /dev/nvidia{card.index}") + "  (then end them)"
    if free and not ours and not fix.startswith("export"):
        indices = ",".join(str(one.index) for one in free)
        fix, safe = f"export CUDA_VISIBLE_DEVICES={indices}", True
        why += f" {'Other cards are' if len(free) > 1 else 'Another card is'} free."
    is_full = not free and card.free_gib < card.vram_gib * _FULL
    severity: Severity = "fail" if is_full else "warn"
    return Finding("gpu.memory-taken", severity, message, fix, card.where, why, safe)


def _taken_gib(card: Gpu) -> float:
    if card.is_shared:
        return 0.0  # the host's memory: judged there
    return card.vram_gib - card.free_gib - (card.reserved_gib or 0.0)


def _allowed_gib(card: Gpu) -> float:
    if card.health.has_display:
        return _DESKTOP_GIB
    return _TAKEN_WITH_DRIVER_GIB if card.reserved_gib is None else _TAKEN_GIB


def _take(part: Slice) -> str:
    if part.uuid:
        return f"export CUDA_VISIBLE_DEVICES={part.uuid}"
    return "Name one slice by its UUID (nvidia-smi -L lists them) in CUDA_VISIBLE_DEVICES."


def _no_slice(box: Box, card: Gpu) -> Finding:
    message = f"{card.name} is divided (MIG), but no slice of it is here."
    why = "CUDA lists no device, and training would run on the CPU."
    fix = f"Ask for a slice where the box was rented, or: {change_host(box.platform)}"
    if not is_rented(box.platform):
        fix = as_root(box.platform, f"nvidia-smi -i {card.index} -mig 0")
        why += " This command takes the division back; nvidia-smi mig -lgip lists slices to make."
    return Finding("gpu.mig-empty", "fail", message, fix, card.where, why)


def _have(box: Box) -> str:
    return "it has " + ", ".join(str(card.index) for card in box.gpu.gpus)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


CHECKS = (
    check_hidden,
    check_slices,
    check_mode,
    check_memory_taken,
    check_peers,
    check_mixed,
)
