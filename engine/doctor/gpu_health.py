"""What wears a card down or holds it back: errors, fabric, throttling, power cap, PCIe link."""

from __future__ import annotations

from engine.doctor.facts import Box
from engine.doctor.gpu_facts import Gpu, Xid
from engine.doctor.platform import VAST, Platform
from engine.doctor.remedies import as_root, change_host, is_rented
from engine.findings import Finding, Severity

# docs.nvidia.com/deploy/nvml-api/group__nvmlClocksEventReasons.html
_SLOWED = (
    (0x40, "heat (hardware slowdown)"),
    (0x20, "heat"),
    (0x80, "the power supply (power brake)"),
    (0x08, "a hardware slowdown"),
)
# Shares of the default power limit: below the first training is plainly slower.
_CAPPED, _TRIMMED = 0.85, 0.98
_NARROW = 4
# A sound link repeats next to nothing, even in months.
_REPLAYS = 10_000
_HOT_C = 90
_STATES = {1: "has not started", 2: "is still in progress"}
_COMPLETED, _UNHEALTHY = 3, 2
# NVML's recovery actions: reset, reboot, bus reset and restart of the system; others only drain.
_ACTIONS = {1: "a reset", 2: "a reboot of the node", 6: "a reset of its bus", 7: "a restart"}
# docs.nvidia.com/deploy/xid-errors: hardware that needs a reset or a new card.
_BROKEN = {
    48: "an uncorrectable memory error",
    62: "a halt of its controller",
    64: "a failed repair of its memory",
    79: "it fell off the bus",
    95: "a memory error that was not contained",
    119: "its system processor no longer answered",
    120: "an error of its system processor",
    140: "an unrecovered memory error",
}
_WEAK = {
    63: "a repair of its memory that waits for a reset",
    74: "an NVLink error",
    92: "many corrected memory errors",
    94: "a memory error that was contained",
    154: "a recovery it waits for",
}


def check_fabric(box: Box) -> list[Finding]:
    """Cards on NVSwitch boards do not start before the fabric manager let them in (error 802)."""
    for card in box.gpu.seen:
        health = card.health
        told = _STATES.get(health.fabric_state, "")
        if health.fabric_state == _COMPLETED and health.fabric_status:
            told = f"ended with error {health.fabric_status}"
        if told:
            message = f"{card.name}: its registration with the NVLink fabric {told}."
            return [_no_fabric(box, message, card.where)]
        if health.fabric_summary == _UNHEALTHY:
            message = f"{card.name}: its NVLink fabric is unhealthy."
            why = "Several GPUs together run slowly or hang; one alone may work."
            fix = change_host(box.platform)
            return [Finding("gpu.fabric-unhealthy", "warn", message, fix, card.where, why)]
    gpu = box.gpu
    if gpu.gpus and gpu.has_nvswitch and not gpu.fabric_manager and not is_rented(box.platform):
        return [_no_fabric(box, "This board has NVSwitch, but no fabric manager runs.", "")]
    return []


def check_errors(box: Box) -> list[Finding]:
    """Memory errors and other faults of the hardware, from the card and from the kernel's log."""
    findings = [found for card in box.gpu.seen for found in _card_errors(box, card)]
    told = {finding.where for finding in findings}
    for xid in box.gpu.xids if box.gpu.gpus else ():
        card = next((card for card in box.gpu.gpus if card.pci == xid.pci), None)
        is_other = card is None and any(card.pci for card in box.gpu.gpus)
        where = card.where if card else xid.pci
        if not is_other and where not in told:
            findings += _xid(box, xid, where)
    return findings


def check_log(box: Box) -> list[Finding]:
    """That the kernel's log stays closed in a container is said, not judged."""
    if not box.gpu.gpus or box.gpu.log_was_read:
        return []
    message = "Errors the driver logged (Xid) were not looked at: the kernel's log is closed here."
    return [Finding("gpu.xid", "skip", message)]


def check_throttle(box: Box) -> list[Finding]:
    """Clocks that are held down now (ai-toolkit#504)."""
    findings = []
    for card in box.gpu.seen:
        causes = [word for bit, word in _SLOWED if card.health.clock_reasons & bit]
        temp_c = card.health.temp_c
        if not causes and (temp_c is None or temp_c < _HOT_C):
            continue
        warm = f", at {temp_c:.0f} C" if temp_c else ""
        message = f"{card.name} is hot{warm}: its clocks are about to drop."
        if causes:
            message = f"{card.name} is slowed down by {causes[0]}{warm}."
        why = "Steps take longer for as long as it lasts; a smaller batch does not help."
        fix = f"Report it to the host. {change_host(box.platform)}"
        findings.append(Finding("gpu.throttled", "warn", message, fix, card.where, why))
    return findings


def check_power(box: Box) -> list[Finding]:
    """A power limit below the card's own."""
    findings = []
    for card in box.gpu.seen:
        limit, default = card.health.power_limit_w, card.health.power_default_w
        if not limit or not default or limit >= default * _TRIMMED:
            continue
        is_low = limit < default * _CAPPED
        message = f"{card.name} is limited to {limit:.0f} W; its default is {default:.0f} W."
        why = f"Its clocks stay lower under load: it has {limit / default:.0%} of its power."
        fix = f"Report it to the host. {change_host(box.platform)}"
        if not is_rented(box.platform):
            fix = as_root(box.platform, f"nvidia-smi -i {card.index} -pl {default:.0f}")
        severity: Severity = "warn" if is_low else "info"
        findings.append(Finding("gpu.power-capped", severity, message, fix, card.where, why))
    return findings


