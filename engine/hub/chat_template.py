"""Whether a model brings a chat template, told by its files alone."""

from __future__ import annotations

import json
from pathlib import Path

from engine.hub.place import ModelPlace

_FILE = "chat_template.jinja"
_FOLDER = "additional_chat_templates/"
_OLD_FILE = "chat_template.json"
_CONFIG = "tokenizer_config.json"


def has_chat_template(place: ModelPlace) -> bool | None:
    """True or False where the files tell, None for a hub model whose small files are not here yet.

    A template stands in a file of its own, or, as older releases of transformers wrote it, in
    tokenizer_config.json. Nothing is downloaded.
    """
    names = [name for name, _ in place.files]
    if any(name in (_FILE, _OLD_FILE) or name.startswith(_FOLDER) for name in names):
        return True
    if _CONFIG not in names:
        return False
    try:
        config = json.loads((_folder(place) / _CONFIG).read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return None  # the worker says what is wrong with it
    return isinstance(config, dict) and bool(config.get("chat_template"))


def _folder(place: ModelPlace) -> Path:
    if place.is_local:
        return Path(place.path)
    from engine.hub.cache import RepoCache

    return RepoCache.of(place.path).snapshot(place.revision)
