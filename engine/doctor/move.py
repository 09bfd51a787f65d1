"""The one command line that lays caches, runs and temporary files onto another volume."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from engine.doctor.facts import StorageFacts, Volume
from engine.doctor.storage import CACHE, COMPILED, RUNS, TEMPORARY

# A 7B model's weights in 16 bits, its adapter and two checkpoints.
COMFORT_GIB = 20.0


def roomiest(
    storage: StorageFacts, away: Collection[str], least_gib: float = 0.0, *, runs: bool = False
) -> Volume | None:
    """The best volume outside `away` (mount points) with so much room.

    Persistent ones come first where they are roomy, then local ones; programs cannot be run
    from all of them.
    """
    fitting = [
        volume
        for volume in (*storage.volumes, *storage.spare)
        if volume.path not in away
        and volume.base
        and volume.kind in ("disk", "network")
        and volume.free_gib > least_gib
        and not (runs and volume.noexec)
    ]
    return max(
        fitting,
        key=lambda v: (
            v.persistent and v.free_gib >= 2 * COMFORT_GIB,
            v.kind == "disk" and v.free_gib >= COMFORT_GIB,
            v.free_gib,
        ),
        default=None,
    )


def move(storage: StorageFacts, roles: Collection[str], target: Volume) -> str:
    """`export ...` for the roles given; the temporary folder is made, as nobody else makes it."""
    base = target.base.rstrip("/")
    cache = f"{base}/hf" if storage.cache_variable == "HF_HOME" else f"{base}/hf/hub"
    settings = {}
    if CACHE in roles:
        settings[storage.cache_variable] = cache
    if TEMPORARY in roles:
        settings["TMPDIR"] = f"{base}/tmp"
    if RUNS in roles:
        settings["TAILFIN_RUNS"] = f"{base}/tailfin/runs"
    if COMPILED in roles:
        settings["TRITON_CACHE_DIR"] = f"{base}/triton"
    if "HF_HOME" in settings and storage.saved_token:
        settings["HF_TOKEN_PATH"] = storage.saved_token  # it lies in the old HF_HOME
    if not settings:
        return ""
    line = "export " + " ".join(f"{name}={shlex.quote(to)}" for name, to in settings.items())
    if "TMPDIR" in settings:
        line += f" && mkdir -p {shlex.quote(settings['TMPDIR'])}"
    return line


def list_words(words: Collection[str]) -> str:
    """`a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def size(gib: float) -> str:
    """A size as people read it."""
    if gib >= 1024:
        return f"{gib / 1024:.1f} TiB"
    return f"{gib:.1f} GiB" if gib < 100 else f"{gib:.0f} GiB"
