"""What the driver wrote of its cards to the kernel's log: Xid errors, where it can be read."""

from __future__ import annotations

import re

from engine.doctor.gpu_facts import Xid
from engine.doctor.host import Host

_RING = "/dev/kmsg"
_FILES = ("/var/log/kern.log", "/var/log/messages", "/var/log/syslog", "/var/log/dmesg")
_START = "Linux version "
# docs.nvidia.com/deploy/xid-errors: older drivers leave out the word PCI.
_XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9a-fA-F:.]+)\): (\d+)(?:, ?([^\n]*))?")


def read_xids(host: Host) -> tuple[tuple[Xid, ...], bool]:
    """The last Xid of each number and card since this start of the machine; False: no log."""
    text = host.tail(_RING)
    if not text:
        text = "\n".join(filter(None, (host.tail(file) for file in _FILES)))
    now = text.rpartition(_START)[2]
    found = {
        (int(match[2]), short_pci(match[1])): (match[3] or "").strip()
        for match in _XID.finditer(now)
    }
    return tuple(Xid(code, pci, text) for (code, pci), text in found.items()), bool(text)


def short_pci(address: str) -> str:
    """A PCI address in one spelling, `0000:3b:00`; NVML, the kernel and Xids write it unlike."""
    parts = address.partition(".")[0].lower().split(":")
    if len(parts) == 2:
        parts = ["0000", *parts]
    return ":".join((parts[0][-4:].rjust(4, "0"), *parts[1:]))
