"""The one exception that reaches a user, with what to do about it."""

from __future__ import annotations

from pathlib import Path

EXIT_DONE = 0
EXIT_NO = 1
EXIT_USAGE = 2
EXIT_OOM = 3
EXIT_INTERRUPTED = 130


class TailfinError(Exception):
    """A mistake or obstacle the user can do something about.

    `message` is one sentence in the past or present tense that names file, line and field where
    they are known; `hint` is an action in the imperative. `exit_code` follows the command line's
    table: 1 it ran and the answer is no, 2 unusable input, 3 out of memory.
    """

    def __init__(
        self,
        message: str,
        hint: str,
        *,
        where: str | Path | None = None,
        error_id: str = "error",
        exit_code: int = EXIT_USAGE,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = str(where) if where is not None else ""
        self.error_id = error_id
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
