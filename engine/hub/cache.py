"""The hub's cache on disk: where the files of a model lie, and how many bytes are there already.

The layout is the one huggingface_hub documents ("Understand caching"): `blobs/<etag>`, pointers
in `snapshots/<commit>/`, branch names in `refs/`. A file on its way has a name of ours that a
later process finds again, `blobs/<etag>.tailfin.incomplete`: huggingface_hub 2.4 writes to a random
name and deletes it on failure (`_download_to_tmp_and_move`), so a killed download starts from zero.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_root() -> Path:
    """The cache's folder as huggingface_hub sees it (HF_HUB_CACHE, HF_HOME)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


@dataclass(frozen=True, slots=True)
class RepoCache:
    """The part of the cache that belongs to one model."""

    folder: Path

    @classmethod
    def of(cls, name: str) -> RepoCache:
        return cls(cache_root() / f"models--{name.replace('/', '--')}")

    def commit(self, revision: str) -> str:
        """Commit hash a branch or tag stood for when last asked; empty where unknown."""
        if _COMMIT.fullmatch(revision):
            return revision
        try:
            return (self.folder / "refs" / revision).read_text("utf-8").strip()
        except OSError:
            return ""

    def snapshot(self, commit: str) -> Path:
        return self.folder / "snapshots" / commit

    def blob(self, etag: str) -> Path:
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Where an unfinished file waits to be continued."""
        return self.folder / "blobs" / f"{etag}.tailfin.incomplete"

    def kept_bytes(self, commit: str, file_name: str, etag: str, size_bytes: int) -> int:
        """How much of a file need not be fetched again; `etag` may be empty where unknown."""
        if file_bytes(self.snapshot(commit) / file_name) == size_bytes:
            return size_bytes
        if not etag:
            return 0
        if file_bytes(self.blob(etag)) == size_bytes:
            return size_bytes
        return min(max(file_bytes(self.partial(etag)), 0), size_bytes)


def file_bytes(path: Path) -> int:
    """Size of a file, links followed; -1 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return -1


def cached_models() -> list[str]:
    """Hub names that have a folder in the cache."""
    try:
        folders = sorted(entry.name for entry in cache_root().iterdir() if entry.is_dir())
    except OSError:
        return []
    prefix = "models--"
    return [name[len(prefix) :].replace("--", "/") for name in folders if name.startswith(prefix)]


def free_bytes(path: Path) -> int:
    """Free space of the volume a path lies on, or will lie on."""
    return shutil.disk_usage(_existing(path)).free


def is_one_volume(path: Path, other: Path) -> bool:
    """Whether both lie on one volume, or will: what one takes the other lacks."""
    return _existing(path).stat().st_dev == _existing(other).stat().st_dev


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
