"""What there is to say about a setting: its help, its bounds, and where its value came from."""

from __future__ import annotations

from engine.fields import describe
from engine.settings import Resolved
from tui.draft import SUGGESTED, YOU, Draft
from tui.draw.line import BLANK, Line, clip, line, wrapped


def setting_lines(path: str, resolved: Resolved, draft: Draft, width: int) -> list[Line]:
    """Everything, for a column of its own."""
    if not path:
        return []
    field = describe(path)
    drawn = [line((field.label, "title"), ("" if path == field.label else f"  {path}", "dim"))]
    drawn += [BLANK, *wrapped(_help(path, resolved), width), BLANK]
    if allowed := _allowed(path):
        drawn += wrapped(f"Allowed: {allowed}.", width, "dim")
    drawn += wrapped(f"Default: {field.default or 'none'}.", width, "dim")
    return [*drawn, *wrapped(_whence(path, resolved, draft), width, "dim")]


def short_setting_lines(
    path: str, resolved: Resolved, draft: Draft, width: int, *, room: int, help_key: str = "?"
) -> list[Line]:
    """The most useful of it in `room` lines: help, then the source, then the bounds if they fit."""
    if not path or room < 1:
        return []
    told = wrapped(_help(path, resolved), width)
    if len(told) > room:
        last = "".join(text for text, _ in told[room - 1])
        more = f"  {help_key} for more"
        return [*told[: room - 1], line(f"{clip(last + ' ...', width - len(more))}", (more, "key"))]
    for more in (_whence(path, resolved, draft), f"Allowed: {_allowed(path)}."):
        lines = wrapped(more, width, "dim")
        if len(told) + len(lines) <= room and more != "Allowed: .":
            told += lines
    return told


def _help(path: str, resolved: Resolved) -> str:
    """The help sentence; of a profile that is chosen, what it is for."""
    from engine.profiles import load_profile

    profile = resolved.spec.profile
    if path != "profile" or not profile:
        return describe(path).help
    summary = load_profile(profile).summary
    return f"A starting point for what nobody chose. {profile}: {summary.rstrip('.')}."


def _allowed(path: str) -> str:
    field = describe(path)
    if field.kind == "switch":
        return "true or false"
    return field.bounds or ", ".join(field.choices)


def _whence(path: str, resolved: Resolved, draft: Draft) -> str:
    source = YOU if path in draft.choices else resolved.sources[path]
    if source == SUGGESTED:
        why = next((one.why for one in draft.suggestions if one.path == path), "")
        return f"Suggested: {why}."
    if source == YOU:
        return "Your choice; Del takes it back."
    return "The default." if source == "default" else f"From {source}."
