"""Lines that repaint only what changed."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip

from tui.draw.line import Line, clip, clip_start, fit, line, padded, width_of, wrapped
from tui.widgets.sheet import Sheet, _changed

_TEXTS = st.text(st.sampled_from("abc 你好é\u0301\x1b\n[]/❤\ufe0f1\u20e3"), max_size=30)


class _Watched(Sheet):
    """Remembers what it was asked to repaint."""

    DEFAULT_CSS = "_Watched { height: 3; }"

    def __init__(self) -> None:
        super().__init__([line("loss 1.2345"), line("same"), line("tail")])
        self.asked: list[Region] = []

    def refresh(self, *regions: Region, **options: bool) -> _Watched:
        if hasattr(self, "asked"):
            self.asked += regions
        super().refresh(*regions, **options)
        return self


class _One(App[None]):
    def compose(self) -> ComposeResult:
        yield _Watched()


def test_only_the_cells_that_changed_are_painted() -> None:
    async def play() -> None:
        app = _One()
        async with app.run_test(size=(40, 5)) as pilot:
            sheet = app.query_one(_Watched)
            sheet.asked.clear()
            sheet.show([line("loss 1.2399"), line("same"), line("tail")])
            assert sheet.asked == [Region(9, 0, 2, 1)]
            sheet.asked.clear()
            sheet.show([line("loss 1.2399"), line("same"), line("tail")])
            assert sheet.asked == []
            await pilot.pause()
            strips = app.screen._compositor.render_strips()
            assert "".join(s.text for s in strips[0]).startswith("loss 1.2399")

    asyncio.run(play())


@given(_TEXTS, _TEXTS, st.integers(1, 40))
def test_a_changed_span_covers_every_difference(before: str, after: str, width: int) -> None:
    old, new = fit(line(before), width), fit(line(after), width)
    span = _changed(old, new)
    flat_old = "".join(text for text, _ in old)
    flat_new = "".join(text for text, _ in new)
    assert (span is None) == (flat_old == flat_new)
    if span is not None:
        assert 0 <= span[0] < span[1] <= width
        # what lies outside the span is the same, and no wide character is cut through
        for begin, end in ((0, span[0]), (span[1], width)):
            assert _crop(old, begin, end) == _crop(new, begin, end)


def _crop(drawn: Line, begin: int, end: int) -> str:
    """The text of some cells, cut the way Textual cuts a strip."""
    strip = Strip([Segment(text) for text, _ in drawn])
    return strip.crop(begin, end).text


@given(_TEXTS, st.integers(0, 40))
def test_a_fitted_line_has_exactly_its_width(text: str, width: int) -> None:
    assert width_of(fit(line(text), width)) == width


@given(_TEXTS, st.integers(0, 40))
def test_cut_text_never_exceeds_its_cells(text: str, width: int) -> None:
    assert cell_len(clip(text, width)) <= width
    assert cell_len(clip_start(text, width)) <= max(width, 0)
    assert cell_len(padded(text, width)) == width


@given(_TEXTS, st.integers(4, 30))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(width_of(drawn) <= width for drawn in lines)
    shown = "".join(part for drawn in lines for part, _ in drawn)
    whole = "".join(part for paragraph in text.splitlines() for part, _ in line(paragraph))
    assert shown.replace(" ", "") == whole.replace(" ", "")


def test_escapes_of_a_file_never_reach_the_terminal() -> None:
    drawn = line("\x1b]0;owned\x07 [red]x[/red]")
    assert "".join(text for text, _ in drawn) == "\\x1b]0;owned\\x07 [red]x[/red]"


class _Growing(App[None]):
    def compose(self) -> ComposeResult:
        yield Sheet([line("one")])


def test_a_sheet_grows_although_a_layout_was_asked_for_already() -> None:
    async def play() -> None:
        app = _Growing()
        async with app.run_test(size=(40, 5)) as pilot:
            sheet = app.query_one(Sheet)
            assert sheet.size.height == 1
            # As textual's DOMNode.reset_styles leaves it for the rest of a change of classes.
            sheet._layout_required = True
            sheet.show([line("one"), line("two"), line("three")])
            await pilot.pause()
            assert sheet.size.height == 3

    asyncio.run(play())
