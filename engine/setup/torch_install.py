"""The calls that bring one torch into an interpreter, and the pins that leave it alone after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.setup.install import Install
from engine.setup.installed import Distribution, required_closure, required_name
from engine.setup.plan import TorchPlan
from engine.setup.solver import Fit

# An older one may not know the newest names of --torch-backend.
_UV = "uv>=0.9"
# These unpack into the same folders whichever CUDA they are for, so that two overwrite each other.
_CUDA_PACKAGE = re.compile(r"nvidia-[a-z-]+-cu(\d\d)")
# What torch itself asks for, in releases whose own metadata cannot be read yet.
_NEEDED_BY_TORCH = frozenset(
    ("filelock", "fsspec", "jinja2", "mpmath", "networkx", "setuptools", "sympy", "triton")
)


def torch_installs(
    plan: TorchPlan,
    pinned: Sequence[str],
    tested: str,
    known: Mapping[str, Distribution],
    *,
    torch_index: str = "",
    break_system: bool = False,
) -> list[Install]:
    """The calls that install the plan's torch; `tested` is a pin such as `torch==2.13.0`.

    pip takes the build that is its default; another build is installed by uv.
    """
    fit = plan.fit
    wanted = tested if fit is None else f"torch=={fit.torch}"
    pins = pins_for(fit, pinned, tested, known)
    if fit is None or fit.is_default:
        # Without its dependencies: those that are there may be newer and belong to others.
        alone = ("--force-reinstall", "--no-deps") if plan.replace else ()
        return [Install((wanted,), () if alone else pins, torch_index, alone)]
    options: tuple[str, ...] = ("--reinstall-package", "torch") if plan.replace else ()
    if break_system:
        options += ("--break-system-packages",)
    others = other_cuda_packages(known, fit.cuda[0]) if plan.replace else ()
    first = [Install(others, removes=True)] if others else []
    uv = [] if "uv" in known else [Install((_UV,))]
    return [*first, *uv, Install((wanted,), pins, options=options, backend=fit.backend)]


def pins_for(
    fit: Fit | None, pinned: Sequence[str], tested: str, known: Mapping[str, Distribution]
) -> tuple[str, ...]:
    """The tested pins; beside a torch that is not the tested one, without what torch asks for."""
    if fit is None or f"torch=={fit.torch}" == tested:
        return tuple(pinned)
    own = required_closure("torch", known) | _NEEDED_BY_TORCH
    return tuple(pin for pin in pinned if required_name(pin) not in own)


def other_cuda_packages(known: Mapping[str, Distribution], cuda_major: int) -> tuple[str, ...]:
    """Installed CUDA libraries of another major than this one."""
    found = []
    for name in sorted(known):
        match = _CUDA_PACKAGE.fullmatch(name)
        if match and int(match[1]) != cuda_major:
            found.append(name)
    return tuple(found)
