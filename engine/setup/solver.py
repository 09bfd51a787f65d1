"""The solver: which torch and bitsandbytes fit this driver, these cards, this system and Python.

Pure and from tables: it asks nothing and installs nothing. It never goes beyond the tested torch,
and takes the newest older release only where the tested one has no build that fits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.setup.driver import min_driver
from engine.setup.interpreter import MIN_PYTHON
from engine.setup.releases import MIN_GLIBC, RELEASES, Release, capabilities, has_code, minor

MIN_TORCH = "2.6"
# bitsandbytes falls back to another library of the same CUDA major only (its cextension.py);
# 0.48 was the first with one for CUDA 13 (bitsandbytes#1761).
BITSANDBYTES_BY_CUDA_MAJOR = {11: "0.43.0", 12: "0.43.0", 13: "0.48.0"}
# "SM60+ minimum" in the table of its README.
BITSANDBYTES_MIN_CAPABILITY = (6, 0)
_OLDEST_DRIVER = 525


@dataclass(frozen=True, slots=True)
class Box:
    """What decides about torch; what is not known is empty or zero and decides nothing.

    `cuda` is the newest the driver's library speaks, as NVML tells it. `capabilities` are those of
    the cards in order. `has_compat_library`: a newer libcuda was put before the driver's own
    (forward compatibility), so that the driver's version does not decide alone.
    """

    has_gpu: bool
    driver: str = ""
    cuda: tuple[int, int] = (0, 0)
    capabilities: tuple[tuple[int, int], ...] = ()
    glibc: tuple[int, int] = (0, 0)
    python: tuple[int, int] = (0, 0)
    machine: str = "x86_64"
    has_compat_library: bool = False

    def speaks(self, cuda_major: int) -> bool:
        """Whether builds of a CUDA major start here; True where nothing is known.

        docs.nvidia.com/deploy/cuda-compatibility: within a major, any driver of that major will do.
        """
        major = self.driver.partition(".")[0]
        if self.cuda[0] and self.cuda[0] < cuda_major:
            return False
        if self.has_compat_library and self.cuda[0]:
            return True
        return not major.isdecimal() or int(major) >= min_driver(cuda_major)

    @property
    def described(self) -> str:
        """The driver in words, for a message."""
        told = [f"driver {self.driver}"] if self.driver else []
        told += [f"CUDA up to {self.cuda[0]}.{self.cuda[1]}"] if self.cuda[0] else []
        return ", ".join(told) or "an unknown driver"


@dataclass(frozen=True, slots=True)
class Fit:
    """The answer: a torch release and its CUDA build.

    `is_default`: pip takes that build of the release by itself. `is_usual`: it is the tested
    release too. `for_gpu`: there is a GPU it was chosen for. `bitsandbytes` is the oldest that
    fits, empty where none has code for these cards.
    """

    torch: str
    cuda: tuple[int, int]
    is_default: bool
    is_usual: bool
    for_gpu: bool
    bitsandbytes: str
    reason: str

    @property
    def label(self) -> str:
        return f"{self.torch} (CUDA {dotted(self.cuda)})"

    @property
    def backend(self) -> str:
        """The build's short name, such as `cu128`."""
        return f"cu{self.cuda[0]}{self.cuda[1]}"

    def command(self, *, replace_torch: bool, setup: str = "tailfin setup") -> str:
        """What installs exactly this."""
        words = [setup] + ["--replace-torch"] * replace_torch
        return " ".join(words + (["--cuda", dotted(self.cuda)] if self.for_gpu else []))


@dataclass(frozen=True, slots=True)
class NoFit:
    """No torch fits: why, and what helps."""

    reason: str
    advice: str


def solve(box: Box, tested: str, cuda: tuple[int, int] | None = None) -> Fit | NoFit:
    """The tested torch or the newest older release that runs here; of one CUDA release if asked.

    `tested` is a version such as "2.13.0".
    """
    refused = _refusal(box)
    if refused is not None:
        return refused
    for release in RELEASES:
        if minor(release.version) > minor(tested):
            continue
        for build in _builds(release):
            if cuda is None or build == cuda:
                found = _fit(box, release, build, tested)
                if found is not None:
                    return found
    return _none(box, tested, cuda)


def runs_on(box: Box, version: tuple[int, ...], cuda: tuple[int, int]) -> bool:
    """Whether a build of torch runs on every card of a box and under its driver."""
    built_for = capabilities(version, cuda, box.machine)
    return box.speaks(cuda[0]) and all(has_code(built_for, card) for card in box.capabilities)


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def read_cuda(text: str) -> tuple[int, int] | None:
    """`12.8`, `128` or `cu128` as (12, 8); None where it is none of them."""
    digits = text.lower().removeprefix("cu")
    major, dot, minor = digits.partition(".")
    if not dot:
        major, minor = digits[:2], digits[2:]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def known_cuda(tested: str) -> list[tuple[int, int]]:
    """CUDA releases that some torch up to the tested one is built for, oldest first."""
    known = {
        build
        for release in RELEASES
        if minor(release.version) <= minor(tested)
        for build in release.builds
    }
    return sorted(known)


