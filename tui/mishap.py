"""What is left of a mistake of our own: a sentence for the person, the traceback in a file."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path


def record(error: BaseException) -> str:
    """Write the traceback aside and say in words what happened and what goes on."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailfin"
    file = cache / f"screens-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Without local variables: they may hold what a person typed.
        file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
        where = f"The traceback is in {file}; please report it."
    except OSError as trouble:
        where = f"The traceback could not be written to {file}: {trouble.strerror}."
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return (
        f"tailfin: the screens ended over a mistake of their own: {said}\n"
        f"  {where}\n"
        "  do: runs go on without them: tailfin runs list, tailfin attach RUN --plain"
    )
