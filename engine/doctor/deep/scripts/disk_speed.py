"""Write to a folder's disk and read it back past the page cache; leaves nothing behind.

disk_speed.py FOLDER...   one measurement per file system
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import tempfile
import time

BLOCK = 4 * 2**20
MOST = 512 * 2**20
# Of a nearly full disk only this part is used.
SHARE = 0.05
LIMIT_S = 4.0


def main() -> int:
    told: list[dict[str, object]] = []
    seen: set[int] = set()
    for folder in sys.argv[1:]:
        try:
            device = os.stat(folder).st_dev
            if device not in seen:
                seen.add(device)
                told.append({"folder": folder, **_measure(folder)})
        except OSError as error:
            told.append({"folder": folder, "trouble": error.strerror or str(error)})
    print(json.dumps({"disks": told}))
    return 0


def _measure(folder: str) -> dict[str, object]:
    room = os.statvfs(folder)
    most = min(MOST, int(room.f_bavail * room.f_frsize * SHARE)) // BLOCK * BLOCK
    if most < BLOCK:
        return {"trouble": "too little room for a test file"}
    handle, path = tempfile.mkstemp(prefix=".tailfin-speed-", dir=folder)
    reader = -1
    try:
        # Its name goes at once: whatever happens here, the room comes back with the process.
        reader = _open_past_cache(path)
        os.unlink(path)
        write_mb_s, size = _write(handle, most)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        read_mb_s = _read(reader if reader >= 0 else handle, size)
    finally:
        os.close(handle)
        if reader >= 0:
            os.close(reader)
    return {
        "write_mb_per_s": round(write_mb_s, 1),
        "read_mb_per_s": round(read_mb_s, 1),
        "past_cache": reader >= 0,
        "size_mb": round(size / 1e6),
    }


def _open_past_cache(path: str) -> int:
    """A second handle that reads from the disk itself; -1 where the file system has no such way."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return -1


def _write(handle: int, most: int) -> tuple[float, int]:
    # Random bytes: some disks pack what repeats.
    block = os.urandom(BLOCK)
    began, size = time.monotonic(), 0
    while size < most and time.monotonic() - began < LIMIT_S:
        size += os.write(handle, block)
    os.fsync(handle)
    return size / 1e6 / (time.monotonic() - began), size


def _read(handle: int, size: int) -> float:
    buffer = mmap.mmap(-1, BLOCK)  # O_DIRECT wants memory at a page's beginning
    began, at = time.monotonic(), 0
    while at < size and time.monotonic() - began < LIMIT_S:
        got = os.preadv(handle, [buffer], at)
        if got <= 0:
            break
        at += got
    return at / 1e6 / max(time.monotonic() - began, 1e-6)


if __name__ == "__main__":
    sys.exit(main())
