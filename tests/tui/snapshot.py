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
_TEXT = re.compile(r"<text [^>]*?y=\"([\d.]+)\"[^>]*>(.*?)</text>")


def picture(app: TailfinApp) -> str:
    """The screen as an SVG that depends on nothing but its cells: no ids, no fonts from afar."""
    drawn = _FONT.sub("\n", app.export_screenshot(title="tailfin"))
    drawn = drawn.replace("font-family: Fira Code, monospace", "font-family: monospace")
    return "\n".join(line.rstrip() for line in _ID.sub("t-", drawn).splitlines()) + "\n"


def words(svg: str) -> list[str]:
    """The lines of text in a picture, for a message one can read."""
    lines: dict[float, str] = {}
    for height, text in _TEXT.findall(svg):
        lines[float(height)] = lines.get(float(height), "") + html.unescape(text)
    return [lines[height].replace("\xa0", " ").rstrip() for height in sorted(lines)]


def check(app: TailfinApp, name: str) -> None:
    """Fail with a diff where the screen is not its picture any more."""
    width, height = app.size
    path = FOLDER / f"{name}-{width}x{height}.svg"
    now = picture(app)
    if os.environ.get("TAILFIN_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(now, encoding="utf-8")
        return
    assert path.is_file(), f"{path.name} is missing: draw it with TAILFIN_SNAPSHOTS=write"
    before = path.read_text(encoding="utf-8")
    if before == now:
        return
    diff = "\n".join(difflib.unified_diff(words(before), words(now), "picture", "now", lineterm=""))
    raise AssertionError(f"{path.name} changed:\n{diff or 'only colours or positions'}")
