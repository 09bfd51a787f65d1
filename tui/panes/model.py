"""The second step: which base model, found and judged before anything is downloaded."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from engine.errors import TailfinError
from tui.draft import Draft
from tui.draw.line import Line, clip_start, line, padded, wrapped
from tui.draw.model_lines import model_lines, refusal_lines
from tui.draw.words import size
from tui.model_lookup import Found, from_page, holds_token, look_up, study
from tui.panes.base import Pane
from tui.recent import Recent, embedded, recent_models
from tui.widgets.paper import Paper
from tui.widgets.path_input import PathInput
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet

# How long nobody types before the model is looked up.
_PAUSE_S = 0.6
# From then on a person wonders how long this may go on.
_LONG_S = 5
_LOOKUP, _STUDY, _RECENT = "model", "study", "recent"
_BROWSE = "browse"
_SECRET = TailfinError(
    "What stood here looked like a hub token. It was taken out, sent nowhere and kept nowhere.",
    "Run `hf auth login` in a shell, or set HF_TOKEN, then name a model here.",
    error_id="model.token",
)


class ModelPane(Pane):
    """Takes a folder or a hub name; looked up after a pause in typing, on Enter, when chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f3", "browse", "browse folders", key_display="F3"),
        Binding("up,down", "list", "to the list", show=False),
    ]

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._found: Found | None = None
        self._trouble: TailfinError | None = None
        self._asked_at: float | None = None
        self._pause: Timer | None = None
        self._seconds: Timer | None = None
        self._is_typing = False
        self._recent: tuple[Recent, ...] = (embedded(),)
        self._choices: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        with Horizontal(classes="field"):
            yield Sheet([line("Base model")], classes="label")
            yield PathInput(
                self.draft.text("model.path"),
                placeholder="owner/name on the hub, or a folder on this box",
                complete=_folders,
                id="model-path",
            )
        yield Sheet(id="choices")
        # The list stands above what is found out: a fact more moves nothing then, and over SSH
        # every line that moves is drawn anew.
        yield Rows(id="recent")
        yield Paper(id="model-facts")

    def on_mount(self) -> None:
        self.ask(_RECENT, lambda: recent_models(self.tailfin.options.runs))
        place = self.draft.place
        if place is not None:
            self.ask(_STUDY, lambda: study(place))
        elif self._typed:
            self._look_up()

    @property
    def stop(self) -> str:
        if not self._typed:
            return "Name a base model, or choose one from the list."
        if self._asked_at is not None:
            return "The model is being looked up."
        if self._trouble is not None:
            return "This model cannot be used as it is."
        return "" if self.draft.place is not None else "The model was not looked up yet."

    @property
    def forward(self) -> str:
        return "Continue to the data"

    def first(self) -> Widget | None:
        if not self.stop and self._is_typing:
            return None  # the bar must not take the keys of somebody who is still typing
        return self.query_one(PathInput)

    def help_lines(self) -> list[str]:
        return [
            "The base model is what training starts from. Name one of the hub like owner/name, or "
            "a folder with config.json and weights. Nothing is downloaded before the run starts: "
            "this step only asks whether the model is there, may be read, and fits the disk.",
            "Tab completes paths of this box, Right takes the grey suggestion, F3 or the first "
            "row of the list browses folders. Down goes to the models used before.",
            "For questions and answers a model with a chat template is the better start (often "
            "called instruct or chat); one without gets a plain template.",
            "Gated models need their licence accepted on the hub and a token in this shell: "
            "hf auth login. A token never belongs into this field.",
        ]

    # Keys.

    def on_input_changed(self, message: Input.Changed) -> None:
        message.stop()
        if holds_token(message.value):
            with self.prevent(Input.Changed):
                self.query_one(PathInput).value = ""
            self._void()
            self._trouble = _SECRET
            self.change(self._with_path(""))
            self._draw()
            return
        if self._typed == self.draft.text("model.path"):
            return
        self._is_typing, self._choices = True, ()
        self._void()
        if self._typed:
            self._pause = self.set_timer(_PAUSE_S, self._look_up)
        self.change(self._with_path(self._typed))
        self._draw()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        message.stop()
        self._is_typing = False
        if not self._typed:
            self.action_list()
        elif not self.stop:
            self.post_message(self.Onward(self))
        elif self._asked_at is None:
            self._look_up()

    def on_path_input_choices(self, message: PathInput.Choices) -> None:
        message.stop()
        self._choices = message.choices
        self._draw()

    def on_rows_opened(self, message: Rows.Opened) -> None:
        message.stop()
        if message.key == _BROWSE:
            self.action_browse()
        else:
            self._take(message.key)

    def action_list(self) -> None:
        self.query_one(Rows).focus()

    def action_browse(self) -> None:
        """Choose a folder by walking through them."""
        from tui.screens.picker import PickerScreen

        is_path = self._typed.startswith((".", "/", "~"))
        start = Path(os.path.expanduser(self._typed) if is_path else ".")
        self.app.push_screen(
            PickerScreen("Choose a model's folder", start, folders=True), self._picked
        )

    def on_resize(self) -> None:
        self.call_after_refresh(self._draw)

    def on_paper_resized(self, message: Paper.Resized) -> None:
        message.stop()
        self._draw()

    # Looking up.

    def answered(self, question: str, value: object) -> None:
        if question == _RECENT:
            if isinstance(value, tuple):
                self._recent = value
            self.query_one(PathInput).names = tuple(
                recent.path for recent in self._recent if not recent.path.startswith("/")
            )
            self._draw_recent()
            return
        self._asked_at = None
        if self._seconds is not None:
            self._seconds.stop()
        if isinstance(value, TailfinError):
            self._trouble = value
            self.announce()
        elif isinstance(value, Found):
            self._found = value
            if question == _LOOKUP:
                draft = self._with_path(value.place.path)
                self.change(replace(draft, place=value.place, shape=value.shape))
        self._draw()

    @property
    def _typed(self) -> str:
        return from_page(self.query_one(PathInput).value.strip())

    def _take(self, path: str) -> None:
        """A model that was chosen rather than typed: looked up at once."""
        field = self.query_one(PathInput)
        field.put(path)
        field.focus()
        self._void()
        self._is_typing, self._choices = False, ()
        self.change(self._with_path(path))
        self._look_up()

    def _picked(self, path: Path | None) -> None:
        if path is not None:
            self._take(str(path))

    def _void(self) -> None:
        """What was found out or is being asked no longer holds."""
        self.forget(_LOOKUP)
        self.forget(_STUDY)
        self._found, self._trouble, self._asked_at = None, None, None
        for timer in (self._pause, self._seconds):
            if timer is not None:
                timer.stop()

    def _look_up(self) -> None:
        if not self._typed:
            return
        self._void()
        typed, revision = self._typed, self.draft.text("model.revision")
        self._asked_at = monotonic()
        self._seconds = self.set_interval(1.0, self._draw)
        self.ask(_LOOKUP, lambda: look_up(typed, revision))
        self.announce()
        self._draw()

    def _with_path(self, path: str) -> Draft:
        """The draft with this model; a revision that a spec file gave belongs to its own model."""
        draft = self.draft.choose("model.path", path) if path else self._without_path()
        if not self.draft.filed.get("model.revision"):
            return draft
        if path == self.draft.filed.get("model.path"):
            return draft.forget("model.revision")
        return draft.choose("model.revision", "")

    def _without_path(self) -> Draft:
        draft = self.draft.forget("model.path")
        return draft.choose("model.path", "") if draft.text("model.path") else draft

    # Drawing.

    def _draw(self) -> None:
        if not self.is_there:
            return
        paper = self.query_one(Paper)
        paper.put(self._facts(max(paper.content_size.width, 20)))
        self._draw_choices()
        self._draw_recent()

    def _facts(self, width: int) -> list[Line]:
        if self._trouble is not None:
            return refusal_lines(self._trouble, width)
        if self._asked_at is not None:
            return wrapped(self._asking(), width)
        if self._found is not None:
            return model_lines(self._found, width)
        if self.draft.place is not None:
            return []  # its files are being read again
        if self._typed:
            return wrapped("Looked up when you pause or press Enter.", width, "dim")
        return wrapped(
            "The model that training starts from: one of the hub, such as owner/name, or a folder "
            "with config.json and weights. Tab completes a path.",
            width,
            "dim",
        )

    def _asking(self) -> str:
        elapsed_s = int(monotonic() - (self._asked_at or 0.0))
        seconds = f" {elapsed_s} s" if elapsed_s else ""
        if elapsed_s >= _LONG_S:
            seconds += "; it is given up after about 30 s"
        if self._typed.startswith((".", "/", "~")):
            return f"Looking into the folder ...{seconds}"
        from engine.doctor.hub import DEFAULT_ENDPOINT

        endpoint = os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
        return f"Asking {endpoint.split('//')[-1].strip('/')} ...{seconds}"

    def _draw_choices(self) -> None:
        sheet = self.query_one("#choices", Sheet)
        width = sheet.content_size.width
        names = [choice.rstrip("/").rpartition("/")[2] for choice in self._choices]
        sheet.show(wrapped("  ".join(names), width, "dim")[:1] if names else [])

    def _draw_recent(self) -> None:
        rows = self.query_one(Rows)
        drawn = [Row(_BROWSE, line("Browse the folders of this box", ("  F3", "key")))]
        sources = [
            f"{one.source}, {size(one.num_bytes)}" if one.num_bytes else one.source
            for one in self._recent
        ]
        room = rows.content_size.width - 5 - max(map(cell_len, sources), default=0)
        room = max(min(room, max((cell_len(one.path) for one in self._recent), default=0)), 20)
        for one, source in zip(self._recent, sources, strict=True):
            path = padded(clip_start(one.path, room), room)
            drawn.append(Row(one.path, line(path, "  ", (source, "dim"))))
        height = self.size.height
        rows.styles.height = min(len(drawn), 10 if height > 30 else 6 if height > 16 else 3)
        rows.fill(drawn)


def _folders(text: str) -> tuple[str, ...]:
    """What a half-typed path could become; a model is a folder."""
    from engine.data.picker import complete

    return tuple(path for path in complete(text) if path.endswith("/"))
