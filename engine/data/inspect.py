"""Asks a child process for the report on a data file, so that its reader keeps time and memory.

A large file is parsed in one piece; in the screens' own process that would hold the interpreter
lock for seconds and never give the memory back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.data.spread import Spread
from engine.data.text import inert, toml_string
from engine.errors import EXIT_INTERRUPTED, EXIT_NO, TailfinError
from engine.findings import Finding

if TYPE_CHECKING:
    from engine.data.proposal import MappingProposal
    from engine.data.token_report import TokenReport

_MAX_LAST_WORDS = 300


@dataclass(frozen=True, slots=True)
class SampleTurn:
    """One turn of a sampled row; `text` is cut at 4000 characters."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class SampleRow:
    """A row for a person to read; `line` and `record` as in engine.data.rows.Row.

    `num_more_turns` counts the turns left out at the end of a very long conversation.
    """

    line: int
    record: int
    turns: tuple[SampleTurn, ...]
    num_more_turns: int = 0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a data file that can be read.

    `path` is the file as it was read; `layout` and `columns` as in engine.data.rows.DataFile, the
    counts and spreads (in characters, None without rows) as in engine.data.quality.report.Quality.
    `findings` are those of rows, structure and tokens, worst first. `tokens` is None where no
    model was given, where no row is usable, and where the tokenizer failed, which a finding says
    then; its own `findings` are empty. `file_columns` are all columns or top-level keys, used or
    not, `first_values` one value of each, cut at 60 characters.
    """

    path: str
    container: str
    layout: str
    columns: dict[str, str]
    num_records: int
    num_rows: int
    num_left_out: int
    num_turns: int
    num_multi_turn: int
    num_system_prompts: int
    num_duplicates: int
    num_contradictions: int
    prompt_chars: Spread | None
    answer_chars: Spread | None
    sample: tuple[SampleRow, ...]
    findings: tuple[Finding, ...]
    tokens: TokenReport | None
    file_columns: tuple[str, ...]
    first_values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a data file cannot be read as it is, and what a person can decide about it.

    `proposal` is a mapping to confirm or edit. Without one, `file_columns` that are not empty can
    still be mapped by hand (columns nobody knows, two readings); empty ones mean that the file
    itself has to change.
    """

    error: TailfinError
    proposal: MappingProposal | None
    file_columns: tuple[str, ...]
    first_values: dict[str, str]


class Inspector:
    """One data report at a time, in a child that ends with this process, however that ends."""

    def __init__(self) -> None:
        self._child: _Child | None = None

    def start(
        self,
        data_path: str | Path,
        *,
        layout: str = "auto",
        columns: Mapping[str, str] | None = None,
        system: str = "",
        model: str = "",
        max_length: int = 0,
        sets: Sequence[str] = (),
    ) -> None:
        """Start `tailfin data report` and return at once; a report still under way is cancelled.

        `layout`, `columns`, `system` and `max_length` (0: from the data) are the settings of the
        same names under `data`. `model` (folder or hub name) has tokens counted, which loads a
        tokenizer and takes seconds; without it only the file is read. `sets` are further settings
        such as `train.loss_on=all`. Raises TailfinError where no process could be started.
        """
        self.cancel()
        path = os.path.expanduser(data_path)
        settings = [f"data.format={layout}"] if layout != "auto" else []
        for part, column in (columns or {}).items():
            settings.append(f"data.columns.{part}={toml_string(column)}")
        if system:
            settings.append(f"data.system={toml_string(system)}")
        # ./-x is the same file as -x, and no option.
        words = [f"./{path}" if path.startswith("-") else path]
        words += [f"--set={setting}" for setting in [*settings, *sets]]
        words += [f"--model={model}"] if model else []
        words += [f"--max-length={max_length}"] if max_length else []
        self._child = _Child(path, words)

    def result(self) -> Inspection | Unreadable:
        """Wait for the report; call it in a thread.

        Raises TailfinError where the child itself broke, with its last words, and with error_id
        `data.cancelled` after `cancel`.
        """
        child = self._child
        assert child is not None, "start comes first"
        return child.answer()

    def cancel(self) -> None:
        """Kill the child and the tokenizer's worker under it, and wait for nothing."""
        if self._child is not None:
            self._child.cancel()


class _Child:
    """One `tailfin data report --json`, leader of a process group of its own."""

    def __init__(self, path: str, words: Sequence[str]) -> None:
        from engine.runs.launch import worker_environment

        self._path = path
        self._is_cancelled = False
        self._answering = threading.Lock()
        self._reaping = threading.Lock()
        self._said: bytes | None = None
        command = [sys.executable, "-P", "-m", "engine", "data", "report", *words]
        try:
            self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives with the child
            # The child ends when this end of its standard input closes: with this object, or
            # with this process. It is in a group of its own so that one signal ends its worker
            # too, and so that a Ctrl-C in the terminal is for the screens alone.
            self._process = subprocess.Popen(
                [*command, "--json", "--until-stdin-ends"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**worker_environment(), "PYTHONIOENCODING": "utf-8:backslashreplace"},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise TailfinError(
                f"The data report could not be started: {reason}.",
                "Check the file's name, the free memory and the room in the temporary folder.",
                where=inert(path),
                error_id="data.report-not-started",
                exit_code=EXIT_NO,
            ) from None

    def answer(self) -> Inspection | Unreadable:
        with self._answering:
            if self._said is None:
                self._said = self._listen()
        if self._is_cancelled:
            raise TailfinError(
                "The data report was cancelled.",
                "Ask again when needed.",
                where=self._path,
                error_id="data.cancelled",
                exit_code=EXIT_INTERRUPTED,
            )
        from engine.data.report_answer import parse_answer

        try:
            return parse_answer(self._said, self._path)
        except ValueError:
            raise self._broken() from None

    def cancel(self) -> None:
        if self._process.returncode is None:
            self._is_cancelled = True
        self._kill()
        # Giving back memory can take a killed process a while, and a screen's loop none of it.
        if self._process.returncode is None:
            threading.Thread(target=self._reap, name="reap", daemon=True).start()

    def _listen(self) -> bytes:
        """All of the child's output, then its end, then that of whatever it left behind."""
        assert self._process.stdout is not None and self._process.stdin is not None
        said = self._process.stdout.read()
        self._reap()
        self._process.stdout.close()
        self._process.stdin.close()
        return said

    def _reap(self) -> None:
        """Wait for the child's end, then end whatever it left behind."""
        # Not reaped yet: its process id still names its group and nothing else.
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        self._kill()
        with self._reaping:
            self._process.wait()

    def _kill(self) -> None:
        with self._reaping:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def _broken(self) -> TailfinError:
        code = self._process.returncode
        self._log.seek(0)
        lines = self._log.read()[-65536:].decode("utf-8", "replace").splitlines()
        last = next((line.strip(" .") for line in reversed(lines) if line.strip(" .")), "")
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        hint = "Try it by itself: tailfin data report FILE"
        if code == -signal.SIGKILL:
            hint = "Often memory ran out: use a smaller file, or a box with more memory."
        return TailfinError(
            f"The data report {how}{': ' if last else ''}{inert(last)[:_MAX_LAST_WORDS]}.",
            hint,
            where=self._path,
            error_id="data.report-broken",
            exit_code=EXIT_NO,
        )
