"""Read the beginning of one real model file from the hub, as far as it comes in some seconds.

download.py ADDRESS
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request

MOST = 32 * 2**20
LIMIT_S = 8.0
PIECE = 2**18


def main() -> int:
    wanted = urllib.request.Request(sys.argv[1], headers={"Range": f"bytes=0-{MOST - 1}"})
    began = time.monotonic()
    with urllib.request.urlopen(wanted, timeout=LIMIT_S) as reply:
        answered_s = time.monotonic() - began
        started, size = time.monotonic(), 0
        while size < MOST and time.monotonic() - began < LIMIT_S:
            piece = reply.read1(PIECE)
            if not piece:
                break
            size += len(piece)
        seconds = time.monotonic() - started
        place = reply.url.split("?")[0]
    told = {
        "mb": round(size / 1e6, 1),
        "mb_per_s": round(size / 1e6 / max(seconds, 1e-6), 2),
        "answered_s": round(answered_s, 2),
        "from": "/".join(place.split("/")[:3]),
    }
    print(json.dumps(told))
    return 0 if size else 1


if __name__ == "__main__":
    sys.exit(main())
