"""What the platform does with the box: what is lost when it stops, and what cannot be changed."""

from __future__ import annotations

from engine.doctor.facts import Box
from engine.doctor.move import move, roomiest
from engine.doctor.platform import AUTODL, COLAB, KAGGLE, LAMBDA, PAPERSPACE, RUNPOD, VAST
from engine.doctor.storage import RUNS
from engine.findings import Finding

_FACTS = {
    RUNPOD: "Only /workspace survives when the pod stops or its settings are changed; the "
    "container disk starts anew. A pod that was stopped may come back without a GPU.",
    VAST: "The disk keeps the size it was rented with, memory beyond the rented share may be taken "
    "back by killing, and variables of the template are not seen over SSH.",
    AUTODL: "The system disk is small: models and runs belong on /root/autodl-tmp. The instance is "
    "billed until it is powered off.",
    LAMBDA: "The instance's own disk is erased when it is terminated; file systems below "
    "/lambda/nfs stay. It is billed until then.",
    COLAB: "The runtime and its disk are taken away after some hours or when it is idle: copy "
    "results to Drive when a run is done, and save checkpoints often.",
    KAGGLE: "Only /kaggle/working is kept, up to 20 GB, and a session ends after some hours.",
    PAPERSPACE: "Only /storage and /notebooks survive when the machine stops.",
}
# Where the disk a container starts with is thrown away at each stop.
_LOSING = (RUNPOD, PAPERSPACE)


def check_platform(box: Box) -> list[Finding]:
    """What is to be known of this platform."""
    name = box.platform.name
    if name not in _FACTS:
        return []
    return [Finding("platform", "info", f"{name}: {_FACTS[name]}")]


def check_kept(box: Box) -> list[Finding]:
    """Runs on a disk that is lost at the next stop, though there is a volume that is not."""
    storage = box.storage
    if box.platform.name not in _LOSING:
        return []
    lost = [v for v in storage.volumes if RUNS in v.roles and not v.persistent]
    if not lost:
        return []
    away = [v.path for v in (*storage.volumes, *storage.spare) if not v.persistent]
    target = roomiest(storage, away, 1.0)
    message = f"Runs lie in {storage.where(RUNS) or lost[0].path}, which is lost when this stops."
    if target is None:
        return [Finding("platform.lost-on-stop", "info", message, where=lost[0].path)]
    return [
        Finding(
            "platform.lost-on-stop",
            "warn",
            message,
            move(storage, [RUNS], target),
            lost[0].path,
            "Checkpoints and results of a run that was paid for are gone with the container disk.",
            safe=True,
        )
    ]


CHECKS = (check_kept, check_platform)
