"""Scenes of the monitor: one run at a moment of its life, with the box it runs on.

The states of a run by themselves are drawn by the monitor's own tests; here are those that need a
believable run, a device with trouble, a recording, or another look.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from engine.doctor.gauges import GpuReading, HostReading, Reading
from engine.runs.events import Acted, Finished, Notice, Progress, Stopped, encode
from engine.runs.events import Stage as RunStage
from engine.runs.state import State
from engine.runs.store import RunFolder
from tests.tui.gallery.course import (
    CARD,
    DATA,
    MODEL,
    PLAN,
    STEPS,
    Course,
    log_lines,
    make_step,
    trained,
)
from tests.tui.gallery.scene import NOW, ROOT, Scene, Stage, scene
from tests.tui.scenes import FakeFeed, FakeGauges
from tui.feed import ReplayFeed
from tui.options import Options
from tui.screens.monitor import MonitorScreen

_START = NOW - 1440
_HOST = HostReading(0.31, 16.0, 9.6, 62.7, 308.0, 500.0, 5.4)
_GPU = GpuReading(0, CARD, 0.97, 16.4, 23.5, 67.0, 398.0, 450.0)
_RUN = RunFolder(ROOT / "20261124-145600-support-bot")
_GIB = 2**30


class _Gauges(FakeGauges):
    """A box whose one reading may come with trouble."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading.gpus, reading.host)
        self.reading = reading


def _watch(
    course: Course,
    ready: str,
    *steps: tuple[str, str],
    state: State = "running",
    message: str = "",
    reading: Reading | None = None,
    options: Options | None = None,
    quiet_s: float = 0.8,
) -> Scene:
    feed = FakeFeed(course.observed(state, message), log_lines(course), _RUN)
    gauges = _Gauges(reading or Reading((_GPU,), _HOST))

    def opens() -> MonitorScreen:
        return MonitorScreen(feed, gauges=lambda: gauges)

    return Scene(opens, ready, steps, options or Options(), now=course.now + quiet_s)


@scene
def watch_download(stage: Stage) -> Scene:
    course = Course(_START).begin()
    course.add(RunStage("download", MODEL), after_s=0.5)
    course.add(Progress("download", 1.7 * _GIB, 3.8 * _GIB, "bytes", 61e6, 37.0), after_s=28.0)
    return _watch(course, "GiB", state="starting")


@scene
def watch_load(stage: Stage) -> Scene:
    course = Course(_START).begin()
    course.add(Progress("load", 2.6 * _GIB, 3.8 * _GIB, "bytes", 1.9e9, 0.6), after_s=1.5)
    return _watch(course, "GiB", state="starting")


@scene
def watch_tokenise(stage: Stage) -> Scene:
    course = Course(_START).begin().add(RunStage("tokenise", DATA), after_s=3.0)
    course.add(Progress("tokenise", 3100, 5000, "rows", 1800.0, 1.1), after_s=1.7)
    return _watch(course, "3,100", state="starting")


@scene
def watch_early(stage: Stage) -> Scene:
    return _watch(trained(_START, 12), "step 12")


@scene
def watch_late(stage: Stage) -> Scene:
    return _watch(trained(_START, 640), "step 640")


@scene
def watch_gradient(stage: Stage) -> Scene:
    """Another chart, in powers of ten."""
    return _watch(trained(_START, 640), "step 640", ("m l", "grad norm"))


@scene
def watch_cpu(stage: Stage) -> Scene:
    """A box without a card."""
    host = HostReading(0.94, 4.0, 8.8, 15.6, 39.0, 80.0, 6.1)
    course = Course(_START).begin().prepare(replace(PLAN, device="cpu", dtype="float32"))
    for number in range(1, 201):
        bare = replace(make_step(number), vram_gib=0.0, vram_reserved_gib=0.0, tokens_per_s=310.0)
        course.add(bare, after_s=21.0)
    return _watch(course, "step 200", reading=Reading((), host))


@scene
def watch_throttled(stage: Stage) -> Scene:
    hot = replace(_GPU, util=0.62, temp_c=91.0, power_w=233.0, throttle=("thermal",))
    return _watch(trained(_START, 640), "slowed down", reading=Reading((hot,), _HOST))


@scene
def watch_lost_gpu(stage: Stage) -> Scene:
    lost = Reading((), _HOST, "GPU 0: GPU is lost", is_gpu_lost=True)
    return _watch(trained(_START, 640), "A GPU was lost", reading=lost)


