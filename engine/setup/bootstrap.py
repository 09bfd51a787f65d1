"""`python3 -m engine.setup.bootstrap`: a checkout gets its environment; a second run does nothing.

Runs on bare Python. A torch of that Python that works on the GPU is seen by the environment
instead of being installed again.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from engine.errors import TailfinError
from engine.setup.environment import (
    Stamp,
    make_environment,
    python_of,
    read_stamp,
    setup_key,
    write_stamp,
)
from engine.setup.here import this_box
from engine.setup.install import Install, run_installs
from engine.setup.installed import installed
from engine.setup.interpreter import check_can_make_environment, this_interpreter
from engine.setup.plan import TorchPlan, plan_for_new_environment
from engine.setup.requirements import pins, pins_beside_torch, torch_pin
from engine.setup.solver import Box
from engine.setup.torch_build import TorchBuild, find_torch, works_on_gpu
from engine.setup.torch_install import pins_for, torch_installs

ROOT = Path(__file__).resolve().parents[2]


def main(argv: Sequence[str] | None = None) -> int:
    """Set the checkout's environment up; 0 when it is complete."""
    parser = argparse.ArgumentParser(prog="python3 -m engine.setup.bootstrap", description=__doc__)
    parser.add_argument("--extra", default="train", help="extras to install, comma-separated")
    parser.add_argument("--venv", default=str(ROOT / ".venv"), help="folder of the environment")
    parser.add_argument("--torch-index", default="", help="index to take torch from")
    args = parser.parse_args(argv)
    extras = tuple(sorted({word for word in args.extra.split(",") if word}))
    environment = Path(args.venv).absolute()
    try:
        with _Alone(environment):
            set_up(environment, extras, torch_index=args.torch_index)
    except TailfinError as error:
        where = f" [{error.where}]" if error.where else ""
        print(f"setup: {error.message}{where}\n  do: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


def set_up(
    environment: Path,
    extras: tuple[str, ...],
    *,
    torch_index: str = "",
    root: Path = ROOT,
    box: Box | None = None,
) -> bool:
    """Bring the environment up to the checkout's requirements; False where it already was."""
    began = time.monotonic()
    files = [root / name for name in ("pyproject.toml", "constraints.txt", ".ci/torch.txt")]
    key = setup_key(files, sys.version, sys.prefix, str(environment), torch_index)
    old = read_stamp(environment)
    if old and old.covers(key, extras):
        return False
    if old and old.key == key:
        extras = tuple(sorted({*extras, *old.extras}))
    check_can_make_environment(this_interpreter())
    build = find_torch()
    tested = torch_pin(root / ".ci/torch.txt")
    plan = plan_for_new_environment(
        build,
        box or this_box(),
        works_on_gpu,
        tested=tested.partition("==")[2],
        torch_index=torch_index,
    )
    reused = build if plan.action == "keep" else None
    _say(plan.reason)
    made = make_environment(environment, see_parent=reused is not None)
    _say(f"{'made' if made else 'kept'} the environment {environment} ({sys.version.split()[0]})")
    installs = _installs(root, plan, reused, extras, torch_index)
    run_installs(installs, str(python_of(environment)), root)
    write_stamp(environment, Stamp(key, extras, str(reused.folder) if reused else ""))
    _say(f"done in {time.monotonic() - began:.0f} s")
    return True


def _installs(
    root: Path,
    plan: TorchPlan,
    reused: TorchBuild | None,
    extras: tuple[str, ...],
    torch_index: str,
) -> list[Install]:
    project = f"{root}[{','.join(extras)}]" if extras else str(root)
    tested = pins(root / "constraints.txt")
    if reused is not None:
        kept = pins_beside_torch(tested, reused.version, installed())
        return [Install(("--editable", project), tuple(kept))]
    torch = torch_pin(root / ".ci/torch.txt")
    usual = not torch_index and (plan.fit is None or plan.fit.is_usual)
    first = [] if usual else torch_installs(plan, tested, torch, {}, torch_index=torch_index)
    beside = pins_for(plan.fit, tested, torch, {})
    chosen = torch if plan.fit is None else f"torch=={plan.fit.torch}"
    return [*first, Install(("--editable", project), (*beside, chosen))]


def _say(text: str) -> None:
    print(f"setup: {text}", file=sys.stderr, flush=True)


class _Alone:
    """Holds a lock beside the environment, so that two makes do not install into it at once."""

    def __init__(self, environment: Path) -> None:
        self._path = environment.with_name(f"{environment.name}.lock")
        self._handle = -1

    def __enter__(self) -> None:
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(self._handle, fcntl.LOCK_EX)
        except OSError as error:
            raise TailfinError(
                f"The environment's folder could not be written: {error.strerror}.",
                "Clone into a folder you may write to.",
                where=self._path,
            ) from error

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


if __name__ == "__main__":
    sys.exit(main())
