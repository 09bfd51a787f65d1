"""Judges the figures of probes that ran to their end: are the numbers right, is it fast enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isnan

from engine.doctor.deep.words import number
from engine.doctor.facts import Box
from engine.doctor.remedies import change_host
from engine.findings import Finding

Told = Mapping[str, object]

# Rounding to bfloat16 alone gives 0.002 here; arithmetic that is off gives 0.1 and more.
MOST_ERROR = 0.02
# Attention rounds several times, its gradients once more.
MOST_ATTENTION_ERROR = 0.05
# A card that is this much slower than its sisters holds all of them up.
LEAST_SHARE = 0.7
SLOW_IMPORT_S = 30.0
# The weights of a 7B model in 16 bits: what is read at every start and written by a merge.
MODEL_GB = 15.0
SLOW_DISK_MB_S = 100.0
SLOW_HUB_MB_S = 5.0


def judge_cuinit(told: Told, box: Box) -> list[Finding]:
    count = number(told, "devices")
    if count == 0:
        message = "CUDA starts but lists no card."
        why = "torch sees no GPU: training falls back to the CPU or ends at once."
        hidden = box.gpu.visible_devices is not None
        fix = "unset CUDA_VISIBLE_DEVICES" if hidden else change_host(box.platform)
        return [Finding("deep.cuda-no-device", "fail", message, fix, "cuinit", why)]
    return [Finding("deep.cuinit", "ok", f"CUDA starts{_cards(count)}.")]


def judge_torch(told: Told, box: Box) -> list[Finding]:
    devices, trouble = told.get("devices"), str(told.get("trouble") or "")
    if trouble or (devices == [] and told.get("cuda") and box.gpu.gpus):
        from engine.doctor.deep.faults import recognise

        reason = (
            trouble.splitlines()[0].partition(" (Triggered")[0] if trouble else "no reason given"
        )
        if trouble and (known := recognise(box, "torch", "Importing torch", trouble, "fail")):
            return [known]
        message = f"torch sees no GPU: {reason.rstrip('.')}."
        why = "Training would fall back to the CPU, many times slower, or end at once."
        fix = "tailfin setup --replace-torch"
        return [Finding("deep.torch-no-gpu", "fail", message, fix, "torch", why)]
    seconds = number(told, "seconds") or 0.0
    version = f"torch {told['torch']}" if told.get("torch") else "torch"
    if seconds > SLOW_IMPORT_S:
        message = f"Importing {version} took {seconds:.0f} s."
        why = "Every start of a run waits for it: thousands of small files on a slow volume."
        fix = "Set tailfin up on the box's own disk, not on a network volume."
        return [Finding("deep.torch-slow", "warn", message, fix, "torch", why)]
    count = len(devices) if isinstance(devices, list) and devices else None
    return [
        Finding("deep.torch", "ok", f"{version} is imported in {seconds:.1f} s{_cards(count)}.")
    ]


def judge_matmul(told: Told, box: Box) -> list[Finding]:
    findings = []
    rows = told.get("devices")
    cards = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    speeds = [speed for row in cards if (speed := number(row, "tflops"))]
    for index, row in enumerate(cards):
        where = "CPU" if row.get("device") == "CPU" else f"GPU {index}"
        error = number(row, "error")
        if row.get("finite") is False or error is None or not error <= MOST_ERROR:
            shown = _off(error)
            message = f"Matrix products in {row.get('dtype')} are wrong: {shown}."
            why = "Training on numbers that are wrong ends in nonsense, after hours that look fine."
            fix = change_host(box.platform)
            findings.append(Finding("deep.wrong-numbers", "fail", message, fix, where, why))
            continue
        speed = number(row, "tflops")
        pace = f", {speed:.0f} TFLOP/s" if speed else ""
        if speed and speed < LEAST_SHARE * max(speeds) and len(speeds) > 1:
            message = (
                f"This card computes at {speed:.0f} TFLOP/s, the fastest at {max(speeds):.0f}."
            )
            why = "Training on several GPUs waits for the slowest at every step."
            fix = f"Leave it out with CUDA_VISIBLE_DEVICES, or: {change_host(box.platform)}"
            findings.append(Finding("deep.slow-gpu", "warn", message, fix, where, why))
            continue
        message = f"Matrix products in {row.get('dtype')} agree with float32{pace}."
        findings.append(Finding("deep.matmul", "ok", message, where=where))
    return findings or [Finding("deep.matmul", "ok", "Matrix products work.")]


def judge_triton(told: Told, _box: Box) -> list[Finding]:
    if told.get("equal") is False:
        message = "A compiled Triton kernel gave wrong numbers."
        why = "Fused losses and torch.compile compute with such kernels."
        fix = "tailfin setup --replace-torch"
        return [Finding("deep.triton-wrong", "fail", message, fix, "triton", why)]
    return [Finding("deep.triton", "ok", f"Triton compiles and runs kernels{_took(told)}.")]


def judge_bitsandbytes(told: Told, box: Box) -> list[Finding]:
    for name in ("forward", "backward"):
        error = number(told, f"{name}_error")
        if f"{name}_error" in told and not (error is not None and error <= MOST_ATTENTION_ERROR):
            shown = _off(error)
            message = f"The {name} pass of a 4-bit layer is wrong: {shown}."
            why = "QLoRA would train on wrong numbers."
            fix = f"{box.stack.python} -m pip install --upgrade bitsandbytes"
            return [Finding("deep.bitsandbytes-wrong", "fail", message, fix, "bitsandbytes", why)]
    place = "on the GPU" if told.get("device") == "cuda" else "on the CPU"
    message = f"A 4-bit layer of bitsandbytes works {place}, forward and backward."
    return [Finding("deep.bitsandbytes", "ok", message)]


def judge_attention(told: Told, box: Box) -> list[Finding]:
    kernels = told.get("kernels")
    rows = (
        {k: v for k, v in kernels.items() if isinstance(v, dict)}
        if isinstance(kernels, dict)
        else {}
    )
    works = [name for name, row in rows.items() if "missing" not in row]
    for name in works:
        error = number(rows[name], "error")
        if error is None or not error <= MOST_ATTENTION_ERROR:
            shown = _off(error)
            message = f"torch's {name} attention is wrong: {shown}."
            why = "Training with it would learn from wrong numbers."
            fix = "Train with: --set model.attention=eager"
            return [Finding("deep.attention-wrong", "fail", message, fix, name, why)]
    if rows and not works:
        message = "No attention kernel of torch works here."
        why = "Every layer of a model computes attention; training cannot start."
        fix = "tailfin setup --replace-torch"
        return [Finding("deep.attention-none", "fail", message, fix, "attention", why)]
    if told.get("device") == "cuda" and works == ["math"]:
        message = "torch has only the plain attention for this card, no fused kernel."
        why = "Its memory grows with the square of the row's length: long rows will not fit."
        fix = "Train on shorter rows: --set data.max_length=1024"
        reason = str(rows.get("flash", {}).get("missing", ""))[:200]
        return [Finding("deep.attention-plain", "warn", message, fix, reason, why)]
    names = ", ".join(works) or "attention"
    return [Finding("deep.attention", "ok", f"Attention kernels that work and agree: {names}.")]


def judge_flash_attn(told: Told, _box: Box) -> list[Finding]:
    error = number(told, "error")
    if "error" in told and not (error is not None and error <= MOST_ATTENTION_ERROR):
        message = "The flash-attn package gives wrong numbers."
        why = "Training with flash_attention_2 would learn from them."
        fix = "Train with: --set model.attention=sdpa"
        return [Finding("deep.flash-attn-wrong", "warn", message, fix, "flash-attn", why)]
    version = f" {told['flash_attn']}" if told.get("flash_attn") else ""
    return [Finding("deep.flash-attn", "ok", f"flash-attn{version} fits this torch.")]


def judge_nccl(told: Told, box: Box) -> list[Finding]:
    if told.get("equal") is False:
        message = "Sums across the GPUs are wrong."
        why = "Gradients would be wrong at every step."
        fix = "export NCCL_P2P_DISABLE=1"
        return [Finding("deep.nccl-wrong", "fail", message, fix, "nccl", why, True)]
    speed, gpus = number(told, "gb_per_s"), number(told, "gpus") or len(box.gpu.gpus)
    pace = f" at {speed:.1f} GB/s" if speed else ""
    return [Finding("deep.nccl", "ok", f"{gpus:.0f} GPUs add up their numbers{pace}.")]


def judge_disk(told: Told, _box: Box) -> list[Finding]:
    rows = told.get("disks")
    findings = []
    for row in rows if isinstance(rows, list) else []:
        if not isinstance(row, dict):
            continue
        where = str(row.get("folder", ""))
        if row.get("trouble"):
            message = f"The speed could not be measured: {row['trouble']}."
            findings.append(Finding("deep.disk", "skip", message, where=where))
            continue
        write, read = number(row, "write_mb_per_s"), number(row, "read_mb_per_s")
        pace = " and ".join(
            f"{verb} {speed:.0f} MB/s"
            for verb, speed in (("writes", write), ("reads", read))
            if speed
        )
        slowest = min((speed for speed in (write, read) if speed), default=None)
        if slowest is not None and slowest < SLOW_DISK_MB_S:
            message = f"This volume {pace}."
            why = (
                f"The {MODEL_GB:.0f} GB of a 7B model take {_minutes(MODEL_GB, slowest)} at this "
                "pace, at every start and every merge."
            )
            fix = "Keep HF_HOME and TAILFIN_RUNS on the box's own disk while training."
            findings.append(Finding("deep.disk-slow", "warn", message, fix, where, why))
        else:
            findings.append(Finding("deep.disk", "ok", f"This volume {pace}.", where=where))
    return findings or [Finding("deep.disk", "ok", "The disks answer.")]


def judge_download(told: Told, box: Box) -> list[Finding]:
    speed = number(told, "mb_per_s")
    if speed is None:
        return [Finding("deep.download", "ok", "A file of the hub can be downloaded.")]
    message = f"The hub delivers {speed:.1f} MB/s."
    where = str(told.get("from") or box.hub.endpoint)
    if speed < SLOW_HUB_MB_S:
        why = f"The {MODEL_GB:.0f} GB of a 7B model take {_minutes(MODEL_GB, speed)} to come."
        fix = "Start with a smaller model, or take a host nearer to the hub or a mirror of it."
        return [Finding("deep.download-slow", "warn", message, fix, where, why)]
    return [Finding("deep.download", "ok", message, where=where)]


FIGURES: dict[str, Callable[[Told, Box], list[Finding]]] = {
    "cuinit": judge_cuinit,
    "torch": judge_torch,
    "matmul": judge_matmul,
    "triton": judge_triton,
    "bitsandbytes": judge_bitsandbytes,
    "attention": judge_attention,
    "flash-attn": judge_flash_attn,
    "nccl": judge_nccl,
    "nccl-no-p2p": judge_nccl,
    "disk": judge_disk,
    "download": judge_download,
}


def _off(error: float | None) -> str:
    return "not a number" if error is None or isnan(error) else f"off by {error:.1%}"


def _cards(count: float | None) -> str:
    if not count:
        return ""
    return " and lists 1 card" if count == 1 else f" and lists {count:.0f} cards"


def _took(told: Told) -> str:
    seconds = number(told, "seconds")
    return f" ({seconds:.1f} s)" if seconds else ""


def _minutes(gb: float, mb_per_s: float) -> str:
    minutes = gb * 1000 / max(mb_per_s, 0.01) / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
