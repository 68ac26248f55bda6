"""`python -m tests.benchmarks.bare_screen`: the least that Textual paints, to measure a start beside."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Static


class BareScreen(App[None]):
    """One line."""

    BINDINGS = [("q", "quit", "Quit")]

    def compose(self) -> ComposeResult:
        yield Static("Workers")


if __name__ == "__main__":
    BareScreen().run()
