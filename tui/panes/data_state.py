"""What the data step knows at one moment, and what follows from it for the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.data.text import counted
from engine.errors import TailfinError
from engine.spec import DataSpec
from tui.draft import Draft
from tui.draw.line import BLANK, Line, clip, clip_start, line, padded
from tui.panes.data_lines import (
    LAYOUTS,
    data_findings,
    fact_lines,
    headline,
    num_bad,
    sample_lines,
    summary,
    token_facts,
    trouble_lines,
)
from tui.panes.mapping import is_mappable, other_layouts
from tui.panes.recent_data import RecentData
from tui.widgets.rows import Row

if TYPE_CHECKING:
    from engine.data.inspect import Unreadable

# What is asked, and the settings that name the files.
ROWS, HELD, TOKENS = "rows", "held", "tokens"
PATHS = {ROWS: "data.path", HELD: "data.eval_path"}
BROWSE, SKIP, LAYOUT, RECENT = "browse", "skip", "layout", "recent"
_SOURCE_CELLS = 36
_ABOUT_COLUMNS: tuple[tuple[str, object], ...] = (("data.columns", {}), ("data.format", "auto"))


@dataclass(frozen=True, slots=True)
class DataState:
    """`troubles` are answers that were refusals; `seconds` how long a question is open."""

    draft: Draft
    troubles: Mapping[str, Unreadable | TailfinError] = field(default_factory=dict)
    seconds: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[RecentData, ...] = ()

    @property
    def num_bad(self) -> int:
        """Rows of both files that cannot be used."""
        return num_bad(self.draft.inspection) + num_bad(self.draft.held_out)

    @property
    def asks_mapping(self) -> bool:
        """Whether a person has to say which column is which."""
        return is_mappable(self.troubles.get(ROWS))

    @property
    def stop(self) -> str:
        """What is in the way of going on."""
        found, held = self.draft.inspection, self.draft.held_out
        if not self.draft.text(PATHS[ROWS]):
            return "Name a data file, or choose one from the list."
        if self.asks_mapping:
            return "Say which column is which, then Enter."
        if ROWS in self.troubles:
            return "This file cannot be read as it is."
        if found is None:
            return "The file is being read."
        if not found.num_rows:
            return "No row of this file can be used."
        if HELD in self.troubles or (held is not None and not held.num_rows):
            return "The held-out file cannot be used."
        if self.draft.text(PATHS[HELD]) and held is None:
            return "The held-out file is being read."
        if self.num_bad and not self.draft.skip_bad_rows:
            return f"{counted(self.num_bad, 'row')} cannot be used: s leaves them out."
        return ""

    def said(self) -> Line:
        """What was found, or what is being done and for how long."""
        found = self.draft.inspection
        if ROWS in self.seconds:
            return line(f"Reading the file ...{self._for(ROWS)}")
        if self.asks_mapping:
            keys = ("Left and Right", "key"), " choose, ", ("Enter", "key"), " confirms."
            return line("Nobody knows these columns. ", *keys)
        if ROWS in self.troubles:
            return line(("FAIL", "fail"), "  The file was not read.")
        if found is None:
            return line("What the model is to learn, one conversation per row.")
        counting = f", counting tokens ...{self._for(TOKENS)}" if TOKENS in self.seconds else ""
        return (*headline(found, self.draft), *line((counting, "dim")))

    def choices(self, width: int) -> list[Row]:
        """What can be chosen now besides typing another path."""
        if not self.draft.text(PATHS[ROWS]):
            rows = [Row(BROWSE, line("Browse the files of this box", ("  F3", "key")))]
            return rows + [self._recent_row(one, width) for one in self.recent]
        if layouts := other_layouts(self.troubles.get(ROWS)):
            return [
                Row(f"{LAYOUT}:{name}", line(f"Read it as {LAYOUTS[name]}", (f"  {name}", "dim")))
                for name in layouts
            ]
        if self.num_bad and self.draft.inspection is not None:
            rows_said = counted(self.num_bad, "bad row")
            says = f"Leave {rows_said} out and train on the others"
            if self.draft.skip_bad_rows:
                says = f"Take {rows_said} back in; left out now"
            return [Row(SKIP, line(says, ("  s", "key")))]
        return []

    def report(self, width: int) -> list[Line]:
        """What was found that asks for a decision, worst first, or why nothing was."""
        if ROWS in self.troubles:
            return trouble_lines(self.troubles[ROWS], width, is_asked=bool(self.choices(width)))
        found, held = self.draft.inspection, self.draft.held_out
        if found is None:
            return []
        drawn: list[Line] = []
        if HELD in self.troubles:
            drawn += [line(("The held-out file:", "title"))]
            drawn += [*trouble_lines(self.troubles[HELD], width), BLANK]
        told = summary(found, _data_spec(self.draft), held)
        if found.tokens is not None:
            told += token_facts(found.tokens)
        drawn += fact_lines(told, width)
        all_found = (*found.findings, *(held.findings if held else ()))
        pressing = [finding for finding in all_found if finding.severity != "info"]
        findings = data_findings(pressing, width, left_out=self.draft.skip_bad_rows)
        if TOKENS in self.troubles:
            findings += trouble_lines(self.troubles[TOKENS], width)
        return [*drawn, BLANK, *findings] if findings else drawn

    def notes(self, width: int) -> list[Line]:
        """What is good to know and asks for nothing; of held-out rows, only what is about rows."""
        found, held = self.draft.inspection, self.draft.held_out
        if found is None:
            return []
        of_held = [one for one in (held.findings if held else ()) if one.id != "data.size"]
        told = [one for one in (*found.findings, *of_held) if one.severity == "info"]
        return data_findings(told, width, left_out=False)

    def sample(self, width: int) -> list[Line]:
        """A few rows to read."""
        found = self.draft.inspection
        return sample_lines(found.sample, width) if found is not None else []

    def _for(self, question: str) -> str:
        seconds = self.seconds[question]
        return f" {seconds} s" if seconds else ""

    def _recent_row(self, one: RecentData, width: int) -> Row:
        room = max(width - _SOURCE_CELLS, 20)
        path = padded(clip_start(one.path, room), room)
        return Row(
            f"{RECENT}:{one.path}", line(path, "  ", (clip(one.source, _SOURCE_CELLS - 4), "dim"))
        )


def with_path(draft: Draft, question: str, path: str) -> Draft:
    """The draft with another file, or none; what was said of the rows of the one before goes."""
    setting = PATHS[question]
    if question == ROWS:
        is_filed = path == draft.filed.get(setting)
        for about, nothing in _ABOUT_COLUMNS:
            draft = draft.forget(about)
            if about in draft.filed and not is_filed:  # they belong to the spec's own file
                draft = draft.choose(about, nothing)
    draft = replace(draft.forget(setting), skip_bad_rows=False)
    return draft if draft.text(setting) == path else draft.choose(setting, path)


def _data_spec(draft: Draft) -> DataSpec:
    """The settings that say how rows are split; the defaults while others do not fit together."""
    try:
        return draft.resolve(placeholders=True).spec.data
    except TailfinError:
        return DataSpec(path=draft.text("data.path"), eval_path=draft.text("data.eval_path"))
