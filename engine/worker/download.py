"""Download a model with bytes, stalls noticed, and every byte that arrived kept for next time.

Progress is counted from what is written into the cache, because huggingface_hub's own bars count a
chunk only every 10 MiB over HTTP and know nothing of an earlier attempt.
"""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import EXIT_NO, TailfinError
from engine.hub.cache import RepoCache, file_bytes
from engine.hub.place import ModelPlace, check_space
from engine.hub.refusal import is_passing, refusal
from engine.worker.transfer import Damaged, Interrupted, Line, Transfer, XetFailed, fetch, has_xet

# As many files at once as huggingface_hub takes.
_LANES = 8
_POLL_S = 0.1
_REPORT_EVERY_S = 0.5
_LONGEST_WAIT_S = 16.0

Report = Callable[[int, int], None]
OnStall = Callable[[float, str], None]


class DownloadStopped(Exception):
    """`should_stop` said so; what has arrived stays in the cache."""


def download_model(
    place: ModelPlace,
    report: Report,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_stall: OnStall = lambda seconds, advice: None,
    stall_s: float = 30.0,
    tries: int = 5,
    retry_wait_s: float = 1.0,
) -> str:
    """Bring the needed files of a model here and return the local folder.

    `report(done_bytes, total_bytes)` comes at most twice a second and once at the end; bytes kept
    from an earlier attempt count as done. `on_stall(seconds, advice)` comes each time no byte
    arrived for `stall_s`; the download then goes on from where it is, over plain HTTP where it
    used xet, and is given up after `tries` in a row. Raises TailfinError (hub.stalled,
    hub.offline, hub.no-space, model.gated-...) and DownloadStopped.
    """
    if place.is_local:
        return place.path
    repo = RepoCache.of(place.path)
    snapshot = repo.snapshot(place.revision)
    if all(file_bytes(snapshot / name) == size for name, size in place.files):
        report(place.total_bytes, place.total_bytes)
        return str(snapshot)
    check_space(place)
    work = _Work(place, repo, Line(stall_s, has_xet()), tries, retry_wait_s)
    try:
        work.start()
        _watch(work, report, should_stop, on_stall)
        # Weights are linked last: a snapshot that has them has everything.
        for transfer in sorted(work.transfers, key=lambda transfer: transfer.size_bytes):
            _link(work.blobs[transfer.name], snapshot / transfer.name)
    except (TailfinError, DownloadStopped):
        raise
    except OSError as error:
        raise refusal(error, place.path, place.revision) from error
    finally:
        work.line.stopped.set()
    report(place.total_bytes, place.total_bytes)
    return str(snapshot)


@dataclass(slots=True)
class _Work:
    """The files still to come and the threads that bring them."""

    place: ModelPlace
    repo: RepoCache
    line: Line
    tries: int
    retry_wait_s: float
    transfers: list[Transfer] = field(default_factory=list)
    blobs: dict[str, Path] = field(default_factory=dict)
    failures: list[Exception] = field(default_factory=list)
    changed: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Small files first, so that a refusal shows at once."""
        lane: queue.SimpleQueue[Transfer] = queue.SimpleQueue()
        for name, size in sorted(self.place.files, key=lambda file: file[1]):
            transfer = Transfer(name, size)
            self.transfers.append(transfer)
            lane.put(transfer)
        for number in range(min(_LANES, len(self.transfers))):
            # Daemons: one that hangs in a dead connection must not keep a stopped worker alive.
            threading.Thread(
                target=self._drive, args=(lane,), name=f"download-{number}", daemon=True
            ).start()

    @property
    def is_done(self) -> bool:
        return len(self.blobs) == len(self.transfers)

    @property
    def done_bytes(self) -> int:
        return sum(transfer.done_bytes for transfer in self.transfers)

    def _drive(self, lane: queue.SimpleQueue[Transfer]) -> None:
        while not self.line.stopped.is_set():
            try:
                transfer = lane.get_nowait()
            except queue.Empty:
                return
            try:
                self.blobs[transfer.name] = self._bring(transfer)
            except Interrupted:
                return
            except Exception as error:  # told by the watching thread
                self.failures.append(error)
                return
            finally:
                self.changed.set()

    def _bring(self, transfer: Transfer) -> Path:
        """Try until the file is here; only tries that brought no new byte count against it."""
        failures, reached = 0, 0
        while True:
            try:
                return fetch(self.place.path, self.place.revision, self.repo, transfer, self.line)
            except XetFailed:
                self.line.leave_xet()
            except Exception as error:
                if not (isinstance(error, Damaged) or is_passing(error)):
                    raise
                failures = 1 if transfer.done_bytes > reached else failures + 1
                reached = max(reached, transfer.done_bytes)
                if failures >= self.tries:
                    raise
                wait_s = min(self.retry_wait_s * 2 ** (failures - 1), _LONGEST_WAIT_S)
                self.line.stopped.wait(wait_s)


def _watch(work: _Work, report: Report, should_stop: Callable[[], bool], on_stall: OnStall) -> None:
    """Report, notice stalls and stop requests until all files are here; raises on failure."""
    place, line = work.place, work.line
    moved = reported = time.monotonic()
    last_bytes, stalls = -1, 0
    while not work.is_done:
        work.changed.wait(_POLL_S)
        work.changed.clear()
        if work.failures:
            raise refusal(_told(work.failures[0]), place.path, place.revision)
        if should_stop():
            raise DownloadStopped
        now, done = time.monotonic(), work.done_bytes
        if done != last_bytes:
            moved, last_bytes, stalls = now, done, 0
        if now - reported >= _REPORT_EVERY_S:
            reported = now
            report(done, place.total_bytes)
        if now - moved >= line.stall_s * (stalls + 1):
            stalls += 1
            if stalls >= work.tries:
                raise _stalled(place, done, now - moved)
            on_stall(now - moved, _advice(left_xet=line.leave_xet()))


def _advice(*, left_xet: bool) -> str:
    if left_xet:
        return (
            "Going on over plain HTTP from the byte reached. Set HF_HUB_DISABLE_XET=1 to start "
            "that way, or HF_ENDPOINT to a mirror."
        )
    return (
        "Trying again from the byte reached. Set HF_ENDPOINT to a mirror, or copy the model here "
        "and name its folder."
    )


def _stalled(place: ModelPlace, done_bytes: int, seconds: float) -> TailfinError:
    return TailfinError(
        f"The download of {place.path} stood still for {seconds:.0f} s at "
        f"{done_bytes / 2**30:.2f} of {place.total_bytes / 2**30:.2f} GiB.",
        "Start again to go on from there; set HF_HUB_DISABLE_XET=1 or HF_ENDPOINT to a mirror "
        "first if it stays.",
        where=place.path,
        error_id="hub.stalled",
        exit_code=EXIT_NO,
    )


def _told(error: Exception) -> Exception:
    if not isinstance(error, Damaged):
        return error
    return TailfinError(
        f"A file arrived damaged again and again: {error}.",
        "Set HF_ENDPOINT to another mirror or none, and check the disk of the cache.",
        error_id="hub.damaged",
        exit_code=EXIT_NO,
    )


def _link(blob: Path, pointer: Path) -> None:
    """Make a file visible in the snapshot the way huggingface_hub does."""
    if file_bytes(pointer) == file_bytes(blob):
        return
    pointer.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        pointer.unlink()
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:
        # The volume has no symbolic links; a cache without blobs is what the hub makes there too.
        shutil.move(blob, pointer)
