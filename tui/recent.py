"""Base models worth offering: those of earlier runs, those in the hub's cache, the embedded one."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.bundled import bundled
from engine.errors import TailfinError
from engine.runs.store import list_runs

_MOST_RUNS = 200
_MOST = 30


@dataclass(frozen=True, slots=True)
class Recent:
    """A model by folder or hub name, how many bytes of it lie here (0 unknown), and from where."""

    path: str
    source: str
    num_bytes: int = 0


def recent_models(runs: str | None = None) -> tuple[Recent, ...]:
    """The newest first, each once; folders that are gone are left out. Reads disks: a thread's."""
    found: dict[str, Recent] = {}
    for recent in (*_of_runs(runs), *_of_cache(), embedded()):
        known = found.setdefault(recent.path, recent)
        if recent.num_bytes and not known.num_bytes:
            found[recent.path] = Recent(known.path, known.source, recent.num_bytes)
    return tuple(found.values())[:_MOST]


def embedded() -> Recent:
    """The model that comes along."""
    return Recent(str(bundled("samples") / "model"), "embedded: tiny, for trying tailfin out")


def _of_runs(runs: str | None) -> Iterator[Recent]:
    tiny = embedded().path
    with suppress(OSError):
        for run in list_runs(runs)[:_MOST_RUNS]:
            path = _model_of(run.spec)
            if not path or path == tiny:
                continue
            if not path.startswith("/") or Path(path).is_dir():
                yield Recent(path, f"run {run.id}")


def _model_of(spec: Path) -> str:
    try:
        table = tomllib.loads(spec.read_text("utf-8")).get("model")
    except (OSError, ValueError):
        return ""
    path = table.get("path") if isinstance(table, dict) else ""
    return path if isinstance(path, str) else ""


def _of_cache() -> Iterator[Recent]:
    from engine.hub.cache import RepoCache, cached_models
    from engine.hub.folder import inspect_folder

    for name in cached_models():
        cache = RepoCache.of(name)
        commit = cache.commit("main")
        if not commit:
            continue
        with suppress(TailfinError, OSError):
            content = inspect_folder(cache.snapshot(commit))
            yield Recent(name, "in the hub's cache", sum(size for _, size in content.files))
