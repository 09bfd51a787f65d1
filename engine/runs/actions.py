"""What can be done about an ending, each with the exact command that does it."""

from __future__ import annotations

import itertools
import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.runs.store import RunFolder, name_of, runs_root

if TYPE_CHECKING:
    from engine.runs.gpu_faults import GpuFault
    from engine.runs.state import Observed
    from engine.spec import Spec

# What a job is called on a command line, by what it calls itself in its log.
_JOB_COMMANDS = {"export": "export", "evaluate": "eval"}


@dataclass(frozen=True, slots=True)
class Action:
    """One way on.

    `says` is the action in words; `command` does it in a shell. Where `resumes` is true,
    `prepare_resume` with `changes` (dotted path -> value as JSON) does the same. `predicted_gib`
    is the peak it would need by the estimate, None where that is not known; `cost` is none, speed
    or quality, empty where it does not apply.
    """

    says: str
    changes: tuple[tuple[str, str], ...]
    command: str
    resumes: bool
    predicted_gib: float | None = None
    cost: str = ""


def resume_command(run: RunFolder, changes: Mapping[str, str] | None = None) -> str:
    """`tailfin resume RUN --set ...` for changes as JSON, quoted for a shell."""
    return " ".join(["tailfin resume", name_of(run), *map(shlex.quote, _sets(changes or {}))])


def train_command(run: RunFolder, changes: Mapping[str, str]) -> str:
    """`tailfin train SPEC --set ...`: a new run with this one's settings and these changes."""
    words = ["tailfin", "train", str(run.spec), *_sets(changes)]
    if Path(os.path.realpath(run.path.parent)) != runs_root():
        words += ["--runs", str(run.path.parent)]
    return shlex.join(words)


def resume_action(run: RunFolder, says: str, changes: Mapping[str, str] | None = None) -> Action:
    """A resume that applies these changes, as JSON by dotted path."""
    chosen = dict(changes or {})
    return Action(says, tuple(chosen.items()), resume_command(run, chosen), resumes=True)


def shell_action(says: str, command: str) -> Action:
    """Something to do outside a run."""
    return Action(says, (), command, resumes=False)


def job_actions(run: RunFolder, observed: Observed) -> tuple[Action, ...]:
    """A job is not resumed: its command is called again."""
    kind = observed.status.started.job if observed.status.started else run.id.rpartition("-")[2]
    word = _JOB_COMMANDS.get(kind, kind)
    owner = RunFolder(run.path.parent.parent)
    command = f"tailfin {shlex.quote(word)} {name_of(owner)}"
    return (shell_action("Call its command again, with the options it had", command),)


def live_actions(run: RunFolder) -> tuple[Action, ...]:
    name = name_of(run)
    return (
        shell_action("Follow it", f"tailfin attach {name}"),
        shell_action("End it; it saves first", f"tailfin stop {name}"),
    )


def result_actions(run: RunFolder) -> tuple[Action, ...]:
    """What a delivered result is good for."""
    name = name_of(run)
    # A run that trained whole weights has no adapter to export.
    forms = "merged" if run.model.is_dir() else "adapter,merged"
    return (
        shell_action("Talk with it", f"tailfin chat {name}"),
        shell_action("Compare it with its base", f"tailfin eval {name}"),
        shell_action("Export it", f"tailfin export {name} --to {forms}"),
    )


def elsewhere_actions(run: RunFolder) -> tuple[Action, ...]:
    """Another box had it last; taking it over while that one works would write over its log."""
    force = f"{resume_command(run)} --force"
    return (
        Action("Take it over, once that box is stopped or gone", (), force, resumes=False),
        resume_action(run, "Continue here, two minutes after its last event"),
    )


def input_actions(run: RunFolder, hint: str) -> tuple[Action, ...]:
    """What the message asks for; a setting named in it goes into the command."""
    from engine.runs.resume import is_resumable

    changes = _settings_in(run, hint)
    if is_resumable(changes):
        return (resume_action(run, hint or "Correct it, then resume", changes),)
    return (
        Action(hint, tuple(changes.items()), train_command(run, changes), resumes=False),
        resume_action(run, "Resume as it is, once it is corrected"),
    )


def gpu_actions(run: RunFolder, fault: GpuFault, from_step: int) -> tuple[Action, ...]:
    """After a lost card."""
    actions = [
        resume_action(run, f"{fault.action} {_from(from_step)}"),
        shell_action("See whether the driver still answers", "nvidia-smi"),
        shell_action("Look for Xid in the kernel log (needs root)", "sudo dmesg | grep -i xid"),
        shell_action("Check the box", "tailfin doctor"),
    ]
    if fault.is_maybe_program:
        actions.insert(1, _blocking(run))
    return tuple(actions)