def check_link(box: Box) -> list[Finding]:
    """The width of the PCIe link; its generation drops at idle and says nothing."""
    findings = [
        _replays(box, card) for card in box.gpu.seen if card.health.pcie_replays >= _REPLAYS
    ]
    for card in box.gpu.seen:
        width, most = card.health.pcie_width, card.health.pcie_width_max
        if not width or card.is_shared or (width > _NARROW and (not most or width >= most)):
            continue
        of = f" of {most}" if most else ""
        message = f"{card.name} is connected by {width}{of} PCIe lanes."
        why = (
            "On one GPU loading and CPU offload are slow, the steps are not. "
            "Several GPUs exchange gradients through this link."
        )
        fix = "Avoid CPU offload"
        if width > _NARROW:
            finding = Finding("gpu.pcie-narrow", "info", message, f"{fix}.", card.where, why)
        else:
            finding = Finding(
                "gpu.pcie-narrow",
                "warn",
                message,
                f"{fix}; {_wider(box.platform)}",
                card.where,
                why,
            )
        findings.append(finding)
    return findings


def check_persistence(box: Box) -> list[Finding]:
    """Without persistence the driver falls asleep between runs."""
    asleep = [card for card in box.gpu.gpus if card.health.persistence is False]
    if not asleep or is_rented(box.platform):
        return []
    message = "Persistence mode is off: the first call to a sleeping GPU takes a second or more."
    fix = as_root(box.platform, "nvidia-smi -pm 1")
    why = "Only the start of a run is slower."
    return [Finding("gpu.persistence", "info", message, fix, asleep[0].where, why, safe=True)]


def _no_fabric(box: Box, message: str, where: str) -> Finding:
    why = "CUDA does not start before it is done (error 802: system not yet initialized)."
    fix = f"Wait two minutes and run: tailfin doctor. If it stays: {change_host(box.platform)}"
    if not is_rented(box.platform):
        branch = box.gpu.driver.partition(".")[0] or "580"
        install = box.platform.install(f"nvidia-fabricmanager-{branch}")
        start = as_root(box.platform, "systemctl enable --now nvidia-fabricmanager")
        fix = f"{install} && {start}"
    return Finding("gpu.fabric", "fail", message, fix, where, why)


def _card_errors(box: Box, card: Gpu) -> list[Finding]:
    health = card.health
    broken, weak = [], []
    if health.ecc_uncorrected:
        broken.append(f"{health.ecc_uncorrected} uncorrectable ECC errors since the driver started")
    if health.remap_failed:
        broken.append("a row of memory could not be remapped")
    if health.recovery in _ACTIONS:
        broken.append(f"the driver asks for {_ACTIONS[health.recovery]}")
    elif health.recovery:
        weak.append("the driver asks to drain it and reset it")
    if health.remap_pending:
        weak.append("a remapped row of memory waits for a reset")
    if health.retire_pending:
        weak.append("a retired page of memory waits for a reset")
    log = [xid for xid in box.gpu.xids if card.pci and xid.pci == card.pci and xid.code in _BROKEN]
    broken += [f"Xid {xid.code} in the kernel's log: {_BROKEN[xid.code]}" for xid in log]
    if not broken and not weak:
        return _past_errors(card)
    message = f"{card.name}: {'; '.join(broken + weak)}."
    why = "Runs on it end with an uncorrectable memory error or a lost GPU, or compute wrong."
    fix = change_host(box.platform)
    if not is_rented(box.platform) and not health.remap_failed:
        reset = as_root(box.platform, f"nvidia-smi --gpu-reset -i {card.index}")
        fix = f"{reset}  (if it comes back: change host or replace the card)"
    severity: Severity = "fail" if broken else "warn"
    return [Finding("gpu.hardware-error", severity, message, fix, card.where, why)]


def _past_errors(card: Gpu) -> list[Finding]:
    pages, errors = card.health.retired_pages, card.health.ecc_lifetime
    if not pages and not errors:
        return []
    message = f"{card.name} had {errors} uncorrectable ECC errors in its life"
    if pages:
        message = f"{card.name} retired {pages} pages of memory after errors"
    why = "What failed is out of use and harms no run; more of it in a short time would."
    return [Finding("gpu.past-errors", "info", f"{message}.", "", card.where, why)]


def _xid(box: Box, xid: Xid, where: str) -> list[Finding]:
    meaning = _BROKEN.get(xid.code) or _WEAK.get(xid.code)
    if not meaning:
        return []  # an error of a program, not of the card
    message = f"The kernel's log holds Xid {xid.code} of {where}: {meaning}."
    why = "The card failed since this machine started, and is likely to fail again."
    severity: Severity = "fail" if xid.code in _BROKEN else "warn"
    return [Finding("gpu.xid", severity, message, change_host(box.platform), where, why)]


def _replays(box: Box, card: Gpu) -> Finding:
    message = f"{card.name}: its PCIe link repeated {card.health.pcie_replays} packets."
    why = "The link is disturbed, as through a poor riser: transfers are slow, and it may drop out."
    fix = f"Avoid CPU offload; {_wider(box.platform)}"
    return Finding("gpu.pcie-replays", "warn", message, fix, card.where, why)


def _wider(platform: Platform) -> str:
    if platform.name == VAST:
        return "or rent a machine with a higher pcie_bw in the search."
    if is_rented(platform):
        return "or rent another machine."
    return "or move the card to a slot with more lanes, without a riser."


CHECKS = (
    check_fabric,
    check_errors,
    check_throttle,
    check_power,
    check_link,
    check_persistence,
    check_log,
)
