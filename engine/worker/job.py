"""A job from the inside: its lock, its journal, its stop request, and how every ending is told.

A worker takes the lock before anything heavy is imported, writes `started`, runs its body and
leaves exactly one of finished, stopped or failed. Library exceptions are translated here.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

from engine.errors import EXIT_NO, EXIT_OOM, TailfinError
from engine.runs.acts import pending
from engine.runs.events import (
    Acted,
    Body,
    Failed,
    Finished,
    Notice,
    Progress,
    Stage,
    Started,
    Stopped,
)
from engine.runs.gpu_faults import GpuFault, gpu_fault
from engine.runs.host import boot_id, host_name
from engine.runs.journal import Journal
from engine.runs.lock import Held, Lock
from engine.runs.store import RunFolder
from engine.worker.log import tolerate_full_disk

# Progress of one stage is written at most this often.
_PROGRESS_EVERY_S = 0.5
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
# Half a second each: somebody who moves a folder has it back by then.
_GONE_LOOKS = 4


class StopRequested(BaseException):
    """A person asked the job to end, outside the training loop. Not an Exception: library code
    that catches those must not swallow it."""


class Job:
    """What a worker's body works with: the folder, the journal and the wish to stop.

    `phase` names what is being done right now in words a person knows (load, forward, backward,
    optimizer, eval, save); it is what an out-of-memory report points at.
    """

    def __init__(self, run: RunFolder, journal: Journal, kind: str = "train") -> None:
        self.run = run
        self.kind = kind
        self.phase = "start"
        self.step = 0
        self.stop_wanted = False
        self.stops_itself = False
        self._journal = journal
        self._progress_stage = ""
        self._progress_done = 0.0
        self._stage_began = time.monotonic()
        self._progress_written = 0.0
        self._write_lock = threading.Lock()

    def write(self, body: Body) -> None:
        """Append an event; safe to call from helper threads."""
        with self._write_lock:
            self._journal.write(body)

    @property
    def is_writing(self) -> bool:
        return self._write_lock.locked()

    def stage(self, name: str, detail: str = "") -> None:
        """Begin a stage; progress counts from here. Raises StopRequested when that was asked."""
        if self.stop_wanted and not self.stops_itself:
            raise StopRequested
        self.phase = self._progress_stage = name
        self._progress_done = 0.0
        self._stage_began = time.monotonic()
        self._progress_written = 0.0
        self.write(Stage(name=name, detail=detail))
        print(f"-- {name} {detail}".rstrip(), flush=True)

    def progress(self, done: float, total: float, unit: str, *, stage: str = "") -> None:
        """Say how far the stage is, with its mean rate and time left; at most twice a second."""
        now = time.monotonic()
        name = stage or self.phase
        if name != self._progress_stage or done < self._progress_done:
            # Something else is counted now (an evaluation within the training): its own clock.
            self._progress_stage, self._stage_began, self._progress_written = name, now, 0.0
        self._progress_done = done
        if 0 < done < total and now - self._progress_written < _PROGRESS_EVERY_S:
            return
        self._progress_written = now
        elapsed = now - self._stage_began
        rate = done / elapsed if elapsed > 0 else 0.0
        eta_s = (total - done) / rate if rate > 0 and total > done else 0.0
        self.write(
            Progress(
                stage=name,
                done=float(done),
                total=float(total),
                unit=unit,
                rate=round(rate, 3),
                eta_s=round(eta_s, 1),
            )
        )

    def notice(self, notice_id: str, severity: str, message: str, fix: str = "") -> None:
        self.write(Notice(id=notice_id, severity=severity, message=message, fix=fix))
        print(f"{severity.upper()}: {message} {fix}".rstrip(), flush=True)


Bodies = Callable[[Job], Finished | Stopped]


def run_job(
    run: RunFolder,
    kind: str,
    body: Bodies,
    *,
    attempt: int = 1,
    from_step: int = 0,
    changes: Mapping[str, str] | None = None,
) -> int:
    """Run a body as this folder's one worker; returns the exit code.

    The body returns its own last event. Any exception becomes `failed` with a message a person
    can act on, and the traceback goes to a side file.
    """
    try:
        lock = Lock(run.worker_lock)
    except Held as held:
        print(f"This run already has a worker (process {held.pid}).", flush=True)
        return EXIT_NO
    tolerate_full_disk()
    journal = Journal(run.events)
    job = Job(run, journal, kind)
    job.step = from_step
    _forget_old_requests(run)
    job.write(
        Started(
            attempt=attempt,
            job=kind,
            host=host_name(),
            boot_id=boot_id(),
            pid=os.getpid(),
            from_step=from_step,
            changes=dict(changes) if changes else None,
            versions=_versions(),
        )
    )
    _listen(job)
    try:
        last: Body = body(job)
        job.stops_itself = True
    except StopRequested:
        job.stops_itself = True
        last = Stopped(step=job.step, reason="It was asked to stop.")
    except BaseException as error:  # the boundary: whatever ends a worker is told
        # No wish to stop may break off the telling.
        job.stops_itself = True
        last = explain(error, job)
    job.write(last)
    print(f"-- {last.kind} {getattr(last, 'message', '')}".rstrip(), flush=True)
    journal.close()
    lock.release()
    return last.exit_code if isinstance(last, Failed) else 0


def explain(error: BaseException, job: Job) -> Failed:
    """Any exception as the `failed` event a person reads."""
    traceback.print_exception(error)
    trace = _write_trace(job.run, error)
    memory = _memory_failure(error)
    if memory:
        return Failed(
            error="oom",
            phase=job.phase,
            message=f"Memory ran out during {job.phase}, after step {job.step}: {memory}",
            hint=(
                f"tailfin resume {job.run.id} halves the micro-batch, doubles accumulation and "
                "continues from the last checkpoint."
                if job.kind == "train"
                and job.phase in ("train", "forward", "backward", "optimizer")
                else f"Free memory, or use --method qlora or a smaller model; tailfin resume "
                f"{job.run.id} tries again."
                if job.kind == "train"
                else "Free memory (what else runs here?), then call the command again."
            ),
            step=job.step,
            trace=trace,
            exit_code=EXIT_OOM,
        )
    # Before `input`: a card that was lost while a model was loaded is no fault of the model.
    lost = _lost_gpu(error)
    if lost is not None:
        return _told_of_gpu(*lost, job, trace)
    if isinstance(error, TailfinError):
        return Failed(
            error="input",
            phase=job.phase,
            message=error.message,
            hint=error.hint,
            step=job.step,
            trace=trace,
            exit_code=error.exit_code,
        )
    if _disk_full(error):
        return Failed(
            error="disk",
            phase=job.phase,
            message=f"The disk is full; {job.phase} could not write into {job.run.path}.",
            hint=(
                "Free space (tailfin runs rm, old caches) or move the run folder to a bigger "
                "volume, then "
                + (f"tailfin resume {job.run.id}" if job.kind == "train" else "call it again.")
            ),
            step=job.step,
            trace=trace,
            exit_code=EXIT_NO,
        )
    return Failed(
        error="crash",
        phase=job.phase,
        message=f"{type(error).__name__} during {job.phase}: {_first_line(error)}",
        hint=f"Read {job.run.path / trace if trace else job.run.worker_log}.",
        step=job.step,
        trace=trace,
        exit_code=EXIT_NO,
    )


def _told_of_gpu(said: str, fault: GpuFault, job: Job, trace: str) -> Failed:
    again = f"tailfin resume {job.run.id}" if job.kind == "train" else "call the command again"
    return Failed(
        error="gpu",
        phase=job.phase,
        message=f"{fault.title} during {job.phase}, after step {job.step}: {said}",
        hint=f"{fault.action} Then: {again}",
        step=job.step,
        trace=trace,
        exit_code=EXIT_NO,
    )


def _listen(job: Job) -> None:
    """SIGTERM means checkpoint and stop; so does a stop request while no step loop reads them."""

    def on_term(_number: int, _frame: FrameType | None) -> None:
        job.stop_wanted = True
        # Raised inside an import it is swallowed or kills the process (seen in numpy, torch):
        # there the wish waits for the next stage.
        if job.stops_itself or job.phase in ("start", "import"):
            return
        if job.is_writing:
            # Never out of the middle of a record: ask again in a moment.
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
            return
        raise StopRequested

    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGINT, on_term)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def watch() -> None:
        gone = 0
        while True:
            time.sleep(0.5)
            gone = gone + 1 if _is_removed(job.run) else 0
            if gone >= _GONE_LOOKS:
                # Nobody could see or stop it any more, and there is no place to deliver to.
                print("-- the run folder was removed: nothing is left to work for", flush=True)
                os._exit(EXIT_NO)
            if job.stops_itself:
                continue
            for act in pending(job.run):
                act.path.unlink(missing_ok=True)
                if act.name == "stop":
                    job.write(Acted(id=act.id, name=act.name, ok=True, message="It is stopping."))
                    os.kill(os.getpid(), signal.SIGTERM)
                else:
                    message = f"There is nothing to {act.name} during {job.phase}."
                    job.write(Acted(id=act.id, name=act.name, ok=False, message=message))

    threading.Thread(target=watch, name="acts", daemon=True).start()


def _is_removed(run: RunFolder) -> bool:
    """Whether somebody removed the run; a volume that does not answer is another error.

    Asked of its log: a checkpoint in the making may bring the folder itself back.
    """
    try:
        os.stat(run.events)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _forget_old_requests(run: RunFolder) -> None:
    """What was asked of an attempt that is gone must not stop this one."""
    for act in pending(run):
        act.path.unlink(missing_ok=True)


def _lost_gpu(error: BaseException) -> tuple[str, GpuFault] | None:
    """The lost card in an exception or what caused it, with the driver's line."""
    for seen in _chain(error):
        fault = gpu_fault(f"{type(seen).__name__} {seen}")
        if fault is not None:
            return _first_line(seen) or type(seen).__name__, fault
    return None


