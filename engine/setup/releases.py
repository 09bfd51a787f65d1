"""PyTorch's releases as they were published: CUDA builds, the cards each has code for, Pythons.

From RELEASE.md of pytorch/pytorch and the threads named below. A release missing here is never
proposed; whether an installed one has code for a card is judged by the nearest row.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.setup.installed import release

Capability = tuple[int, int]
CudaRelease = tuple[int, int]

# A card of a later generation than any of these is not judged.
NEWEST_GENERATION = 12
# A build of PyTorch's own: a vendor's or one's own (2.9.0a0+145a3a7.nv25.10) has other cards.
_PUBLISHED = re.compile(r"\d+(\.\d+)*(rc\d+)?(\.post\d+)?(\.dev\d{8})?(\+cu\d+)?")
# Every wheel since 2.6.0 is manylinux_2_28, apart from its CUDA 12.4 build; pyarrow asks it too.
MIN_GLIBC = (2, 28)

_TO_HOPPER = ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))
_FROM_VOLTA = ((7, 0), (7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))
_FROM_TURING = ((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0))
_ARM = {
    (12, 6): ((8, 0), (9, 0)),
    (12, 8): ((8, 0), (9, 0), (10, 0), (12, 0)),
    (13, 0): ((8, 0), (9, 0), (10, 0), (11, 0), (12, 0)),
}


@dataclass(frozen=True, slots=True)
class Release:
    """One release; `builds` maps CUDA to the capabilities with code, `default` is what pip takes.

    `pythons` are the oldest and the newest Python with a wheel, both included. Capabilities are
    those of x86_64; +PTX is left out, because only some wheels of a build carry it.
    """

    version: str
    default: CudaRelease
    builds: dict[CudaRelease, tuple[Capability, ...]]
    pythons: tuple[tuple[int, int], tuple[int, int]]


# pytorch#187075, #182849, #178665: 12.8 was removed in 2.12, 13.2 added.
_SINCE_2_12 = {(12, 6): _TO_HOPPER, (13, 0): _FROM_TURING, (13, 2): _FROM_TURING}
# pytorch#164471: Volta is in the 12.8 builds of 2.8, 2.9 and 2.10.
_SINCE_2_9 = {(12, 6): _TO_HOPPER, (12, 8): _FROM_VOLTA, (13, 0): _FROM_TURING}
_TO_3_13, _TO_3_14 = ((3, 9), (3, 13)), ((3, 10), (3, 14))

# Newest first.
RELEASES = (
    # pytorch#190385: the 12.6 build is proposed for removal in 2.15.
    Release("2.15.0", (13, 2), {(13, 0): _FROM_TURING, (13, 2): _FROM_TURING}, _TO_3_14),
    Release("2.14.0", (13, 2), _SINCE_2_12, _TO_3_14),  # pytorch#190355
    Release("2.13.0", (13, 0), _SINCE_2_12, _TO_3_14),
    Release("2.12.0", (13, 0), _SINCE_2_12, _TO_3_14),
    # pytorch#175253, #172352: Volta left the 12.8 build; 13.0 became the default.
    Release(
        "2.11.0",
        (13, 0),
        {(12, 6): _TO_HOPPER, (12, 8): _FROM_TURING, (13, 0): _FROM_TURING},
        _TO_3_14,
    ),
    Release("2.10.0", (12, 8), _SINCE_2_9, _TO_3_14),
    Release("2.9.1", (12, 8), _SINCE_2_9, _TO_3_14),
    Release(
        "2.8.0",
        (12, 8),
        {(12, 6): _TO_HOPPER, (12, 8): _FROM_VOLTA, (12, 9): _FROM_VOLTA},
        _TO_3_13,
    ),
    # pytorch#145570: 12.8 came with 2.7, from Turing on.
    Release("2.7.1", (12, 6), {(12, 6): _TO_HOPPER, (12, 8): _FROM_TURING}, _TO_3_13),
    Release("2.6.0", (12, 4), {(12, 4): _TO_HOPPER, (12, 6): _TO_HOPPER}, _TO_3_13),
)


def capabilities(
    version: tuple[int, ...], cuda: CudaRelease, machine: str = "x86_64"
) -> tuple[Capability, ...]:
    """What a build has code for; of a build that is not listed, what its CUDA release allows."""
    if machine == "aarch64":
        return _ARM[max((known for known in _ARM if known <= cuda), default=(12, 6))]
    for row in RELEASES:
        if version[:2] == minor(row.version) and cuda in row.builds:
            return row.builds[cuda]
    if cuda >= (13, 0):
        return _FROM_TURING
    return _FROM_VOLTA if cuda >= (12, 8) else _TO_HOPPER


def has_code(built_for: tuple[Capability, ...], card: Capability) -> bool:
    """Whether code for one of these runs on a card: the same major, not a newer minor.

    docs.nvidia.com/cuda/cuda-c-programming-guide, binary compatibility.
    """
    return any(major == card[0] and minor <= card[1] for major, minor in built_for)


def missing_code(
    version: str, cuda: CudaRelease, cards: Iterable[Capability], machine: str = "x86_64"
) -> list[Capability]:
    """Cards for which a published build has no code; none of a build whose cards are not known."""
    if not _PUBLISHED.fullmatch(version):
        return []
    built_for = capabilities(release(version), cuda, machine)
    known = (card for card in cards if card > (0, 0) and card[0] <= NEWEST_GENERATION)
    return [card for card in known if not has_code(built_for, card)]


def minor(version: str) -> tuple[int, ...]:
    """The first two numbers of a version: `2.13.0` is (2, 13)."""
    return tuple(int(part) for part in version.split(".")[:2])
