"""The settings a run really has now: its spec, with what later attempts changed laid over it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.errors import TailfinError
from engine.runs.store import RunFolder
from engine.settings import layer, load_spec
from engine.spec import Spec


def effective_spec(run: RunFolder, changes: Mapping[str, str]) -> Spec:
    """`spec.toml` with changes (dotted path -> JSON value) over it; raises TailfinError."""
    base = load_spec(run.spec).spec.model_dump(mode="json")
    chosen: dict[str, dict[str, object]] = {}
    for path, value in changes.items():
        section, _, name = path.partition(".")
        try:
            chosen.setdefault(section, {})[name] = json.loads(value)
        except ValueError:
            raise TailfinError(
                f"What an attempt changed at {path} cannot be read from {run.events}.",
                "Start a new run with these settings.",
                where=run.events,
            ) from None
    return layer([("resume", chosen), (str(run.spec), base)]).spec


def as_changes(values: Mapping[str, object]) -> dict[str, str]:
    """Dotted paths with their values as JSON, the form the log keeps."""
    return {path: json.dumps(value, ensure_ascii=False) for path, value in values.items()}