@scene
def watch_eight_gpus(stage: Stage) -> Scene:
    cards = [
        GpuReading(
            i, "NVIDIA H100 80GB HBM3", 0.9 + i / 100, 61.0 + i, 79.6, 60.0 + i, 640.0, 700.0
        )
        for i in range(8)
    ]
    host = HostReading(0.22, 104.0, 210.0, 1510.0, 2900.0, 7000.0, 88.0)
    return _watch(trained(_START, 640), "104 cores", reading=Reading(tuple(cards), host))


@scene
def watch_full_disk(stage: Stage) -> Scene:
    host = replace(_HOST, disk_free_gib=1.1, ram_used_gib=61.9)
    return _watch(trained(_START, 640), "WARN", reading=Reading((_GPU,), host))


@scene
def watch_stalled(stage: Stage) -> Scene:
    return _watch(trained(_START, 312), "No step for", quiet_s=147.0)


@scene
def watch_nan(stage: Stage) -> Scene:
    course = trained(_START, 120)
    for number in range(121, 131):
        bad = replace(make_step(number, loss=math.nan), grad_norm=math.nan)
        course.add(bad, after_s=2.1)
    said = "Loss is nan and grad norm nan at step 121."
    fix = "Stop, lower train.learning_rate, and use bfloat16 or float32 instead of float16."
    return _watch(course.add(Notice("train.nan", "fail", said, fix)), "NaN")


@scene
def watch_notices(stage: Stage) -> Scene:
    """Everything worth a word, read in full."""
    course = trained(_START, 312)
    cut = "12.4 % of rows lose text at 1024 tokens; the longest has 2310."
    course.add(Notice("data.cut", "warn", cut, "Raise data.max_length, or split long rows."))
    about = "Rows are cut at 1024 tokens (taken from the data)."
    course.add(Notice("data.max-length", "info", about))
    return _watch(course, "WARN", ("n", "Notices"))


@scene
def watch_asked_to_save(stage: Stage) -> Scene:
    course = trained(_START, 312)
    return _watch(course, "step 312", ("s", "A checkpoint was asked for"))


@scene
def watch_stop_question(stage: Stage) -> Scene:
    return _watch(trained(_START, 312), "step 312", ("x", "Stop the run?"))


@scene
def watch_resumed(stage: Stage) -> Scene:
    course = trained(_START, 415).begin(attempt=2, from_step=360).prepare()
    return _watch(course.train(402, first=361), "step 402")


@scene
def watch_finished(stage: Stage) -> Scene:
    said = "Trained 900 steps. Delivered step 540, held-out loss 0.8575."
    course = trained(_START, STEPS).add(RunStage("save")).add(Finished(STEPS, "adapter", said))
    stage.patch.setattr(RunFolder, "result", property(lambda run: run.adapter))
    return _watch(course, "FINISHED", state="finished", message=said)


@scene
def watch_stopped(stage: Stage) -> Scene:
    said = "A person asked it to stop."
    course = trained(_START, 415).add(
        Acted("id-1", "stop", True, "It stops after step 415."),
        Stopped(415, said, "checkpoints/checkpoint-415"),
    )
    stage.patch.setattr(RunFolder, "result", property(lambda run: run.adapter))
    return _watch(course, "STOPPED", state="stopped", message=said)


@scene
def watch_replay(stage: Stage) -> Scene:
    """A recording, held in its middle."""
    course = trained(_START, 640).add(Finished(640, "adapter", "Trained 640 steps."))
    run = RunFolder(Path.home() / "20261124-145600-support-bot")
    run.path.mkdir()
    run.events.write_bytes(b"".join(map(encode, course.events)))
    moments = iter([0.0, 0.0])
    feed = ReplayFeed(run, speed=20.0, clock=lambda: next(moments, 40.0))

    def opens() -> MonitorScreen:
        return MonitorScreen(feed, gauges=FakeGauges)

    return Scene(opens, "REPLAY", [("space", "paused")], now=course.now)


@scene
def watch_ascii(stage: Stage) -> Scene:
    return _watch(trained(_START, 640), "step 640", options=Options(ascii_only=True))


@scene
def watch_light(stage: Stage) -> Scene:
    return _watch(trained(_START, 640), "step 640", options=Options(theme="light"))


@scene
def watch_no_color(stage: Stage) -> Scene:
    stage.patch.setenv("NO_COLOR", "1")
    return _watch(trained(_START, 640), "step 640")
