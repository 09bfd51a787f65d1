"""Jobs beside the training: a folder of their own under the run, started like a run."""

from __future__ import annotations

import time

from engine.errors import EXIT_NO, TailfinError
from engine.runs.launch import launch, worker_command
from engine.runs.lock import Held, alone, holder
from engine.runs.state import LIVE, observe
from engine.runs.store import RunFolder, name_of


def start_job(run: RunFolder, worker: str, *words: str) -> RunFolder:
    """Start `engine.worker WORKER JOB_FOLDER RUN_FOLDER words...` detached; returns its folder.

    Raises TailfinError where a job of the run is at work or being started, from whatever terminal:
    two would share a card, or write the same files.
    """
    try:
        with alone(run.jobs_lock):
            _refuse_while_busy(run)
            job = _make_folder(run, worker)
            launch(job, worker_command(worker, str(job.path), str(run.path), *words))
            return job
    except Held:
        raise TailfinError(
            f"A job of {run.id} is being started already.",
            "Wait until it has begun.",
            where=run.path,
            exit_code=EXIT_NO,
        ) from None
    except OSError as error:
        raise TailfinError(
            f"The folder {run.jobs} could not be written: {error.strerror}.",
            "Free space or make the run folder writable.",
            where=run.jobs,
            exit_code=1,
        ) from None


def _refuse_while_busy(run: RunFolder) -> None:
    """Raise where a job of the run is at work; one that only tidies up after its end is not."""
    folders = sorted(run.jobs.iterdir(), reverse=True) if run.jobs.is_dir() else []
    for job in (RunFolder(path) for path in folders if path.is_dir()):
        is_held = any(holder(lock) is not None for lock in (job.worker_lock, job.supervisor_lock))
        if is_held and observe(job).state in LIVE:
            raise TailfinError(
                f"A job of {run.id} is at work already: {job.id}.",
                f"Wait for it, or end it: tailfin stop {name_of(job)}",
                where=job.path,
                exit_code=EXIT_NO,
            )


def _make_folder(run: RunFolder, worker: str) -> RunFolder:
    """A new folder named for now and for what is done in it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    count = 1
    while True:
        name = f"{stamp}-{worker}" if count == 1 else f"{stamp}-{worker}-{count}"
        job = RunFolder(run.jobs / name)
        try:
            job.path.mkdir(parents=True)
        except FileExistsError:
            count += 1
            continue
        job.control.mkdir()
        return job
