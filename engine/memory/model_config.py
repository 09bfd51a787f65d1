"""config.json of a model, from a folder, a file or the hub, and what is still to download."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from engine.errors import TailfinError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A parsed config.json.

    `download` are bytes still to come (None where it is not known), `where` names the file for
    messages, `note` what the user should know about the source.
    """

    config: dict[str, object]
    where: str
    download: int | None
    note: str = ""


def read_config(path: str, revision: str = "") -> ModelConfig:
    """Find and parse the config of a local folder (weights not needed) or a hub name.

    Raises TailfinError; offline, gated and missing hub models have different hints.
    """
    local = Path(path).expanduser()
    file = local / "config.json" if local.is_dir() else local
    if file.suffix == ".json" and file.is_file():
        return ModelConfig(_parse(file), str(file), 0)
    from engine.hub import find_model

    place = find_model(path, revision, need_space=False)
    where = f"{path}/config.json"
    return ModelConfig(dict(place.config), where, place.missing_bytes, place.note)


def _parse(file: Path) -> dict[str, object]:
    try:
        parsed = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise TailfinError(
            f"{file} is not valid JSON: {error}.",
            "Copy the model's config.json again.",
            where=f"{file}:{error.lineno}",
            error_id="budget.config",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TailfinError(
            f"{file} could not be read: {error}.",
            "Check its permissions and that it is UTF-8 text.",
            where=file,
            error_id="budget.config",
        ) from None
    if not isinstance(parsed, dict):
        raise TailfinError(
            f"{file} holds a {type(parsed).__name__}, not an object.",
            "Name the folder of a transformers model.",
            where=file,
            error_id="budget.config",
        )
    return parsed
