"""The device panel: what the GPU and this container do now, on a line each or with bars."""

from __future__ import annotations

import math

from engine.doctor.gauges import GpuReading, HostReading, Reading
from tui.draw.bars import share_bar
from tui.draw.fact import Fact
from tui.draw.line import Line, line
from tui.draw.pace import rounded
from tui.draw.run_alerts import Alert
from tui.draw.words import clock

# Below this share of the disk and this much, or above this share of memory, a word is due.
_DISK_LOW_GIB, _DISK_LOW_SHARE = 2.0, 0.02
_RAM_HIGH_SHARE, _CGROUP_HIGH_SHARE = 0.95, 0.9
_FULL_SOON_S = 3600.0
# What a process takes beside its tensors, generously; and what is worth a word.
_CONTEXT_GIB, _OTHERS_GIB = 1.5, 1.0
_BAR_WIDTH, _LABEL = 8, 7


def device_lines(reading: Reading | None, width: int, most_gpus: int = 1) -> list[Line]:
    """One line per GPU, or one for all where they are more than `most_gpus`, and one for the box.

    `reading` is None while no answer has come.
    """
    if reading is None:
        return [Fact("box", (line(("reading the gauges", "dim")),)).drawn(width, _LABEL)]
    gpus = reading.gpus
    if len(gpus) > most_gpus:
        drawn = [_all_gpus(gpus).drawn(width, _LABEL)]
    else:
        drawn = [_gpu(gpu, len(gpus)).drawn(width, _LABEL) for gpu in gpus]
    return [*drawn, _host(reading.host).drawn(width, _LABEL)]


def device_panel(
    reading: Reading | None, width: int, height: int, *, ascii_only: bool
) -> list[Line]:
    """The same with names and bars, where `height` lines have room for it."""
    if reading is None or not width:
        return device_lines(None, width)
    lines: list[Line] = []
    for gpu in reading.gpus:
        lines += _gpu_bars(gpu, len(reading.gpus), ascii_only)
    lines += _host_bars(reading.host, ascii_only)
    if len(lines) > height:
        return device_lines(reading, width, most_gpus=max(height - 1, 1))
    return lines


def device_alerts(
    reading: Reading | None, *, left_s: float = math.nan, reserved_gib: float = math.nan
) -> list[Alert]:
    """What of the box threatens the run, each with what to do.

    `left_s` is what the run still needs, `reserved_gib` the GPU memory it said it holds; both are
    NaN where not known.
    """
    if reading is None:
        return []
    found: list[Alert] = []
    if reading.is_gpu_lost:
        fix = "The run ends when it next needs the card; it can be resumed on another box."
        found.append(Alert("fail", f"A GPU was lost: {reading.trouble}.", fix))
    elif reading.trouble:
        found.append(Alert("warn", f"A GPU does not answer: {reading.trouble}."))
    found += [*_disk_alerts(reading.host, left_s), *_ram_alerts(reading.host)]
    found += _shared_gpus(reading.gpus, reserved_gib)
    for gpu in reading.gpus:
        grave = [word for word in gpu.throttle if word != "power cap"]
        if grave:
            found.append(
                Alert(
                    "warn",
                    f"GPU {gpu.index} is slowed down: {', '.join(grave)}.",
                    "Tell whoever runs the box: a smaller batch does not cool it.",
                )
            )
    return found


def _disk_alerts(host: HostReading, left_s: float) -> list[Alert]:
    free, total, full_s = host.disk_free_gib, host.disk_total_gib, host.disk_full_s
    if free is None or not total:
        return []
    if free < max(_DISK_LOW_GIB, _DISK_LOW_SHARE * total):
        fix = "Free some: the next checkpoint may not fit."
        return [Alert("warn", f"The run's disk has {free:.1f} GiB left.", fix)]
    if full_s is None or full_s > _FULL_SOON_S or full_s > left_s:
        return []
    message = f"The run's disk is full in about {clock(rounded(full_s))}: {free:.0f} GiB left."
    return [Alert("warn", message, "Free some, or stop with a checkpoint before.")]


def _ram_alerts(host: HostReading) -> list[Alert]:
    found: list[Alert] = []
    if host.oom_kills:
        killed = "a process" if host.oom_kills == 1 else f"{host.oom_kills} processes"
        said = f"The container's memory limit killed {killed} since this is watched."
        fix = "Resume with data.num_proc lower, or on a box with more RAM."
        found.append(Alert("fail", said, fix))
    used, limit = host.ram_used_gib, host.ram_limit_gib
    share = _CGROUP_HIGH_SHARE if host.is_ram_limited else _RAM_HIGH_SHARE
    if limit > 0 and used > share * limit:
        near = "The container's memory limit is near"
        what = near if host.is_ram_limited else "RAM is nearly full"
        said = f"{what}: {used:.1f} of {limit:.1f} GiB."
        fix = "End other programs: the kernel kills what asks for more."
        found.append(Alert("warn", said, fix))
    return found