def _memory_failure(error: BaseException) -> str:
    """The memory failure in an exception or what caused it, as one line; empty if there is none."""
    for seen in _chain(error):
        text = f"{type(seen).__name__} {seen}"
        if isinstance(seen, MemoryError) or any(
            wording in text
            for wording in (
                "OutOfMemoryError",
                "out of memory",
                "CUBLAS_STATUS_ALLOC_FAILED",
                "CUDNN_STATUS_ALLOC_FAILED",
                "DefaultCPUAllocator: can't allocate memory",
                "Cannot allocate memory",
            )
        ):
            return _first_line(seen) or "the box had no more memory"
        # The report of a full card fails itself where the driver's library cannot be asked, as in
        # some containers (pytorch issue 112377): then this is all that is left of it.
        if "NVML_SUCCESS ==" in text and "CUDACachingAllocator" in text:
            return "CUDA out of memory; how much was asked for could not be learned."
    return ""


def _disk_full(error: BaseException) -> bool:
    for seen in _chain(error):
        if isinstance(seen, OSError) and seen.errno in _DISK_FULL:
            return True
        # safetensors and torch's own writer give the reason in words only
        if "No space left on device" in str(seen) or "Disk quota exceeded" in str(seen):
            return True
        if "unexpected pos" in str(seen) or "PytorchStreamWriter failed" in str(seen):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception, then what caused it, and so on."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:600] if lines else ""


def _write_trace(run: RunFolder, error: BaseException) -> str:
    """The traceback in a side file; its name relative to the folder, empty if it did not fit."""
    name = f"report/trace-{time.strftime('%Y%m%d-%H%M%S')}.txt"
    try:
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return ""
    return name


def _versions() -> dict[str, str]:
    """Versions of the stack, from metadata: nothing heavy is imported for it."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "bitsandbytes"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def folder_argument(argv: list[str]) -> RunFolder:
    """The job folder every worker gets as its first word."""
    return RunFolder(Path(argv[0]))