def _builds(release: Release) -> list[tuple[int, int]]:
    """The default first, then older ones, newest first; those newer than it are experimental."""
    stable = sorted((build for build in release.builds if build < release.default), reverse=True)
    return [release.default, *stable, *(set(release.builds) - {release.default, *stable})]


def _fit(box: Box, release: Release, build: tuple[int, int], tested: str) -> Fit | None:
    oldest, newest = release.pythons
    if box.python != (0, 0) and not oldest <= box.python <= newest:
        return None
    if box.has_gpu and not runs_on(box, minor(release.version), build):
        return None
    is_tested = minor(release.version) == minor(tested)
    # What pip takes by itself on ARM machines was a CPU build for long: CUDA is named there.
    is_default = build == release.default and (box.machine == "x86_64" or not box.has_gpu)
    return Fit(
        tested if is_tested else release.version,
        build,
        is_default,
        is_default and is_tested,
        box.has_gpu,
        _bitsandbytes(box, build[0]),
        _reason(box, build),
    )


def _bitsandbytes(box: Box, cuda_major: int) -> str:
    if any(card < BITSANDBYTES_MIN_CAPABILITY for card in box.capabilities):
        return ""
    return BITSANDBYTES_BY_CUDA_MAJOR.get(cuda_major, "")


def _reason(box: Box, build: tuple[int, int]) -> str:
    if not box.has_gpu:
        return "there is no GPU to fit"
    cards = f" and code for {_cards(box.capabilities)}" if box.capabilities else ""
    return f"CUDA {build[0]} runs under {box.described}{cards}"


def _cards(cards: Iterable[tuple[int, int]]) -> str:
    kinds = ", ".join(dotted(card) for card in sorted(set(cards)))
    return f"compute capability {kinds}"


def _refusal(box: Box) -> NoFit | None:
    """What no choice of torch changes."""
    if box.python != (0, 0) and box.python < MIN_PYTHON:
        least = dotted(MIN_PYTHON)
        return NoFit(
            f"Python {dotted(box.python)} is older than {least}, which transformers and TRL need",
            f"Use Python {least} or newer.",
        )
    if box.glibc != (0, 0) and box.glibc < MIN_GLIBC:
        return NoFit(
            f"torch and pyarrow need glibc {dotted(MIN_GLIBC)} or newer, this system has "
            f"{dotted(box.glibc)}",
            "Start the box from a newer image, such as Ubuntu 22.04.",
        )
    if box.has_gpu and not box.speaks(12):
        return NoFit(
            f"every torch from {MIN_TORCH} on needs driver {_OLDEST_DRIVER} or newer, this box has "
            f"{box.described}",
            f"Change to a host with driver {_OLDEST_DRIVER} or newer, better "
            f"{min_driver(13)}: it cannot be changed from inside a container.",
        )
    return None


def _none(box: Box, tested: str, cuda: tuple[int, int] | None) -> NoFit:
    if cuda is not None:
        free = solve(box, tested)
        named = f"CUDA {dotted(cuda)}"
        if isinstance(free, Fit):
            return NoFit(
                f"no torch from {MIN_TORCH} to {tested} built for {named} runs here "
                f"({box.described}{_described_cards(box)})",
                f"Take the build that does: {free.command(replace_torch=False)}",
            )
        return free
    newest = max(newest for _, newest in (release.pythons for release in RELEASES))
    if box.python > newest:
        return NoFit(
            f"there is no torch for Python {dotted(box.python)} yet",
            f"Use Python {dotted(newest)} or older.",
        )
    kinds = sorted(set(box.capabilities))
    several = kinds if len(kinds) > 1 else []
    alone = {kind: solve(replace(box, capabilities=(kind,)), tested) for kind in several}
    usable = [kind for kind in several if isinstance(alone[kind], Fit)]
    if usable:
        best = max(usable)
        chosen = ",".join(str(i) for i, card in enumerate(box.capabilities) if card == best)
        return NoFit(
            f"no torch has code for all cards of this box ({_cards(kinds)}) under {box.described}",
            "Train on the cards of one kind: "
            f"export CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES={chosen}",
        )
    return NoFit(
        f"no torch from {MIN_TORCH} to {tested} has code for {_cards(kinds)} under {box.described}",
        "Change to a host with another card or a newer driver.",
    )


def _described_cards(box: Box) -> str:
    return f", {_cards(box.capabilities)}" if box.capabilities else ""
