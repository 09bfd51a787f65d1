"""Profiles: named starting points, one TOML each, that fill what the user did not choose."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from engine.bundled import bundled
from engine.errors import TailfinError

# tables in profiles/ that are not starting points
_NOT_PROFILES = {"cards", "measured", "models", "starting_points"}


@dataclass(frozen=True, slots=True)
class Profile:
    """A starting point: its name, one sentence on when to use it, and its settings."""

    name: str
    summary: str
    settings: dict[str, object]


def profile_names() -> list[str]:
    """Names of all bundled profiles, sorted."""
    return sorted(p.stem for p in bundled("profiles").glob("*.toml") if p.stem not in _NOT_PROFILES)


def load_profile(name: str) -> Profile:
    """A bundled profile by name, or one from a path that ends in .toml; raises TailfinError."""
    path = Path(name) if name.endswith(".toml") else bundled("profiles") / f"{name}.toml"
    if path.stem in _NOT_PROFILES or not path.is_file():
        raise TailfinError(
            f"There is no profile '{name}'.",
            f"Choose one of: {', '.join(profile_names())}.",
            where=name,
        )
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TailfinError(
            f"The profile {path} is not valid TOML: {error}.", "Correct that line.", where=path
        ) from None
    summary = str(table.pop("summary", ""))
    return Profile(name=path.stem, summary=summary, settings=table)
