"""What is known of a card: its memory, what a process takes of it, and what it can compute."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.bundled import bundled
from engine.errors import TailfinError

# A process of unknown overhead: fitcheck-llm 0.3.1 takes 500 MiB for every card but the T4.
UNKNOWN_CONTEXT_GIB = 500 / 1024


@dataclass(frozen=True, slots=True)
class Card:
    """A device to train on; `is_gpu` off stands for this machine's RAM.

    `usable_gib` is what a process could have if it were alone, `taken_gib` what others hold of it.
    """

    name: str
    usable_gib: float
    capability: tuple[int, int]
    context_gib: float
    is_gpu: bool = True
    taken_gib: float = 0.0
    tflops: float = 0.0
    """Dense half-precision matrix products by the data sheet, in 10^12 operations; 0 unknown."""
    reserved_share: float | None = None
    """What the allocator holds beyond its tensors, as a share of these, as measured here."""
    miss: float = 0.0
    """The largest share by which the tensors of a run here were more than foretold."""
    measured_runs: int = 0
    """Runs on this device that the two, and the context, come from; 0 where there are too few."""

    @property
    def free_gib(self) -> float:
        return max(self.usable_gib - self.taken_gib, 0.0)

    @property
    def has_bf16(self) -> bool:
        """Whether bfloat16 runs in hardware (compute capability 8.0, Ampere, and newer)."""
        return self.is_gpu and self.capability >= (8, 0)

    @property
    def has_flash(self) -> bool:
        """Whether torch's flash attention kernel runs here (sdp_utils.cpp: sm80 and newer)."""
        return self.is_gpu and self.capability >= (8, 0)


def known_cards() -> tuple[Card, ...]:
    """All rows of profiles/cards.toml, smallest memory first."""
    return tuple(sorted(_table().values(), key=lambda card: card.usable_gib))


def find_card(name: str) -> Card:
    """The card of that name, spaces and case left out; raises TailfinError with the near ones."""
    wanted = _plain(name)
    hits = [card for key, card in _table().items() if wanted and wanted in key]
    exact = _table().get(wanted)
    if exact is not None or len(hits) == 1:
        return exact or hits[0]
    names = [card.name for card in hits or known_cards()]
    near = difflib.get_close_matches(name, names, n=len(names), cutoff=0.0)
    problem = "could be several" if hits else "is not in the table of cards"
    raise TailfinError(
        f"The card {name!r} {problem}.",
        f"Choose one of: {', '.join(near)}; or give its memory: --gpu-gib 24.",
        where="--card",
        error_id="budget.card",
    )


def card_of_size(usable_gib: float) -> Card:
    """A card known by its usable memory only; taken as an Ampere data centre card."""
    if not usable_gib > 0:
        raise TailfinError(
            f"--gpu-gib {usable_gib:g} is not a memory size.",
            "Give the card's usable memory in GiB, such as --gpu-gib 23.5.",
            where="--gpu-gib",
            error_id="budget.card",
        )
    return Card(f"a card with {usable_gib:g} GiB", usable_gib, (8, 0), UNKNOWN_CONTEXT_GIB)


def card_of_driver(name: str) -> Card | None:
    """The row that the driver's name for a card means, such as `NVIDIA A100-SXM4-80GB`.

    Every word of a row's name must be in it, a size only where the driver says one.
    """
    words = set(_words(name))
    has_size = any(_is_size(word) for word in words)
    found = []
    for card in known_cards():
        wanted = [w for w in _words(card.name) if has_size or not _is_size(w)]
        if words.issuperset(wanted):
            found.append((len(wanted), card))
    return max(found, key=lambda one: one[0])[1] if found else None


def context_of(name: str) -> float:
    """Context of a card by the driver's name for it, in GiB; the common figure where unknown."""
    card = card_of_driver(name)
    return card.context_gib if card else UNKNOWN_CONTEXT_GIB


@cache
def _table() -> dict[str, Card]:
    rows: list[dict[str, Any]] = tomllib.loads(
        (bundled("profiles") / "cards.toml").read_text(encoding="utf-8")
    )["card"]
    return {_plain(row["name"]): _card(row) for row in rows}


def _card(row: dict[str, Any]) -> Card:
    major, minor = row["capability"]
    return Card(
        row["name"],
        row["usable_gib"],
        (major, minor),
        row["context_mib"] / 1024,
        tflops=row.get("tflops", 0.0),
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _words(name: str) -> list[str]:
    return name.lower().replace("-", " ").split()


def _is_size(word: str) -> bool:
    return word.endswith("gb") and word[:-2].isdigit()
