"""Import torch and let it look for GPUs."""

from __future__ import annotations

import json
import sys
import time


def main() -> int:
    began = time.monotonic()
    import torch

    told: dict[str, object] = {
        "seconds": round(time.monotonic() - began, 2),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
        "threads": torch.get_num_threads(),
        "devices": [],
    }
    if torch.version.cuda or torch.version.hip:
        try:
            torch.cuda.init()
        except (RuntimeError, AssertionError) as error:
            told["trouble"] = str(error)
        else:
            told["devices"] = [
                torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
            ]
            told["architectures"] = torch.cuda.get_arch_list()
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
