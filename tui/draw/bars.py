"""Bars in one row of text: parts of a whole, and one share."""

from __future__ import annotations

import math
from collections.abc import Sequence

# Braille and not blocks: terminals of East Asia draw block elements two cells wide.
FULL, FREE = "⣿", "⠤"
ASCII_FREE = "."
OVER, LIMIT, OTHERS = "!", "|", "x"
# One to seven eighths of a cell: its left column from below, then its right one.
_EIGHTHS = "⡀⡄⡆⡇⣇⣧⣷"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def bar(
    parts: Sequence[tuple[str, float]],
    total: float,
    width: int,
    ascii_only: bool = False,
    glyphs: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """Parts, each a (role, amount), stacked up to `total`: (text, role) runs, `width` cells in all.

    A part above zero has at least one cell while there are cells. What goes past `total` is drawn
    as `!` in the role "over", to the same scale. In ASCII the first part is `A`, the second `B`
    and so on (`part_letter`); what is free is `.` there and a low line else, without a role.
    `glyphs`, one per part, tell parts apart that have like colours.
    """
    if width < 1:
        return []
    amounts = [_amount(amount) for _, amount in parts]
    room = _amount(total)
    num_over = _cells_over(sum(amounts), room, width)
    inside, left = [], room
    for amount in amounts:
        inside.append(min(amount, left))
        left -= inside[-1]
    cells = _shared_out(inside, amounts, room, width - num_over)
    drawn = [
        ((part_letter(i) if ascii_only else glyphs[i] if glyphs else FULL) * num, role)
        for i, ((role, _), num) in enumerate(zip(parts, cells, strict=True))
    ]
    free = width - num_over - sum(cells)
    drawn += [((ASCII_FREE if ascii_only else FREE) * free, ""), (OVER * num_over, "over")]
    return [run for run in drawn if run[0]]


def limit_bar(
    parts: Sequence[tuple[str, float]],
    limit: float,
    total: float,
    width: int,
    ascii_only: bool = False,
    glyphs: Sequence[str] = (),
) -> list[tuple[str, str]]:
    """Parts stacked against a line at `limit` inside `total`: (text, role) runs, `width` cells.

    The line is `|`. Up to it parts and what is free are drawn as by `bar`; past it stands what goes
    too far, as `!`, then what of `total` others have, as `x` in the role "dim".
    """
    used, limit = sum(_amount(amount) for _, amount in parts), _amount(limit)
    whole = max(_amount(total), used, limit)
    if width < 3 or whole <= 0:
        return bar(parts, limit, width, ascii_only, glyphs)
    beyond = whole - limit
    right = min(
        max(round(beyond / whole * (width - 1)), 1 if beyond > whole * 1e-9 else 0), width - 2
    )
    over = min(max(used - limit, 0.0), beyond)
    num_over = min(max(round(over / beyond * right), 1), right) if over > 0 else 0
    left, room = [], limit
    for role, amount in parts:
        left.append((role, min(_amount(amount), room)))
        room -= left[-1][1]
    drawn = bar(left, limit, width - 1 - right, ascii_only, glyphs)
    drawn += [(LIMIT, "strong"), (OVER * num_over, "over"), (OTHERS * (right - num_over), "dim")]
    return [run for run in drawn if run[0]]


def share_bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A share from 0 to 1 in exactly `width` cells, to an eighth of a cell; blank where it is NaN.

    Anything above zero can be seen, and only a share of 1 fills the bar.
    """
    if width < 1 or math.isnan(share):
        return " " * width
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    if 0 < share < 1:
        eighths = min(max(eighths, 1), width * 8 - 1)
    if ascii_only:
        num = math.ceil(eighths / 8) if eighths < 8 else eighths // 8
        return ("#" * num).ljust(width, ASCII_FREE)
    text = FULL * (eighths // 8) + (_EIGHTHS[eighths % 8 - 1] if eighths % 8 else "")
    return text.ljust(width, FREE)


def part_letter(index: int) -> str:
    """The letter of a part in an ASCII bar, for its legend."""
    return _LETTERS[index % len(_LETTERS)]


def _amount(value: float) -> float:
    """Bounded, so that no sum is infinite; what is no amount is nothing."""
    return min(max(value, 0.0), 1e300) if not math.isnan(value) else 0.0


def _cells_over(used: float, room: float, width: int) -> int:
    """The cells for what is past the limit: at least one, and one is left for what is not."""
    if used <= room:
        return 0
    if room <= 0 or width == 1:
        return width
    return min(max(round((used - room) / used * width), 1), width - 1)


def _shared_out(
    inside: Sequence[float], amounts: Sequence[float], room: float, width: int
) -> list[int]:
    """Whole cells per part, in proportion to what of it lies inside the room."""
    if room <= 0 or width < 1:
        return [0] * len(inside)
    exact = [amount / room * width for amount in inside]
    cells = [
        max(round(e), 1 if amount > 0 else 0) for e, amount in zip(exact, amounts, strict=True)
    ]
    # Rounding up to one cell can take too many; the part with the most to spare gives them back.
    while sum(cells) > width:
        shrinkable = [i for i, num in enumerate(cells) if num > 1] or [
            i for i, num in enumerate(cells) if num > 0
        ]
        cells[max(shrinkable, key=lambda i: (cells[i] - exact[i], -amounts[i]))] -= 1
    # A whole that is full shows no free cell.
    if cells and sum(inside) >= room * (1 - 1e-9):
        while sum(cells) < width:
            cells[max(range(len(cells)), key=lambda i: exact[i] - cells[i])] += 1
    return cells
