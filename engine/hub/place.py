"""Find a base model by what the user wrote, without downloading its weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError
from engine.hub.folder import inspect_folder
from engine.hub.refusal import bad_name, no_space


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model lies and what training needs of it.

    `path` is the absolute folder of a local model, else the hub name; `revision` the commit hash of
    a hub model, else empty. `files` are (name, bytes) of the needed files only, `cached_bytes` how
    many of `total_bytes` are on this disk already, unfinished files included. `config` is the
    parsed config.json. `note` says why the cache was used without the hub's word, empty otherwise.
    """

    path: str
    is_local: bool
    revision: str
    files: tuple[tuple[str, int], ...]
    total_bytes: int
    cached_bytes: int
    config: dict[str, object]
    note: str = ""

    @property
    def missing_bytes(self) -> int:
        """Bytes still to be downloaded."""
        return self.total_bytes - self.cached_bytes


def find_model(path: str, revision: str = "", *, need_space: bool = True) -> ModelPlace:
    """Look a model up: a folder is checked whole, a hub name is asked for in at most 30 s.

    What looks like a path (starts with / ./ ../ or ~, or exists) is never asked of the hub. A
    complete cached copy is used when the hub does not answer, and `note` says so. Raises
    TailfinError; its `error_id` tells model.missing, model.gated-no-token,
    model.gated-not-accepted, model.token-invalid, model.incomplete, hub.offline and hub.no-space
    apart. `need_space=False` leaves out the check of free disk, for questions without a download.
    """
    written = path.strip()
    if "\0" in written:
        raise bad_name(written)
    if _looks_local(written):
        # Unlike Path.expanduser, os.path's leaves the ~ of an unknown user as it is.
        return _local(Path(os.path.abspath(os.path.expanduser(written))))
    if written.count("/") > 1 or not written:
        raise bad_name(written)
    from engine.hub.remote import find_on_hub

    place = find_on_hub(written, revision)
    if need_space:
        check_space(place)
    return place


def check_space(place: ModelPlace) -> None:
    """Raise hub.no-space where the cache's volume cannot hold what is still to come."""
    from engine.hub.cache import cache_root, free_bytes

    if place.missing_bytes > 0 and free_bytes(cache_root()) < place.missing_bytes:
        raise no_space(place.missing_bytes, place.path)


def _looks_local(path: str) -> bool:
    if path in (".", "..") or path.startswith(("/", "./", "../", "~")):
        return True
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):  # too long, or a NUL: no path at all
        return False


def _local(folder: Path) -> ModelPlace:
    try:
        content = inspect_folder(folder)
    except OSError as error:
        raise TailfinError(
            f"The model folder {folder} could not be read: {error.strerror}.",
            "Check the path and the permissions of its folders.",
            where=folder,
            error_id="model.unreadable",
        ) from error
    total = sum(size for _, size in content.files)
    return ModelPlace(str(folder), True, "", content.files, total, total, content.config)
