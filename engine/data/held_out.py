"""Which rows of a set are held out: whole groups, a share of each stratum, by a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.data.quality.compared import RowArrays

By = Literal["group", "question", "random"]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """`is_held` says for each row whether it is held out.

    `num_groups` counts groups of more than one row, `num_grouped` the rows in them.
    """

    is_held: NDArray[np.bool_]
    num_groups: int
    num_grouped: int


def hold_out(
    arrays: RowArrays, strata: Sequence[str], *, share: float, by: By, seed: int
) -> HeldOut:
    """Hold out about `share` of the rows, of each stratum as far as its groups allow it.

    `arrays` as from compare_rows, one entry per row, `strata` too; a group belongs to the stratum
    of its first row. By `group`, rows that nearly repeat each other or ask the same stay on one
    side; by `question` only the latter; at `random` every row is for itself. Which groups are held
    out depends on the seed and their texts, not on their order. Where there are two groups, at
    least one row is held out and one is not.
    """
    import numpy as np

    groups = _groups(arrays, by, seed)
    wanted = round(len(strata) * share)
    if len(groups) > 1:
        wanted = min(max(wanted, 1), len(strata) - 1)
    places = _quotas(Counter(strata), wanted)
    held: list[int] = []
    for group in groups:
        stratum = strata[group[0]]
        if len(group) <= places[stratum]:
            places[stratum] -= len(group)
            held += group
    if not held and len(groups) > 1:
        # Every group is larger than its place: one of the smallest has to do.
        held = min(groups, key=len)
    is_held = np.zeros(len(strata), dtype=bool)
    is_held[held] = True
    sizes = [len(group) for group in groups if len(group) > 1]
    return HeldOut(is_held, len(sizes), sum(sizes))


def _groups(arrays: RowArrays, by: By, seed: int) -> list[list[int]]:
    """Indices of rows that belong together, the groups in an order that the seed decides."""
    import numpy as np

    from engine.data.quality.duplicates import clusters

    asked, said = arrays[0], arrays[1]
    if by == "group":
        labels = clusters(*arrays).tolist()
    else:
        labels = asked.tolist() if by == "question" else np.arange(len(asked)).tolist()
    groups: dict[int, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    texts = list(zip(asked.tolist(), said.tolist(), strict=True))
    # A copy is told from the one before it by its number; which is which does not matter.
    copies: Counter[tuple[int, int]] = Counter()
    ranked = []
    for group in groups.values():
        text = min(texts[index] for index in group)
        ranked.append((_rank((*text, copies[text]), seed), group))
        copies[text] += 1
    ranked.sort()
    return [group for _, group in ranked]


def _rank(key: tuple[int, ...], seed: int) -> bytes:
    text = ",".join(map(str, key)).encode()
    return blake2b(text, digest_size=16, key=seed.to_bytes(8, "big")).digest()


def _quotas(sizes: Mapping[str, int], wanted: int) -> dict[str, int]:
    """`wanted` rows divided over strata by their sizes, the largest remainders rounded up."""
    total = sum(sizes.values())
    exact = {name: size * wanted / total for name, size in sizes.items()}
    quotas = {name: int(part) for name, part in exact.items()}
    by_rest = sorted(exact, key=lambda name: (quotas[name] - exact[name], name))
    for name in by_rest[: wanted - sum(quotas.values())]:
        quotas[name] += 1
    return quotas
