"""The settings a run really has now: its spec, with what later attempts changed laid over it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from engine.runs.store import RunFolder
from engine.settings import load_spec
from engine.spec import Spec


def effective_spec(run: RunFolder, changes: Mapping[str, str]) -> Spec:
    """`spec.toml` with changes (dotted path -> JSON value) over it; raises TailfinError."""
    sets = [f"{path}={_toml(json.loads(value))}" for path, value in sorted(changes.items())]
    return load_spec(run.spec, sets).spec


def as_changes(values: Mapping[str, object]) -> dict[str, str]:
    """Dotted paths with their values as JSON, the form the log keeps."""
    return {path: json.dumps(value, ensure_ascii=False) for path, value in values.items()}


def _toml(value: object) -> str:
    """JSON and TOML write numbers, booleans and strings alike."""
    return json.dumps(value, ensure_ascii=False)
