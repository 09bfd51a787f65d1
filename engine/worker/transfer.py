"""One file on its way from the hub into the cache, continued from the byte it reached.

huggingface_hub 2.4 continues a file only within one call of its own: a killed or given-up download
starts again from zero, and so does xet, whose chunk cache is off by default. Both ways can start
in the middle, though: the resolve address answers Range, and hf_xet streams from an offset. So the
bytes come here through their public parts into a file with a lasting name, and are compared with
the etag, which is the content's hash, whenever they did not come in one piece.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import importlib
import importlib.util
import os
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from engine.hub.cache import RepoCache, file_bytes

_CONNECT_TIMEOUT_S = 10.0
# A silent connection is dropped this long after the stall was told, so that it is told first.
_AFTER_STALL_S = 0.5
_BUFFER_BYTES = 1 << 16
_POLL_S = 0.1
_LOCKED = (errno.EACCES, errno.EAGAIN)

T = TypeVar("T")


class Interrupted(Exception):
    """The download was told to stop; what has arrived stays on disk."""


class Damaged(Exception):
    """What arrived is not the file that was promised; it has been thrown away."""


class XetFailed(Exception):
    """The xet storage did not deliver; plain HTTP can continue from the same byte."""


@dataclass(slots=True)
class Transfer:
    """One wanted file; `done_bytes` is read by the watching thread while it grows."""

    name: str
    size_bytes: int
    done_bytes: int = 0


@dataclass(slots=True)
class Line:
    """What the transfers of one download share: the wish to stop, and the way that is taken."""

    stall_s: float
    uses_xet: bool
    stopped: threading.Event = field(default_factory=threading.Event)
    _session: Any = None
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _files: dict[Path, threading.Lock] = field(default_factory=dict)

    def check(self) -> None:
        if self.stopped.is_set():
            raise Interrupted

    def leave_xet(self) -> bool:
        """Take plain HTTP from now on, running files too; False where it was so already."""
        with self._guard:
            was_xet, self.uses_xet = self.uses_xet, False
        return was_xet

    def open_xet(self, xet: Any, headers: dict[str, str], size_bytes: int, start: int) -> Any:
        """A stream of bytes from `start` to the end of the file."""
        hf_xet = importlib.import_module("hf_xet")  # untyped, and absent on some processors
        with self._guard:
            self._session = self._session or hf_xet.XetSession()
        # The hub's token buys a storage token and must not travel to the storage itself.
        public = {key: value for key, value in headers.items() if key.lower() != "authorization"}
        group = self._session.new_download_stream_group(
            token_refresh_url=xet.refresh_route,
            token_refresh_headers=headers,
            custom_headers=public,
        )
        return group.download_stream(hf_xet.XetFileInfo(xet.file_hash, size_bytes), start=start)

    def thread_lock(self, path: Path) -> threading.Lock:
        with self._guard:
            return self._files.setdefault(path, threading.Lock())


def has_xet() -> bool:
    """Whether xet may be used: installed, and not switched off by HF_HUB_DISABLE_XET."""
    from huggingface_hub import constants

    return not constants.HF_HUB_DISABLE_XET and importlib.util.find_spec("hf_xet") is not None


def fetch(model: str, commit: str, repo: RepoCache, transfer: Transfer, line: Line) -> Path:
    """Bring one file into the cache and return its blob; safe to call again after any failure.

    Raises Interrupted, Damaged, XetFailed, huggingface_hub's and httpx' errors, or OSError of the
    disk.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import FileMetadataError

    line.check()
    url = hf_hub_url(model, transfer.name, revision=commit)
    meta = get_hf_file_metadata(url, timeout=_CONNECT_TIMEOUT_S)
    if not meta.etag:
        raise FileMetadataError(f"it named no ETag for {transfer.name}")
    size_bytes = meta.size if meta.size is not None else transfer.size_bytes
    blob = repo.blob(meta.etag)
    partial = repo.partial(meta.etag)
    with line.thread_lock(partial), _held(partial, transfer, line) as file:
        if blob.exists():
            _forget_if_empty(partial, file)
        else:
            kept = file.seek(0, os.SEEK_END)
            if kept > size_bytes:
                kept = file.truncate(0)
            transfer.done_bytes = kept
            if kept < size_bytes:
                _stream(file, url, meta.xet_file_data, size_bytes, transfer, line)
            _check(file, partial, meta.etag, size_bytes, is_continued=kept > 0)
            partial.replace(blob)
    transfer.done_bytes = transfer.size_bytes
    return blob


