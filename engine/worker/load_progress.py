"""How far transformers is with loading weights, in bytes, and whether it stands still.

transformers 5 reads weights in one loop with a bar over `(name, mapping)` pairs, and lets
`transformers.utils.logging.set_tqdm_hook` replace the bar. Each mapping knows the checkpoint keys
it is made of (`layer_targets`); their sizes stand in the safetensors headers. A test names each of
these seams, so that an upgrade which moves one fails there; at run time it only costs precision.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.hub.files import is_index, shard_names, weight_entry

BAR = "Loading weights"
_POLL_S = 0.5
_REPORT_EVERY_S = 0.5
# Less of one core than this is waiting, not working.
_BUSY_SHARE = 0.1

Report = Callable[[int, int], None]
OnStall = Callable[[float, str], None]


@contextmanager
def load_progress(
    folder: Path,
    report: Report,
    *,
    on_stall: OnStall = lambda seconds, advice: None,
    stall_s: float = 30.0,
) -> Iterator[None]:
    """Report `(done_bytes, total_bytes)` of the weights in a folder while they are loaded inside.

    `report` comes from the loading thread, at most twice a second and once at the end. `on_stall`
    comes from a helper thread for every `stall_s` seconds in which nothing was read or computed.
    """
    from transformers.utils import logging

    sizes = tensor_bytes(folder)
    total = sum(sizes.values()) or _file_bytes(folder)
    meter = _Meter(report, total)
    report(0, total)

    def replace_bar(
        factory: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if kwargs.get("desc") != BAR or not args:
            return factory(*args, **kwargs)
        return _counted(list(args[0]), sizes, meter)

    over = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(meter, folder, on_stall, stall_s, over), name="load", daemon=True
    )
    before = logging.set_tqdm_hook(replace_bar)
    watcher.start()
    try:
        yield
    finally:
        logging.set_tqdm_hook(before)
        over.set()
        watcher.join()
    report(total, total)


def tensor_bytes(folder: Path) -> dict[str, int]:
    """Bytes of every tensor in a folder's safetensors weights, by name.

    Empty for pickled weights, and for broken ones: transformers says better what is wrong there.
    """
    sizes: dict[str, int] = {}
    try:
        for path in _weight_files(folder):
            with path.open("rb") as file:
                header_bytes: int = struct.unpack("<Q", file.read(8))[0]
                header = json.loads(file.read(header_bytes))
            for name, entry in header.items():
                if name != "__metadata__":
                    start, end = entry["data_offsets"]
                    sizes[name] = end - start
    except (OSError, ValueError, KeyError, struct.error):
        return {}
    return sizes


def source_keys(mapping: Any) -> set[str]:
    """The checkpoint keys one parameter is made of."""
    targets: Mapping[str, set[str]] = getattr(mapping, "layer_targets", {})
    return {key for keys in targets.values() for key in keys}


class _Meter:
    """Counts done bytes and passes them on at a bearable pace."""

    def __init__(self, report: Report, total_bytes: int) -> None:
        self.done_bytes = 0
        self.total_bytes = total_bytes
        self._report = report
        self._reported = time.monotonic()

    def move(self, done_bytes: int) -> None:
        self.done_bytes = min(done_bytes, self.total_bytes)
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            self._report(self.done_bytes, self.total_bytes)


def _counted(items: list[Any], sizes: Mapping[str, int], meter: _Meter) -> Iterator[Any]:
    costs = [sum(sizes.get(key, 0) for key in source_keys(mapping)) for _, mapping in items]
    if not all(costs):
        costs = [1] * len(items)  # pickled weights say nothing of their sizes beforehand
    scale, done = meter.total_bytes / max(sum(costs), 1), 0
    for item, cost in zip(items, costs, strict=True):
        yield item
        done += cost
        meter.move(int(done * scale))


def _watch(
    meter: _Meter, folder: Path, on_stall: OnStall, stall_s: float, over: threading.Event
) -> None:
    """Tell of every `stall_s` seconds without a byte read, a weight placed, or a busy core."""
    moved, stalls = time.monotonic(), 0
    last = (meter.done_bytes, _read_bytes())
    busy_s = time.process_time()
    while not over.wait(min(_POLL_S, stall_s / 4)):
        now, seen = time.monotonic(), (meter.done_bytes, _read_bytes())
        is_busy = time.process_time() - busy_s > _BUSY_SHARE * (now - moved)
        if seen != last or is_busy:
            moved, stalls, last, busy_s = now, 0, seen, time.process_time()
        elif now - moved >= stall_s * (stalls + 1):
            stalls += 1
            advice = f"The volume of {folder} does not deliver; copy the model to a local disk."
            on_stall(now - moved, advice)


def _read_bytes() -> int:
    """Bytes this process read from storage, page faults of mapped files included; 0 if hidden."""
    try:
        text = Path("/proc/self/io").read_text()
    except OSError:
        return 0
    return int(dict(line.split(": ") for line in text.splitlines()).get("read_bytes", 0))


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors files that transformers reads here."""
    entry = weight_entry(os.listdir(folder)) or ""
    names = shard_names(json.loads((folder / entry).read_text())) if is_index(entry) else [entry]
    return [folder / name for name in names if name.endswith(".safetensors")]


def _file_bytes(folder: Path) -> int:
    names = [name for name in os.listdir(folder) if name.endswith((".bin", ".safetensors"))]
    return sum((folder / name).stat().st_size for name in names)
