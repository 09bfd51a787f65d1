"""Start an evaluation: everything that can be refused is refused before a process is made."""

from __future__ import annotations

from pathlib import Path

from engine.evaluate.delivered import find_delivered
from engine.evaluate.questions import read_questions
from engine.runs.jobs import start_job
from engine.runs.store import RunFolder


def start_evaluation(
    run: RunFolder, *, questions: Path | None = None, rows: int = 0, max_new_tokens: int = 128
) -> RunFolder:
    """The detached job that measures base and tuned and lets both answer the questions.

    Without a file of questions both answer the first held-out rows; `rows` limits the held-out
    ones that are measured (0: all). Raises TailfinError where the run delivered nothing or the
    questions cannot be read.
    """
    delivered = find_delivered(run)
    words = ["--rows", str(rows), "--max-new-tokens", str(max_new_tokens)]
    if questions is not None:
        path = questions.expanduser().resolve()
        read_questions(path, delivered.spec.data.system)
        words += ["--questions", str(path)]
    return start_job(run, "evaluate", *words)
