"""A worker that stays: JSON lines in, JSON lines out; it ends with whoever started it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence

from engine.runs.launch import worker_environment

_QUIT_WITHIN_S = 5.0
_CHUNK_BYTES = 65536
# No answer is nearly as long: a child that writes on and on must not fill our memory.
_MOST_BYTES = 8 * 2**20
_MOST_LAST_WORDS = 300


class WarmWorker:
    """One child with pipes for requests and replies; what it says on stderr is kept for `tail`.

    Read either `lines`, which blocks, or `line`, which waits for so long and no longer. Raises
    OSError where no process can be started.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._waiting = b""
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env={**worker_environment(), **(env or {})},
                # a Ctrl-C in the terminal is for us: it cancels an answer, not the worker
                start_new_session=True,
            )
        except BaseException:
            self._log.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, request: Mapping[str, object]) -> None:
        """Write one request; raises BrokenPipeError when the child is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def lines(self) -> Iterator[bytes]:
        """Every line as it comes, until the child closes its end."""
        assert self._process.stdout is not None
        return iter(self._process.stdout)

    def line(self, timeout_s: float) -> bytes | None:
        """The next line; None when none came in time. Raises EOFError at the end of all lines."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._waiting and len(self._waiting) < _MOST_BYTES:
            if not select.select([pipe], [], [], timeout_s)[0]:
                return None
            read = os.read(pipe, _CHUNK_BYTES)
            if not read:
                raise EOFError
            self._waiting += read
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    def wait(self) -> int:
        """The exit code; a child that closed its pipe and does not end is killed."""
        try:
            return self._process.wait(_QUIT_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def tail(self) -> str:
        """Its last words on stderr, empty where there are none."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last[:_MOST_LAST_WORDS]

    def kill(self) -> None:
        """End the child at once; whoever waits for its lines reads their end."""
        self._process.kill()

    def close(self) -> None:
        """End the child, politely first."""
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self.wait()
        self._log.close()
