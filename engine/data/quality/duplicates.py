"""Rows that repeat others: exactly, nearly, or with another answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from engine.data.quality.signature import BAND, FEWEST, NUM_PERM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# (asked, numbers, sizes, signatures) of rows, as in Census.
Compared: TypeAlias = "tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]"
# Share of words that near duplicates have in common, question and answer told apart, from so many
# different words on: in a short row one other word can be another question.
_NEAR = ((0, 0.88), (20, 0.78), (40, 0.7))
# Share of the words that their answers have in common.
_SAME_ANSWER = 0.5
# In a band with many equal rows each is compared with so many before it.
_NEIGHBOURS = 4


@dataclass(frozen=True, slots=True)
class Repeats:
    """Indices of rows; `of` names for each near duplicate an earlier row that it resembles.

    `exact` repeat an earlier row after folding; `contradicting` ask what another row answers
    differently; `num_questions` counts the questions among these.
    """

    exact: NDArray[np.int64]
    near: NDArray[np.int64]
    of: NDArray[np.int64]
    contradicting: NDArray[np.int64]
    num_questions: int


def find_repeats(
    asked: NDArray[np.uint64],
    said: NDArray[np.uint64],
    numbers: NDArray[np.uint64],
    sizes: NDArray[np.int16],
    signatures: NDArray[np.uint32],
) -> Repeats:
    """Compare rows by what is counted of them (see Census), in file order."""
    import numpy as np

    whole = asked * np.uint64(0x9E3779B97F4A7C15) ^ said
    exact = _later(whole)
    contradicting, num_questions = _contradicting(asked, whole)
    is_exact = np.zeros(len(asked), dtype=bool)
    is_exact[exact] = True
    usable = np.flatnonzero((sizes >= FEWEST) & ~is_exact)
    later, earlier = _near(signatures[usable], numbers[usable], sizes[usable])
    return Repeats(exact, usable[later], usable[earlier], contradicting, num_questions)


def clusters(
    asked: NDArray[np.uint64],
    said: NDArray[np.uint64],
    numbers: NDArray[np.uint64],
    sizes: NDArray[np.int16],
    signatures: NDArray[np.uint32],
) -> NDArray[np.int64]:
    """For each row the smallest index of its cluster, arguments as for find_repeats.

    Rows that ask the same or nearly repeat each other are in one cluster, and so are those that
    are linked by others.
    """
    import numpy as np

    parents = np.arange(len(asked)).tolist()
    order = np.argsort(asked, kind="stable")
    same = np.flatnonzero(asked[order[1:]] == asked[order[:-1]])
    _link(parents, order[same + 1], order[same])
    whole = asked * np.uint64(0x9E3779B97F4A7C15) ^ said
    is_copy = np.zeros(len(asked), dtype=bool)
    is_copy[_later(whole)] = True
    usable = np.flatnonzero((sizes >= FEWEST) & ~is_copy)
    for later, earlier in _alike_pairs(signatures[usable], numbers[usable], sizes[usable]):
        _link(parents, usable[later], usable[earlier])
    return np.array([_root(parents, index) for index in range(len(parents))], dtype=np.int64)


def overlapping(ours: Compared, theirs: Compared) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `theirs` whose question is asked in `ours`, and those that nearly repeat a row there.

    A row of the first kind is not in the second.
    """
    import numpy as np

    same = np.flatnonzero(np.isin(theirs[0], ours[0]))
    rest = np.setdiff1d(np.flatnonzero(theirs[2] >= FEWEST), same)
    base = np.flatnonzero(ours[2] >= FEWEST)
    signatures = np.concatenate([ours[3][base], theirs[3][rest]])
    numbers = np.concatenate([ours[1][base], theirs[1][rest]])
    sizes = np.concatenate([ours[2][base], theirs[2][rest]])
    later, earlier = _near(signatures, numbers, sizes)
    crosses = (later >= len(base)) & (earlier < len(base))
    return same, np.unique(rest[later[crosses] - len(base)])


def _later(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Indices of entries that occurred before."""
    import numpy as np

    _, first = np.unique(keys, return_index=True)
    is_first = np.zeros(len(keys), dtype=bool)
    is_first[first] = True
    return np.flatnonzero(~is_first)


def _contradicting(
    asked: NDArray[np.uint64], whole: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], int]:
    import numpy as np

    _, first = np.unique(whole, return_index=True)  # one row per pair of question and answer
    questions, inverse, counts = np.unique(asked[first], return_inverse=True, return_counts=True)
    found = np.sort(first[counts[inverse] > 1])
    return found, int((counts > 1).sum()) if len(questions) else 0


def _near(
    signatures: NDArray[np.uint32], numbers: NDArray[np.uint64], sizes: NDArray[np.int16]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (later) and for each the earliest (earlier) that it was found to resemble."""
    import numpy as np

    best: dict[int, int] = {}
    for later, earlier in _alike_pairs(signatures, numbers, sizes):
        for one, other in zip(later.tolist(), earlier.tolist(), strict=True):
            if other < best.get(one, len(sizes)):
                best[one] = other
    pairs = sorted(best.items())
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _alike_pairs(
    signatures: NDArray[np.uint32], numbers: NDArray[np.uint64], sizes: NDArray[np.int16]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (later, earlier) of rows with alike signatures and the same numbers in them."""
    import numpy as np

    needed = np.zeros(len(sizes))
    for fewest, share in _NEAR:
        needed[sizes >= fewest] = share
    for start in range(0, NUM_PERM, BAND):
        keys = _keys(signatures[:, start : start + BAND])
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        for step in range(1, _NEIGHBOURS + 1):
            equal = np.flatnonzero(ordered[step:] == ordered[:-step])
            later, earlier = order[equal + step], order[equal]
            alike = _alike(signatures, needed, later, earlier)
            alike &= numbers[later] == numbers[earlier]
            yield later[alike], earlier[alike]


def _link(parents: list[int], ones: NDArray[np.int64], others: NDArray[np.int64]) -> None:
    for one, other in zip(ones.tolist(), others.tolist(), strict=True):
        first, second = _root(parents, one), _root(parents, other)
        parents[max(first, second)] = min(first, second)


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index


def _keys(band: NDArray[np.uint32]) -> NDArray[np.uint64]:
    import numpy as np

    keys = np.zeros(len(band), dtype=np.uint64)
    for column in range(band.shape[1]):
        keys = (keys ^ band[:, column].astype(np.uint64)) * np.uint64(0x100000001B3)
    return keys


def _alike(
    signatures: NDArray[np.uint32],
    needed: NDArray[np.float64],
    later: NDArray[np.int64],
    earlier: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Which pairs share as many entries of their signatures as needed, in bounded memory."""
    import numpy as np

    found = np.zeros(len(later), dtype=bool)
    for start in range(0, len(later), 100_000):
        part = slice(start, start + 100_000)
        same = signatures[later[part]] == signatures[earlier[part]]
        found[part] = same[:, :NUM_PERM].mean(axis=1) >= needed[later[part]]
        found[part] &= same[:, NUM_PERM:].mean(axis=1) >= _SAME_ANSWER
    return found
