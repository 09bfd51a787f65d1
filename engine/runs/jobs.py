"""Jobs beside the training: a folder of their own under the run, started like a run."""

from __future__ import annotations

import time

from engine.errors import TailfinError
from engine.runs.launch import launch, worker_command
from engine.runs.store import RunFolder


def start_job(run: RunFolder, worker: str, *words: str) -> RunFolder:
    """Start `engine.worker WORKER JOB_FOLDER RUN_FOLDER words...` detached; returns its folder."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        for count in range(1, 1000):
            name = f"{stamp}-{worker}" if count == 1 else f"{stamp}-{worker}-{count}"
            job = RunFolder(run.jobs / name)
            try:
                job.path.mkdir(parents=True)
            except FileExistsError:
                continue
            break
        job.control.mkdir()
    except OSError as error:
        raise TailfinError(
            f"The folder {run.jobs} could not be written: {error.strerror}.",
            "Free space or make the run folder writable.",
            where=run.jobs,
            exit_code=1,
        ) from None
    launch(job, worker_command(worker, str(job.path), str(run.path), *words))
    return job
