"""What is left of a mistake of our own: a sentence for the person, the traceback in a file."""

from __future__ import annotations

import time
import traceback

from engine.data.text import inert
from tui.private_file import cache_file, write_private


def record(error: BaseException) -> str:
    """Write the traceback aside and say in words what happened and what goes on."""
    file = cache_file(f"screens-{time.strftime('%Y%m%d-%H%M%S')}.txt")
    try:
        # Without local variables: they may hold what a person typed.
        write_private(file, "".join(traceback.format_exception(error)))
        where = f"The traceback is in {file}; please report it."
    except OSError as trouble:
        where = f"The traceback could not be written to {file}: {trouble.strerror}."
    said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    return (
        f"tailfin: the screens ended over a mistake of their own: {inert(said)}\n"
        f"  {inert(where)}\n"
        "  do: runs go on without them: tailfin runs list, tailfin attach RUN --plain"
    )
