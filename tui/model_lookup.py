"""Everything the model step shows about a model, asked in a thread."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.errors import TailfinError

if TYPE_CHECKING:
    from engine.hub import ModelPlace
    from engine.memory.model_shape import ModelShape

_TOKEN = re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}")
# What people paste from the browser: the page of a model, or of a branch of it.
_PAGE = re.compile(
    r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)/([^?#]+)(?:[?#].*)?"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A model that can be used, and what is worth knowing about it.

    `shape` is None with `shape_trouble` where its memory cannot be estimated; `has_template` None
    where only the download will tell. `free_bytes` is the room at `cache`, where downloads go.
    """

    place: ModelPlace
    shape: ModelShape | None
    shape_trouble: str
    has_template: bool | None
    cache: str = ""
    free_bytes: int = 0


def look_up(written: str, revision: str = "") -> Found:
    """Find a model and study it; raises TailfinError with the reason why it cannot be used."""
    from engine.hub import find_model

    return study(find_model(written, revision))


def study(place: ModelPlace) -> Found:
    """What the files of a model that was found say; asks nobody."""
    from engine.hub.chat_template import has_chat_template
    from engine.memory.model_shape import read_shape

    shape, trouble = None, ""
    try:
        shape = read_shape(place.config, where=f"{place.path}/config.json")
    except TailfinError as error:
        trouble = error.message
    found = Found(place, shape, trouble, has_chat_template(place))
    if place.is_local:
        return found
    from engine.hub.cache import cache_root, free_bytes

    root = cache_root()
    return Found(place, shape, trouble, found.has_template, str(root), free_bytes(root))


def holds_token(text: str) -> bool:
    """Whether somebody pasted a hub token where a model is asked for."""
    return bool(_TOKEN.search(text))


def from_page(text: str) -> str:
    """The hub name inside the address of a model's page; other text as it is."""
    match = _PAGE.fullmatch(text.strip())
    if match is None:
        return text
    parts = match[1].strip("/").split("/")
    return "/".join(parts[:2])
