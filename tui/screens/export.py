"""Which forms to export, what each is for, and where they will lie."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from engine.export.targets import FORMS, Form
from tui.draw.line import BLANK, Line, line, wrapped
from tui.draw.words import size
from tui.result_view import ResultView
from tui.screens.modal import Modal
from tui.widgets.rows import Row, Rows
from tui.widgets.sheet import Sheet


class ExportScreen(Modal[tuple[Form, ...] | None]):
    """Dismissed with the forms to write, or None; what is still missing is chosen to begin with."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(None)", "back", show=False)
    ]

    def __init__(self, view: ResultView) -> None:
        super().__init__(classes="box small")
        self._view = view

    def compose(self) -> ComposeResult:
        yield Sheet([line(("Export", "title"))], id="box-title")
        yield Sheet(id="box-text")
        yield Rows(id="choices")
        yield Sheet([line(("Enter", "key"), " start  ", ("Esc", "key"), " back")], id="box-keys")

    def on_mount(self) -> None:
        self.query_one(Rows).focus()
        self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fill)

    def on_rows_opened(self, message: Rows.Opened) -> None:
        forms = tuple(form for form in FORMS if form in message.key.split(","))
        self.dismiss(forms or None)

    def _fill(self) -> None:
        text, rows = self.query_one("#box-text", Sheet), self.query_one(Rows)
        width = max(text.content_size.width, 20)
        said = "Each form is written, loaded again by plain libraries and compared with what was "
        said += "trained; only then it is put in place. Free disk is checked first."
        is_short = self.size.height < 20
        drawn = [] if is_short else [*wrapped(said, width), BLANK]
        for export in self._view.exports:
            says, role = (export.refused, "warn") if export.refused else (FORMS[export.form], "")
            body = wrapped(says, width - 9, role)
            drawn += [(*line((f"{export.form:<9}", "dim")), *body[0])]
            drawn += [((" " * 9, ""), *more) for more in body[1:]]
        drawn += [] if is_short else [BLANK]
        drawn += wrapped(f"They will lie in {self._view.run.exports}", width)
        text.show(drawn)
        possible = self._view.possible_forms
        choices = [possible] if len(possible) > 1 else []
        choices += [(form,) for form in possible]
        wanted = ",".join(self._view.missing_forms)
        rows.fill([Row(",".join(c), self._choice(c)) for c in choices], key=wanted or None)

    def _choice(self, forms: tuple[Form, ...]) -> Line:
        chosen = [export for export in self._view.exports if export.form in forms]
        needed = sum(export.needs_bytes for export in chosen)
        is_known = all(export.needs_bytes for export in chosen)
        about = f"about {size(needed)}" if is_known else ""
        name = "both" if len(forms) > 1 else forms[0]
        again = any(export.report is not None for export in chosen)
        note = "replaces what is there" if again else ""
        return line((f"{name:<9}", "strong"), f"{about:<18}", (note, "dim"))
