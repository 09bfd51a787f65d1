"""The smallest Textual app that shows something: what the framework itself costs."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class EmptyApp(App[None]):
    """One line of text."""

    def compose(self) -> ComposeResult:
        yield Static("An empty Textual app.")


if __name__ == "__main__":
    EmptyApp().run()
