"""Makes a run: its folder, its spec, and the detached training."""

from __future__ import annotations

import os

from engine.errors import TailfinError
from engine.runs.launch import launch, worker_command
from engine.runs.store import RunFolder, create_run
from engine.settings import Resolved, spec_to_toml


def start_training(resolved: Resolved, root: str | None = None) -> RunFolder:
    """Create the folder, write its spec once and start the worker; returns once it is alive."""
    run = create_run(resolved.spec.name, root)
    write_spec(run, resolved)
    launch(run, worker_command("train", str(run.path)))
    return run


def write_spec(run: RunFolder, resolved: Resolved) -> None:
    """Write `spec.toml` once."""
    try:
        with open(run.spec, "x", encoding="utf-8") as file:
            file.write(spec_text(resolved))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise TailfinError(
            f"{run.spec} could not be written: {error.strerror}.",
            "Free space, or name another folder with --runs DIR.",
            where=run.spec,
            exit_code=1,
        ) from None


def spec_text(resolved: Resolved) -> str:
    """`spec.toml`: every setting, and above them who chose what is not a default."""
    chosen = [f"# {path}: {src}" for path, src in resolved.sources.items() if src != "default"]
    text = "\n".join(["# Where the values came from, unless they are defaults:", *chosen, "", ""])
    return text + spec_to_toml(resolved.spec)
