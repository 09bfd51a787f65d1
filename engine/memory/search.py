"""Searches the sets of changes that make a run fit, for those that give up least."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

from engine.memory.changes import Change

# One change of each rung at most, by its place there from 1 on; 0 leaves the rung out.
Choice = tuple[int, ...]
Rungs = Sequence[Sequence[Change]]
# Questions after the first answer; further ones are a choice to offer, not worth a second.
_MORE = 200


def cheapest(rungs: Rungs, fits: Callable[[Choice], bool], *, limit: int) -> list[Choice]:
    """Up to `limit` choices that fit and of which no part fits, those that give up least first.

    `fits` is asked as rarely as possible; it is taken to stay true when a change is added or made
    stronger, so what the strongest changes together cannot do is given up at once. Quality is
    weighed before speed: a choice without loss of quality comes before every one with it, and one
    with several such losses is no answer beside one with a single loss.
    """
    quality = [i for i, rung in enumerate(rungs) if rung[0].cost == "quality"]
    neutral = [i for i, rung in enumerate(rungs) if rung[0].cost != "quality"]
    strongest = _strongest(rungs, neutral)
    found: list[Choice] = []
    kept: list[Choice] = []  # what each of them costs in quality
    if not fits(_strongest(rungs, range(len(rungs)))):
        return found
    left = _MORE
    for asked in _by_weight(rungs, quality):
        if len(found) >= limit or left <= 0:
            break
        left -= bool(found)
        if found and _count(asked) > max(1, min(map(_count, kept))):
            continue  # two losses of quality are no alternative to one
        if not fits(_both(asked, strongest)):
            continue
        # several ways without loss of quality are worth telling, with it only the cheapest of each
        wanted = 1 if any(asked) else limit
        for choice in _by_weight(rungs, neutral):
            whole = _both(asked, choice)
            if any(_holds(whole, one) for one in found):
                continue
            left -= bool(found)
            if fits(whole) and not any(fits(weaker) for weaker in _weaker(whole)):
                found.append(whole)
                kept.append(asked)
                wanted -= 1
            if not wanted or left <= 0:
                break
    return sorted(found, key=lambda choice: cost_of(rungs, choice))


def cost_of(rungs: Rungs, choice: Choice) -> tuple[float, float, int]:
    """What a choice gives up, to compare with another's: quality, speed, number of changes."""
    taken = chosen(rungs, choice)
    quality = sum(change.weight for change in taken if change.cost == "quality")
    speed = sum(change.weight for change in taken if change.cost != "quality")
    return quality, speed, len(taken)


def chosen(rungs: Rungs, choice: Choice) -> list[Change]:
    """The changes of a choice, in the order of the ladder."""
    return [rung[level - 1] for rung, level in zip(rungs, choice, strict=True) if level]


def _by_weight(rungs: Rungs, free: Sequence[int]) -> Iterator[Choice]:
    """Every choice of these rungs, least given up first, nothing at all before that."""
    levels = [range(len(rung) + 1) if i in free else range(1) for i, rung in enumerate(rungs)]
    return iter(sorted(itertools.product(*levels), key=lambda choice: cost_of(rungs, choice)))


def _strongest(rungs: Rungs, free: Sequence[int]) -> Choice:
    return tuple(len(rung) if i in free else 0 for i, rung in enumerate(rungs))


def _count(choice: Choice) -> int:
    return sum(map(bool, choice))


def _weaker(choice: Choice) -> Iterator[Choice]:
    """The choices with one change milder, or left out where it is the mildest of its rung."""
    for place, level in enumerate(choice):
        if level:
            yield (*choice[:place], level - 1, *choice[place + 1 :])


def _both(one: Choice, other: Choice) -> Choice:
    return tuple(max(a, b) for a, b in zip(one, other, strict=True))


def _holds(choice: Choice, part: Choice) -> bool:
    """Whether a choice has all of another, as strong or stronger."""
    return all(a >= b for a, b in zip(choice, part, strict=True))