def crash_actions(
    run: RunFolder, observed: Observed, from_step: int, trace: str, *, is_assert: bool
) -> tuple[Action, ...]:
    """After an error of the program, or a worker that vanished."""
    actions = [resume_action(run, f"Resume. {_from(from_step)}")]
    if is_assert:
        actions.insert(0, _blocking(run))
        actions += _look_at_tokens(run, observed)
    log = trace or str(run.worker_log)
    actions.append(shell_action("Read how it came to it", shlex.join(["less", log])))
    return tuple(actions)


def killed_actions(run: RunFolder, observed: Observed, from_step: int) -> tuple[Action, ...]:
    """After the worker was killed, most often because RAM ran out."""
    from engine.errors import TailfinError
    from engine.runs.effective import as_changes, effective_spec
    from engine.runs.resume import fewer_rows

    status = observed.status
    plain = resume_action(
        run, f"Free RAM (what else runs here?) or give the container more. {_from(from_step)}"
    )
    actions = [plain, shell_action("See what takes RAM", "ps aux --sort=-rss | head")]
    try:
        changes = dict(status.changes)
        spec = effective_spec(run, changes)
    except TailfinError:
        return tuple(actions)
    fewer = fewer_rows(spec)
    if fewer and status.stage == "train" and status.plan and status.plan.device == "cpu":
        # Without a card RAM is what a step fills.
        actions.insert(0, resume_action(run, say_fewer_rows(spec, fewer), as_changes(fewer)))
    if spec.data.num_proc > 1 and status.stage == "tokenise":
        says = f"Tokenise in one process instead of {spec.data.num_proc}"
        actions.insert(0, resume_action(run, says, {"data.num_proc": "0"}))
    if spec.train.optimizer.startswith("paged"):
        changes["train.optimizer"] = '"adamw_8bit"'
        says = "Start anew with an optimizer that keeps nothing in RAM"
        command = train_command(run, changes)
        actions.append(Action(says, tuple(changes.items()), command, resumes=False))
    return tuple(actions)


def _settings_in(run: RunFolder, hint: str) -> dict[str, str]:
    """What `--set` words in a hint would change, as JSON; nothing where one is only an example."""
    from engine.errors import TailfinError
    from engine.runs.effective import as_changes, effective_spec
    from engine.settings import flatten, parse_set

    pairs = itertools.pairwise(hint.split())
    sets = [word.rstrip(".,;") for flag, word in pairs if flag == "--set" and "=" in word]
    try:
        changes = as_changes(dict(flatten(parse_set(sets))))
        effective_spec(run, changes)
    except TailfinError:
        return {}
    return changes


def say_fewer_rows(spec: Spec, fewer: Mapping[str, object]) -> str:
    """The change in numbers, and what stays."""
    train = spec.train
    rows, times = fewer["train.micro_batch"], fewer["train.accumulation"]
    return (
        f"Resume with micro-batch {rows} x {times} accumulated instead of {train.micro_batch} x "
        f"{train.accumulation}; the effective batch stays {train.micro_batch * train.accumulation}"
    )


def _from(step: int) -> str:
    return f"It goes on from step {step}." if step else "It starts from the first step."


def _blocking(run: RunFolder) -> Action:
    says = "Resume so that the traceback names the operation that failed; slower"
    return shell_action(says, f"CUDA_LAUNCH_BLOCKING=1 {resume_command(run)}")


def _look_at_tokens(run: RunFolder, observed: Observed) -> list[Action]:
    from engine.errors import TailfinError
    from engine.runs.effective import effective_spec

    try:
        spec = effective_spec(run, dict(observed.status.changes))
    except TailfinError:
        return []
    command = shlex.join(["tailfin", "data", "report", spec.data.path, "--model", spec.model.path])
    return [shell_action("Check that the tokenizer fits the model", command)]


def _sets(changes: Mapping[str, str]) -> list[str]:
    words: list[str] = []
    for path, value in changes.items():
        words += ["--set", _set_word(path, value)]
    return words


def _set_word(path: str, value: str) -> str:
    """`train.method=qlora` rather than `train.method="qlora"` where both are read the same."""
    from engine.settings import flatten, parse_set

    meant = json.loads(value)
    if isinstance(meant, str):
        bare = f"{path}={meant}"
        if dict(flatten(parse_set([bare]))) == {path: meant}:
            return bare
    return f"{path}={value}"