def _shared_gpus(gpus: tuple[GpuReading, ...], reserved_gib: float) -> list[Alert]:
    """Others on the run's cards: as the driver tells them apart, else by what is not the run's."""
    found: list[Alert] = []
    for gpu in gpus:
        others = gpu.others_gib
        if others is None and len(gpus) == 1 and reserved_gib > 0:
            others = gpu.used_gib - reserved_gib - _CONTEXT_GIB
        if others is None or others < _OTHERS_GIB:
            continue
        said = f"Other processes hold {others:.1f} GiB of GPU {gpu.index}."
        fix = "End them (nvidia-smi names them), or tell whoever runs the box."
        found.append(Alert("warn", said, fix))
    return found


def _gpu(gpu: GpuReading, num: int) -> Fact:
    parts = [_util(gpu), _gpu_memory(gpu), *_heat(gpu)]
    return Fact(_gpu_label(gpu, num), tuple(part for part in parts if part))


def _gpu_label(gpu: GpuReading, num: int) -> str:
    return f"gpu {gpu.index}" if num > 1 else "gpu"


def _util(gpu: GpuReading) -> Line:
    return line((f"{gpu.util:4.0%}", "value"), " used") if gpu.util is not None else ()


def _gpu_memory(gpu: GpuReading) -> Line:
    if gpu.total_gib <= 0:
        return line(("memory is shared with the host", "dim"))
    return line((f"{gpu.used_gib:.1f}", "value"), f" of {gpu.total_gib:.1f} GiB")


def _heat(gpu: GpuReading) -> list[Line]:
    parts: list[Line] = []
    if gpu.power_w is not None:
        limit = f" of {gpu.power_limit_w:.0f}" if gpu.power_limit_w is not None else ""
        parts.append(line(f"{gpu.power_w:.0f}{limit} W"))
    if gpu.temp_c is not None:
        parts.append(line(f"{gpu.temp_c:.0f} C"))
    if gpu.throttle:
        parts.append(line((f"slowed: {', '.join(gpu.throttle)}", "warn")))
    return parts


def _all_gpus(gpus: tuple[GpuReading, ...]) -> Fact:
    utils = [gpu.util for gpu in gpus if gpu.util is not None]
    heats = [gpu.temp_c for gpu in gpus if gpu.temp_c is not None]
    powers = [gpu.power_w for gpu in gpus if gpu.power_w is not None]
    fullest = max(gpus, key=lambda gpu: gpu.used_gib / gpu.total_gib if gpu.total_gib else 0.0)
    slowed = sum(bool(gpu.throttle) for gpu in gpus)
    parts = [
        line((f"{min(utils):.0%} to {max(utils):.0%}", "value"), " used") if utils else (),
        line(f"gpu {fullest.index} fullest: ", *(text for text, _ in _gpu_memory(fullest))),
        line(f"{sum(powers):.0f} W") if powers else (),
        line(f"up to {max(heats):.0f} C") if heats else (),
        line((f"{slowed} slowed", "warn")) if slowed else (),
    ]
    return Fact(f"{len(gpus)} gpus", tuple(part for part in parts if part))


def _host(host: HostReading) -> Fact:
    ram = f" of {host.ram_limit_gib:.1f} GiB RAM"
    parts = [
        line((f"{host.cpu_share:4.0%}", "value"), f" of {host.cores:g} cores"),
        line((f"{host.ram_used_gib:.1f}", "value"), ram, _worker(host)),
        line((f"{host.disk_free_gib:.0f}", "value"), " GiB disk free")
        if host.disk_free_gib is not None
        else (),
    ]
    return Fact("box", tuple(part for part in parts if part))


def _worker(host: HostReading) -> str:
    return f" (run {host.process_ram_gib:.1f})" if host.process_ram_gib is not None else ""


def _gpu_bars(gpu: GpuReading, num: int, ascii_only: bool) -> list[Line]:
    lines = [Fact(_gpu_label(gpu, num), (line(gpu.name),)).drawn(80, _LABEL)]
    if gpu.util is not None:
        lines.append(_with_bar("", gpu.util, _util(gpu), ascii_only))
    if gpu.total_gib > 0:
        share = gpu.used_gib / gpu.total_gib
        lines.append(_with_bar("", share, _gpu_memory(gpu), ascii_only))
    heat = _heat(gpu)
    return [*lines, Fact("", tuple(heat)).drawn(80, _LABEL)] if heat else lines


def _host_bars(host: HostReading, ascii_only: bool) -> list[Line]:
    cpu = line((f"{host.cpu_share:4.0%}", "value"), f" of {host.cores:g} cores")
    of = f" of {host.ram_limit_gib:.1f} GiB"
    ram = line((f"{host.ram_used_gib:.1f}", "value"), of, _worker(host))
    share = host.ram_used_gib / host.ram_limit_gib if host.ram_limit_gib > 0 else 0.0
    lines = [
        _with_bar("cpu", host.cpu_share, cpu, ascii_only),
        _with_bar("ram", share, ram, ascii_only),
    ]
    if host.disk_free_gib is not None and host.disk_total_gib:
        used = 1 - host.disk_free_gib / host.disk_total_gib
        said = line((f"{host.disk_free_gib:.0f}", "value"), " GiB free")
        lines.append(_with_bar("disk", used, said, ascii_only))
    return lines


def _with_bar(label: str, share: float, said: Line, ascii_only: bool) -> Line:
    drawn = share_bar(share, _BAR_WIDTH, ascii_only)
    return ((f"{label:<{_LABEL}}", "dim"), (drawn, "info"), ("  ", ""), *said)
