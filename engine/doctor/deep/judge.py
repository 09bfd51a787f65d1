"""Judges how the deep probes ended: their errors, their figures, and what merely follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from engine.doctor.deep.cuda_errors import CUDA_ERRORS
from engine.doctor.deep.faults import cuda_finding, cuda_number, recognise
from engine.doctor.deep.figures import FIGURES
from engine.doctor.deep.words import (
    crash_place,
    last_error,
    number,
    said,
    signal_name,
    whole,
)
from engine.doctor.facts import Box
from engine.doctor.host import Ran
from engine.doctor.remedies import change_host, restart
from engine.findings import Finding, Severity

_TITLES = {
    "cuinit": "Starting CUDA",
    "torch": "Importing torch",
    "matmul": "A matrix product",
    "triton": "Compiling a Triton kernel",
    "bitsandbytes": "A 4-bit layer of bitsandbytes",
    "attention": "Attention",
    "flash-attn": "The flash-attn package",
    "nccl": "Adding up across the GPUs",
    "nccl-no-p2p": "Adding up across the GPUs without P2P",
    "disk": "Measuring the disks",
    "download": "Downloading from the hub",
}
# What training does not need by itself is a warning.
_SEVERITY: dict[str, Severity] = {
    "triton": "warn",
    "flash-attn": "warn",
    "disk": "warn",
    "download": "warn",
}
_GPU_PROBES = ("matmul", "triton", "bitsandbytes", "attention", "flash-attn", "nccl", "nccl-no-p2p")
_BEFORE = {name: ("cuinit", "torch") for name in _GPU_PROBES} | {"torch": ("cuinit",)}
# Findings of the quick checks that explain a probe's failure: whole ids, warnings too, and how
# ids of failures begin.
_CAUSES = {
    "cuinit": ("gpu.",),
    "torch": ("gpu.", "torch.", "python.", "system.", "stack.numpy-2"),
    "triton": ("gpu.", "torch.", "system.compiler"),
    "bitsandbytes": ("gpu.", "torch.", "bitsandbytes.", "stack.numpy-2"),
    "flash-attn": ("gpu.", "torch.", "stack.flash-attn"),
    "nccl": ("gpu.", "torch.", "limits.shared-memory"),
    "nccl-no-p2p": ("gpu.", "torch.", "limits.shared-memory"),
    "disk": ("disk.",),
    "download": ("hub.",),
}
_CRASHES = {
    "SIGSEGV": "it reached for memory that is not its own",
    "SIGABRT": "it gave up by itself",
    "SIGILL": "it used an instruction this processor does not have",
    "SIGBUS": "memory it had mapped was not there, as when /dev/shm is full",
    "SIGKILL": "it was killed, mostly because the memory limit of this box was reached",
    "SIGFPE": "it divided by zero",
}


def judge(box: Box, known: Sequence[Finding] = ()) -> list[Finding]:
    """Findings of everything that was tried; `known` are those of the quick checks.

    What follows from a failure named before is not reported as a failure of its own.
    """
    ran, bad = box.deep.ran, dict[str, str]()
    findings: list[Finding] = []
    for name in [*_TITLES, *(name for name in ran if name not in _TITLES)]:
        if name in ran and not _is_superseded(name, ran):
            found = _found(name, box)
            worst = next((one for one in found if one.severity in ("fail", "warn")), None)
            cause = worst and (_earlier(name, bad) or _explained(name, worst, known))
            if worst and cause:
                message = f"{worst.message} This follows from {cause}, named above."
                findings.append(Finding(f"deep.{name}", "skip", message))
                bad.setdefault(name, cause)
                continue
            if worst and worst.severity == "fail":
                bad[name] = worst.id
            findings += found
        elif name in box.deep.skipped:
            message = f"{_title(name)}: not tried, because {box.deep.skipped[name]}."
            findings.append(Finding(f"deep.{name}", "skip", message))
    return findings


def failed(name: str, ran: Ran, box: Box) -> bool:
    """Whether a probe ended so that those after it need not be tried."""
    return any(one.severity == "fail" for one in _outcome(name, ran, box))


def _found(name: str, box: Box) -> list[Finding]:
    found = _outcome(name, box.deep.ran[name], box)
    if name != "nccl" or all(one.severity == "ok" for one in found):
        return found
    second = box.deep.ran.get("nccl-no-p2p")
    if second is None:
        return found
    off = "export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1"
    if second.code == 0:
        proof = "With P2P and InfiniBand switched off it works."
        return [replace(one, message=f"{one.message} {proof}", fix=off, safe=True) for one in found]
    alone = "Train on one GPU: export CUDA_VISIBLE_DEVICES=0"
    return [
        replace(one, message=f"{one.message} It fails without P2P too.", fix=alone, safe=False)
        for one in found
    ]


def _is_superseded(name: str, ran: dict[str, Ran]) -> bool:
    """The second attempt is told together with the first."""
    return name == "nccl-no-p2p" and "nccl" in ran


def _outcome(name: str, ran: Ran, box: Box) -> list[Finding]:
    """The findings of one process, on its own."""
    severity = _SEVERITY.get(name, "fail")
    if name == "cuinit" and (error := _cuinit_error(ran)):
        return [cuda_finding(box, error)]
    if ran.code is None:
        return [_hung(name, ran, box, severity)]
    if ran.code != 0:
        return [_failure(name, ran, box, severity)]
    figures = FIGURES.get(name)
    if figures is not None:
        return figures(said(ran), box)
    return [Finding(f"deep.{name}", "ok", f"{_title(name)} worked ({ran.seconds:.1f} s).")]


def _cuinit_error(ran: Ran) -> int:
    """The number cuInit answered with, however it was told; 0 where it is none of the known."""
    told = number(said(ran), "cuInit")
    if told is not None:
        return int(told) if int(told) in CUDA_ERRORS else 0
    text = whole(ran)
    called = re.search(
        r"cuInit(?:\(0?\))?\D{0,24}?(\d{1,3})\b|\berror:? (\d{2,3})\b", text, re.IGNORECASE
    )
    alone = re.fullmatch(r"\D*?(\d{2,3})\W*", text.strip())
    for found in (called, alone):
        if found and (code := int(found[found.lastindex or 1])) in CUDA_ERRORS:
            return code
    return cuda_number(text) or (ran.code if ran.code in CUDA_ERRORS and ran.code > 99 else 0)


def _hung(name: str, ran: Ran, box: Box, severity: Severity) -> Finding:
    """A process that had not ended at its limit."""
    message = f"{_title(name)} had not ended after {ran.seconds:.0f} s and was stopped."
    if name.startswith("nccl"):
        why = (
            "The GPUs wait for each other without an end, as consumer cards and some hosts do with "
            "P2P copies (nccl-tests#117): training on several GPUs would stand still at full load."
        )
        fix = "export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1"
        return Finding("deep.nccl-hang", severity, message, fix, name, why, True)
    if name == "disk":
        why = "A volume that does not answer stops a run at its first checkpoint."
        return Finding("deep.disk-hang", "fail", message, change_host(box.platform), name, why)
    if name == "download":
        why = "Models cannot be fetched at this pace; a run would wait for its files."
        fix = "export HF_HUB_DISABLE_XET=1"
        return Finding("deep.download-hang", severity, message, fix, name, why, True)
    if name == "torch" and not box.gpu.handed:
        why = "The Python environment lies on a disk or network volume that hardly answers."
        fix = "Set tailfin up on the box's own disk, not on a network volume."
        return Finding("deep.torch-hang", severity, message, fix, name, why)
    why = "A card or driver that hangs here hangs in training as well, with the meter running."
    fix = f"{restart(box.platform)}; if it stays: {change_host(box.platform)}"
    return Finding(f"deep.{name}-hang", severity, message, fix, name, why)


def _failure(name: str, ran: Ran, box: Box, severity: Severity) -> Finding:
    title = _title(name)
    text = whole(ran)
    absent = f"No module named '{name.replace('-', '_')}'"
    if name in ("flash-attn", "triton") and absent in text:
        return Finding(f"deep.{name}", "skip", f"{title}: not tried, because it is not installed.")
    if known := recognise(box, name, title, text, severity):
        return known
    sent = signal_name(ran.code or 0)
    if sent:
        place = crash_place(ran)
        what = _CRASHES.get(sent, "the system ended it")
        message = f"{title} crashed ({sent}): {what}." + (f" It was in {place}." if place else "")
        why = "A compiled library that crashes here takes a training run down the same way."
        return Finding(f"deep.{name}-crash", severity, message, _reinstall(name, box), name, why)
    message = f"{title} failed: {last_error(ran) or f'it ended with code {ran.code}'}"
    message = message if message.endswith((".", "!")) else f"{message}."
    return Finding(
        f"deep.{name}-failed", severity, message, _reinstall(name, box), name, _why(name)
    )


def _reinstall(name: str, box: Box) -> str:
    if name == "bitsandbytes":
        return f"{box.stack.python} -m pip install --upgrade bitsandbytes"
    if name == "flash-attn":
        return "Train with: --set model.attention=sdpa"
    if name == "cuinit":
        return f"{restart(box.platform)}; if it stays: {change_host(box.platform)}"
    if name.startswith("nccl"):
        return "export NCCL_P2P_DISABLE=1 NCCL_IB_DISABLE=1"
    if name == "download":
        return "export HF_HUB_DISABLE_XET=1"
    if name == "disk":
        return "Set HF_HOME and TAILFIN_RUNS to folders on a volume that works."
    return "tailfin setup --replace-torch"


def _why(name: str) -> str:
    if name in ("disk", "download"):
        return "Models are read from there and checkpoints written; a run would fail as this did."
    if name == "flash-attn":
        return "Training with flash_attention_2 needs it; torch's own attention does not."
    if name == "triton":
        return "Fused losses, torch.compile and some optimizers need Triton's kernels."
    return "Training does the same at every step and would end with the same error."


def _earlier(name: str, bad: dict[str, str]) -> str:
    return next((bad[one] for one in _BEFORE.get(name, ()) if one in bad), "")


def _explained(name: str, worst: Finding, known: Sequence[Finding]) -> str:
    """A finding of the quick checks that names the cause already, and as gravely."""
    causes = _CAUSES.get(name, ("gpu.", "torch."))
    for one in known:
        is_failure = one.severity == "fail" and one.id.startswith(causes)
        if is_failure or (one.severity == worst.severity == "warn" and one.id in causes):
            return one.id
    return ""


def _title(name: str) -> str:
    return _TITLES.get(name, f"The probe {name}")
