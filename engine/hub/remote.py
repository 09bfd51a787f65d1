"""A model by its hub name: asked of the hub within seconds, else taken whole from the cache."""

from __future__ import annotations

import difflib
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from engine.errors import TailfinError
from engine.hub.cache import RepoCache, cached_models
from engine.hub.files import (
    CONFIG,
    instead_of_weights,
    is_index,
    shard_names,
    side_files,
    weight_entry,
)
from engine.hub.folder import inspect_folder
from engine.hub.place import ModelPlace
from engine.hub.refusal import offline, refusal

# One question may take this long; connecting to each address of a dead route costs one timeout,
# so the whole conversation has its own limit too.
_QUESTION_TIMEOUT_S = 10.0
_CONVERSATION_TIMEOUT_S = 30.0

T = TypeVar("T")


def find_on_hub(name: str, revision: str) -> ModelPlace:
    """The place of a hub model; raises TailfinError with the reason told apart."""
    from huggingface_hub import constants

    wanted = revision or constants.DEFAULT_REVISION
    if constants.is_offline_mode():
        cached = _whole_in_cache(name, wanted, "HF_HUB_OFFLINE is set")
        if cached is None:
            raise offline(name, "HF_HUB_OFFLINE is set")
        return cached
    try:
        return _within(_CONVERSATION_TIMEOUT_S, lambda: _ask(name, wanted))
    except TailfinError:
        raise
    except Exception as error:
        said = refusal(error, name, wanted)
        # Revoked access, an expired token or a dead network do not take away what is here already.
        cached = _whole_in_cache(name, wanted, said.message)
        if cached is not None:
            return cached
        if said.error_id == "model.missing":
            said = refusal(error, name, wanted, _similar(name))
        raise said from error


def _ask(name: str, wanted: str) -> ModelPlace:
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    api = HfApi(library_name="tailfin")
    try:
        # Listing a gated model is open to all, its files are not: the config's HEAD tells.
        get_hf_file_metadata(hf_hub_url(name, CONFIG, revision=wanted), timeout=_QUESTION_TIMEOUT_S)
        commit, config = _json_file(name, CONFIG, wanted)
    except EntryNotFoundError as error:
        names = set(_listing(api, name, wanted))
        raise _not_a_model(name, names, "model.no-config") from error
    listing = _listing(api, name, commit)
    entry = weight_entry(listing)
    if entry is None:
        raise _not_a_model(name, set(listing), "model.no-weights")
    needed = {entry, *side_files(listing)}
    if is_index(entry):
        shards = shard_names(_json_file(name, entry, commit)[1])
        if missing := [shard for shard in shards if shard not in listing]:
            raise TailfinError(
                f"The hub's model {name} is incomplete: {len(missing)} of {len(shards)} weight "
                f"files named in {entry} are missing ({', '.join(missing[:3])}).",
                "Name another revision or another copy of the model.",
                where=name,
                error_id="model.incomplete",
            )
        needed.update(shards)
    cache = RepoCache.of(name)
    chosen = [listing[file_name] for file_name in sorted(needed)]
    return ModelPlace(
        path=name,
        is_local=False,
        revision=commit,
        files=tuple((file.name, file.size_bytes) for file in chosen),
        total_bytes=sum(file.size_bytes for file in chosen),
        cached_bytes=sum(
            cache.kept_bytes(commit, file.name, file.etag, file.size_bytes) for file in chosen
        ),
        config=config,
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    name: str
    size_bytes: int
    etag: str


def _listing(api: Any, name: str, revision: str) -> dict[str, _Listed]:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    info = api.model_info(name, revision=revision, files_metadata=True, timeout=_QUESTION_TIMEOUT_S)
    listed = {}
    for sibling in info.siblings or ():
        lfs = sibling.lfs
        size = lfs.size if lfs is not None else sibling.size
        etag = lfs.sha256 if lfs is not None else sibling.blob_id
        if size is None:  # some mirrors answer without sizes
            url = hf_hub_url(name, sibling.rfilename, revision=revision)
            size = get_hf_file_metadata(url, timeout=_QUESTION_TIMEOUT_S).size or 0
        listed[sibling.rfilename] = _Listed(sibling.rfilename, int(size), etag or "")
    return listed


def _json_file(name: str, file_name: str, revision: str) -> tuple[str, dict[str, object]]:
    """Fetch a small file into the cache; returns its commit and content.

    Asked for by branch name, huggingface_hub also notes which commit the branch stands for, which
    is what makes the next start without network possible.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import silent_tqdm

    path = Path(hf_hub_download(name, file_name, revision=revision, tqdm_class=silent_tqdm))
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise TailfinError(
            f"{file_name} of the model {name} is not JSON: {error}.",
            f"Remove {path} and try again.",
            where=path,
            error_id="model.unreadable",
        ) from error
    return path.parent.name, value if isinstance(value, dict) else {}


def _not_a_model(name: str, names: set[str], error_id: str) -> TailfinError:
    instead = instead_of_weights(names)
    lacking = CONFIG if error_id == "model.no-config" else "weights (safetensors or bin)"
    is_adapter = "adapter_config.json" in names
    return TailfinError(
        f"The hub's {name} has no {lacking}" + (f"; it holds {instead}." if instead else "."),
        "Name the base model that the adapter was trained on."
        if is_adapter
        else "Name the original model that this one was made from.",
        where=name,
        error_id="model.is-adapter" if is_adapter else error_id,
    )


def _whole_in_cache(name: str, wanted: str, why: str) -> ModelPlace | None:
    cache = RepoCache.of(name)
    commit = cache.commit(wanted)
    if not commit:
        return None
    try:
        content = inspect_folder(cache.snapshot(commit))
    except TailfinError:
        return None
    total = sum(size for _, size in content.files)
    note = f"The cached copy of {name} ({commit[:12]}) was used. {why}".rstrip(".") + "."
    return ModelPlace(name, False, commit, content.files, total, total, content.config, note)


def _similar(name: str) -> str:
    """Names close to a wrong one, from the cache and from the same owner; best effort."""
    known = cached_models()
    owner, _, _ = name.rpartition("/")
    if owner:
        from huggingface_hub import HfApi

        def ask() -> list[str]:
            return [model.id for model in HfApi().list_models(author=owner, limit=300)]

        with suppress(Exception):
            known += _within(_QUESTION_TIMEOUT_S, ask)
    close = difflib.get_close_matches(name, dict.fromkeys(known), n=3, cutoff=0.75)
    return " or ".join(close)


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Run a conversation in a thread and give up on time, whatever it is stuck in."""
    result: list[T] = []
    failure: list[Exception] = []

    def run() -> None:
        try:
            result.append(work())
        except Exception as error:  # carried to the asking thread below
            failure.append(error)

    thread = threading.Thread(target=run, name="hub", daemon=True)
    thread.start()
    thread.join(seconds)
    if failure:
        raise failure[0]
    if not result:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return result[0]
