"""How a run ended, as lines: what happened, memory beside its estimate, the evidence."""

from __future__ import annotations

from rich.cells import cell_len

from engine.memory.budget import Budget
from engine.runs.ending import Action, Ending, MemoryFacts
from tui.draw.bars import bar
from tui.draw.line import BLANK, Line, clip, labelled, line, wrapped
from tui.widgets.memory_bar import gib, memory_lines

_LABEL = 11
# Lines below the ways on, as app.tcss has it.
_DETAIL_LINES = 5
_ROLES = {"finished": "ok", "stopped": "info", "live": "accent", "elsewhere": "warn"}
_COSTS = {"none": "costs nothing", "speed": "costs speed", "quality": "costs quality"}


def ending_lines(
    ending: Ending, budget: Budget | None, width: int, *, ascii_only: bool
) -> list[Line]:
    """Title and message first, then what memory did, then what is kept, then the evidence."""
    lines = wrapped(ending.title, width, _ROLES.get(ending.kind, "fail"))
    if ending.message and ending.message != ending.title:
        lines += wrapped(ending.message, width)
    if ending.memory is not None:
        lines += [BLANK, *_memory(ending.memory, budget, width, ascii_only)]
    lines.append(BLANK)
    room = max(width - _LABEL, 20)
    lines += labelled("kept", wrapped(ending.kept, room), _LABEL)
    for number, said in enumerate(ending.evidence):
        lines += labelled("evidence" if number == 0 else "", wrapped(said, room), _LABEL)
    return lines


def action_line(action: Action, width: int) -> Line:
    """One way on: what it does, what it would need and cost."""
    tail = _tail(action)
    says = clip(action.says, _room(action, width))
    return line(says, (f"  {tail}" if tail else "", "dim"))


def action_detail(action: Action, width: int) -> list[Line]:
    """What its line had no room for, and the command that does it in a shell; five lines."""
    says: list[Line] = []
    if cell_len(action.says) > _room(action, width):
        says = wrapped(action.says, width)[:2]
    room = _DETAIL_LINES - len(says) - 1
    command = wrapped(f"$ {action.command}", width, "dim", indent="    ")
    if len(command) > room:
        command[room - 1 :] = [line((f"{command[room - 1][0][0][: width - 2]}..", "dim"))]
    return [BLANK, *says, *command]


def _tail(action: Action) -> str:
    """What it would need and cost."""
    facts = []
    if action.predicted_gib is not None:
        facts.append(f"needs {gib(action.predicted_gib)} GiB")
    if action.cost:
        facts.append(_COSTS.get(action.cost, action.cost))
    return ", ".join(facts)


def _room(action: Action, width: int) -> int:
    return max(width - len(_tail(action)) - 2, 20)


def _memory(facts: MemoryFacts, budget: Budget | None, width: int, ascii_only: bool) -> list[Line]:
    """Predicted and real, one under the other and to one scale."""
    lines: list[Line] = []
    if budget is not None:
        lines += [
            line(("predicted", "title")),
            *memory_lines(budget, width, ascii_only=ascii_only, legend=True),
        ]
    limit = facts.limit_gib or (budget.card.usable_gib if budget else 0.0)
    known = [
        ("allocated", facts.allocated_gib),
        ("reserved", facts.reserved_gib),
        ("others", facts.others_gib),
        ("requested", facts.requested_gib),
        ("limit", facts.limit_gib),
    ]
    said = [f"{name} {gib(value)}" for name, value in known if value is not None]
    if facts.measured_peak_gib > 0:
        said.append(f"highest step before {gib(facts.measured_peak_gib)}")
    lines.append(line(("really", "title")))
    lines += wrapped(f"{', '.join(said)} GiB" if said else "The error gave no figures.", width)
    parts = [
        ("part-1", facts.reserved_gib or facts.allocated_gib or 0.0),
        ("part-7", facts.others_gib or 0.0),
        ("over", facts.requested_gib or 0.0),
    ]
    if limit and any(amount for _, amount in parts):
        lines.append(tuple(bar(parts, limit, width, ascii_only)))
    return lines
