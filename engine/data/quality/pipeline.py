"""A data set looked at in parts, by several processes, into one census."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from itertools import islice
from multiprocessing import connection, get_context, parent_process

from engine.data.quality.census import Census, count_chunk
from engine.data.source import CHUNK_ROWS, Chunk, Reader, Source

Progress = Callable[[int, int], None]
# Fewer rows are counted sooner than other processes start.
_WORTH_STARTING = 6 * CHUNK_ROWS


def count_source(source: Source, progress: Progress, *, processes: int = 0) -> list[Census]:
    """The census of each part, in file order; `progress` is told records done and in all.

    `processes` 0 takes one per core this process may use. With one, all is done here.
    """
    wanted = processes or len(os.sched_getaffinity(0))
    parts: Generator[Census, None, None]
    if wanted == 1 or source.num_records < _WORTH_STARTING:
        parts = (count_chunk(source.reader, chunk) for chunk in source.chunks())
    else:
        parts = _in_processes(source, wanted)
    done, found = 0, []
    with closing(parts):
        for part in parts:
            found.append(part)
            done += part.num_records
            progress(done, source.num_records)
    return sorted(found, key=lambda part: part.number)


def _in_processes(source: Source, processes: int) -> Generator[Census, None, None]:
    """Parts as they are done; only a few are under way, so that memory stays small."""
    chunks = source.chunks()
    with ProcessPoolExecutor(
        processes,
        mp_context=get_context("spawn"),
        initializer=_start,
        initargs=(source.reader,),
    ) as pool:
        pending: set[Future[Census]] = {
            pool.submit(_count, chunk) for chunk in islice(chunks, 2 * processes)
        }
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            pending |= {pool.submit(_count, chunk) for chunk in islice(chunks, len(done))}
            for future in done:
                yield future.result()


_held: dict[str, Reader] = {}


def _start(reader: Reader) -> None:
    _held["reader"] = reader
    threading.Thread(target=_end_with_parent, name="lifeline", daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _count(chunk: Chunk) -> Census:
    return count_chunk(_held["reader"], chunk)
