"""Start an export: everything that can be refused is refused before a process is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.evaluate.delivered import find_delivered
from engine.export.folder import refuse_foreign
from engine.export.targets import Form, refuse_impossible
from engine.runs.jobs import start_job
from engine.runs.store import RunFolder


def start_export(
    run: RunFolder, forms: Sequence[Form], *, out: Path | None = None, dtype: str = "auto"
) -> RunFolder:
    """The detached job that writes each form into `out`/FORM (the run's exports/ by default).

    Raises TailfinError where the run delivered nothing, has no such form, or `out`/FORM holds
    something else.
    """
    refuse_impossible(find_delivered(run), list(forms))
    out = out or run.exports
    for form in forms:
        refuse_foreign(out / form)
    words = ["--to", ",".join(forms), "--out", str(out), "--dtype", dtype]
    return start_job(run, "export", *words)
