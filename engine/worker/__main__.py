"""`python -P -m engine.worker NAME ...`: one process per task, the only ones that import torch."""

from __future__ import annotations

import importlib
import os
import sys

# name -> module with main(argv) -> exit code; each imported only when it is called
WORKERS = {
    "train": "engine.worker.train",
    "data-report": "engine.worker.data_report",
    "token-view": "engine.worker.token_view",
    "evaluate": "engine.worker.evaluate",
    "export": "engine.worker.export",
    "serve": "engine.worker.serve",
    "simulate": "engine.worker.simulate.session",
}


def main(argv: list[str]) -> int:
    if not argv or argv[0] not in WORKERS:
        print(f"usage: python -P -m engine.worker {{{','.join(WORKERS)}}} ...", file=sys.stderr)
        return 2
    module = importlib.import_module(WORKERS[argv[0]])
    return int(module.main(argv[1:]))


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # The last word is written; tearing torch down would hold the card for another second.
    os._exit(code)
