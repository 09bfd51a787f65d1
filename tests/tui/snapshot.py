"""Compares a screen with its picture; TAILFIN_SNAPSHOTS=write draws the pictures anew."""

from __future__ import annotations

import difflib
import html
import os
import re
from pathlib import Path

from tui.app import TailfinApp

FOLDER = Path(__file__).parent / "snapshots"
_FONT = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
_ID = re.compile(r"terminal-\d+-")
_TEXT = re.compile(r"<text [^>]*?x=\"([\d.]+)\" y=\"([\d.]+)\"[^>]*>(.*?)</text>")
_RUN = re.compile(r"x=\"([\d.]+)\" (y=\"[\d.]+\") textLength=\"([\d.]+)\"([^>]*)>(.*?)</text>")
_BLANK = "&#160;"
# Width of a cell in these pictures (rich.console's CHAR_WIDTH at its font size of 20).
_CELL = 12.2


def picture(app: TailfinApp) -> str:
    """The screen as an SVG that depends on nothing but its cells: no ids, no fonts from afar."""
    drawn = _FONT.sub("\n", app.export_screenshot(title="tailfin"))
    drawn = drawn.replace("font-family: Fira Code, monospace", "font-family: monospace")
    drawn = _RUN.sub(_trimmed, drawn)
    return "\n".join(line.rstrip() for line in _ID.sub("t-", drawn).splitlines()) + "\n"


def _trimmed(run: re.Match[str]) -> str:
    """A run of text without the blanks before it, which some programs drop in silence."""
    left, height, length, rest, text = run.groups()
    bare = text
    while bare.startswith(_BLANK):
        bare = bare.removeprefix(_BLANK)
    num_blank = (len(text) - len(bare)) // len(_BLANK)
    if not bare:
        return run[0]
    x, width = float(left) + num_blank * _CELL, float(length) - num_blank * _CELL
    return f'x="{x:.1f}" {height} textLength="{width:.1f}"{rest}>{bare}</text>'


def words(svg: str) -> list[str]:
    """The lines of text in a picture, for a message one can read."""
    lines: dict[float, str] = {}
    for left, height, text in _TEXT.findall(svg):
        before = lines.get(float(height), "")
        lines[float(height)] = before.ljust(round(float(left) / _CELL)) + html.unescape(text)
    return [lines[height].replace("\xa0", " ").rstrip() for height in sorted(lines)]


def check(app: TailfinApp, name: str, path: Path | None = None) -> None:
    """Fail with a diff where the screen is not its picture any more; `path` names another file."""
    width, height = app.size
    path = path or FOLDER / f"{name}-{width}x{height}.svg"
    now = picture(app)
    if os.environ.get("TAILFIN_SNAPSHOTS") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now, encoding="utf-8")
        return
    assert path.is_file(), f"{path.name} is missing: draw it with TAILFIN_SNAPSHOTS=write"
    before = path.read_text(encoding="utf-8")
    if before == now:
        return
    diff = "\n".join(difflib.unified_diff(words(before), words(now), "picture", "now", lineterm=""))
    raise AssertionError(f"{path.name} changed:\n{diff or 'only colours or positions'}")
