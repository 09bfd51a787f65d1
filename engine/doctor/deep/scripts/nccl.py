"""Add numbers up across the GPUs, one process each, as data-parallel training does every step.

nccl.py PROCESSES [BACKEND]   BACKEND is nccl where not named
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from datetime import timedelta

# Float32 numbers per round: 64 MiB, about the gradients of a LoRA adapter.
LENGTH = 2**24
ROUNDS = 10
# Below the limit of the whole probe, so that NCCL's own words are heard where it gives up.
GIVE_UP = timedelta(seconds=40)


def main() -> int:
    if "RANK" in os.environ:
        return _member()
    processes = int(sys.argv[1])
    backend = sys.argv[2] if len(sys.argv) > 2 else "nccl"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    members = [
        subprocess.Popen(
            [sys.executable, __file__, str(processes), backend],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(processes)
    ]
    codes = [member.wait() for member in members]
    return next((code if code > 0 else 128 - code for code in codes if code), 0)


def _member() -> int:
    import torch
    import torch.distributed as dist

    backend, rank, world = sys.argv[2], int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    place = torch.device("cuda", rank) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(place)
    dist.init_process_group(backend, timeout=GIVE_UP)
    numbers = torch.empty(LENGTH, device=place)
    right = True
    began = 0.0
    for turn in range(ROUNDS + 1):
        numbers.fill_(float(rank + 1))
        dist.all_reduce(numbers)
        right = right and bool((numbers == world * (world + 1) / 2).all())
        if turn == 0:  # the first one builds the connections
            began = time.monotonic()
    each_s = (time.monotonic() - began) / ROUNDS
    dist.destroy_process_group()
    if rank == 0:
        # Every number crosses the slowest link 2 (n - 1) / n times ("busbw" of nccl-tests).
        gb_s = LENGTH * 4 * 2 * (world - 1) / world / each_s / 1e9
        told = {"gpus": world, "equal": right, "gb_per_s": round(gb_s, 2)}
        print(json.dumps(told), flush=True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