@contextmanager
def _held(path: Path, transfer: Transfer, line: Line) -> Iterator[BinaryIO]:
    """Open a partial file for appending while no other process writes it.

    The lock is a POSIX record lock, which goes with its process; where the volume has none, two
    processes at once would cost a failed check, not a wrong file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=_BUFFER_BYTES) as file:
        while not _lock(file):
            transfer.done_bytes = min(max(file_bytes(path), 0), transfer.size_bytes)
            line.stopped.wait(0.2)
            line.check()
        yield file


def _lock(file: BinaryIO) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _LOCKED
    return True


def _forget_if_empty(partial: Path, file: BinaryIO) -> None:
    # Another process finished the file while this one waited; opening it again left an empty one.
    if os.fstat(file.fileno()).st_size == 0:
        partial.unlink(missing_ok=True)


def _stream(
    file: BinaryIO, url: str, xet: Any, size_bytes: int, transfer: Transfer, line: Line
) -> None:
    from huggingface_hub.utils import build_hf_headers

    headers = build_hf_headers(library_name="tailfin")
    if xet is not None and line.uses_xet:
        pieces = _over_xet(line, xet, headers, size_bytes, file.tell())
    else:
        pieces = _over_http(line, url, headers, file, transfer)
    for piece in pieces:
        line.check()
        file.write(piece)
        file.flush()  # what has arrived must outlive this process
        transfer.done_bytes += len(piece)


def _over_xet(
    line: Line, xet: Any, headers: dict[str, str], size_bytes: int, start: int
) -> Iterator[bytes]:
    """Take pieces from a thread of its own: while hf_xet retries a storage that does not answer,
    for minutes, neither its `cancel` nor anything else gets it back (hf_xet 1.8)."""
    pieces: queue.Queue[bytes | Exception | None] = queue.Queue(maxsize=2)
    left = threading.Event()

    def pull() -> None:
        try:
            for piece in line.open_xet(xet, headers, size_bytes, start):
                _put(pieces, piece, left)
                if left.is_set():
                    return
            _put(pieces, None, left)
        except Exception as error:  # hf_xet raises its own kinds and plain RuntimeError
            _put(pieces, error, left)

    threading.Thread(target=pull, name="xet", daemon=True).start()
    try:
        while True:
            line.check()
            if not line.uses_xet:
                raise XetFailed("it stood still")
            try:
                piece = pieces.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, Exception):
                raise XetFailed(str(piece)) from piece
            yield piece
    finally:
        left.set()


def _put(pieces: queue.Queue[T], piece: T, left: threading.Event) -> None:
    while not left.is_set():
        try:
            return pieces.put(piece, timeout=_POLL_S)
        except queue.Full:
            continue


def _over_http(
    line: Line, url: str, headers: dict[str, str], file: BinaryIO, transfer: Transfer
) -> Iterator[bytes]:
    from huggingface_hub import get_session, hf_raise_for_status
    from huggingface_hub.utils import httpx

    start = file.tell()
    # Compressed bodies have other offsets than the file.
    headers = {**headers, "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    timeout = httpx.Timeout(_CONNECT_TIMEOUT_S, read=line.stall_s + _AFTER_STALL_S)
    # The session follows redirects to the CDN and leaves the token behind when the host changes.
    with get_session().stream("GET", url, headers=headers, timeout=timeout) as response:
        hf_raise_for_status(response)
        if start and response.status_code != 206:
            transfer.done_bytes = file.truncate(0)
        yield from response.iter_bytes()


def _check(
    file: BinaryIO, partial: Path, etag: str, size_bytes: int, *, is_continued: bool
) -> None:
    arrived = file.seek(0, os.SEEK_END)
    if arrived < size_bytes:
        raise Damaged(f"{arrived:,} of {size_bytes:,} bytes arrived")
    if arrived > size_bytes or (is_continued and not _has_hash(file, etag, size_bytes)):
        partial.unlink(missing_ok=True)
        raise Damaged("the content did not match its hash")


def _has_hash(file: BinaryIO, etag: str, size_bytes: int) -> bool:
    """Compare with the etag where it is a hash: sha256 of large files, git's blob id of others."""
    if re.fullmatch("[0-9a-f]{64}", etag):
        digest = hashlib.sha256()
    elif re.fullmatch("[0-9a-f]{40}", etag):
        digest = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
    else:
        return True
    file.seek(0)
    while piece := file.read(_BUFFER_BYTES):
        digest.update(piece)
    return digest.hexdigest() == etag
