"""Start the driver's CUDA side: library, cuInit, cards. Needs no torch.

cuinit.py [SECONDS]   waits up to that long while the answer is 802, system not yet initialized
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time

# CUDA_ERROR_SYSTEM_NOT_READY: the service that links the cards may still be starting.
NOT_READY = 802
PAUSE_S = 5.0


def main() -> int:
    left_s = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0
    cuda = ctypes.CDLL("libcuda.so.1")
    code = cuda.cuInit(0)
    if code == NOT_READY and left_s >= PAUSE_S:
        time.sleep(PAUSE_S)
        # A process keeps its first answer, so that a new one has to ask.
        os.execv(sys.executable, [sys.executable, __file__, str(left_s - PAUSE_S)])
    count, version = ctypes.c_int(0), ctypes.c_int(0)
    cuda.cuDriverGetVersion(ctypes.byref(version))
    told: dict[str, object] = {"cuInit": code, "cuda": version.value, "library": _library()}
    if code == 0:
        cuda.cuDeviceGetCount(ctypes.byref(count))
        told["devices"] = count.value
    else:
        told["name"], told["text"] = (
            _word(cuda.cuGetErrorName, code),
            _word(cuda.cuGetErrorString, code),
        )
    print(json.dumps(told))
    return 0 if code == 0 and count.value else 1


def _word(ask: object, code: int) -> str:
    text = ctypes.c_char_p()
    ask(code, ctypes.byref(text))  # type: ignore[operator]
    return (text.value or b"").decode("utf-8", "replace")


def _library() -> str:
    """The file that was loaded, which LD_LIBRARY_PATH or a compat folder may have chosen."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            if "/libcuda.so" in line:
                return line.split(maxsplit=5)[-1].strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
