"""What a desk lies on: the terminal, as far as a desk knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lazycelery.tui.brokers import Broker


class Surface(Protocol):
    """What the desk lies on."""

    def paint(self) -> None:
        """Show what has changed."""

    def repaint(self) -> None:
        """Send the whole screen again."""

    def copy(self, text: str) -> None:
        """Put a text in the terminal's clipboard."""

    def next_theme(self) -> str:
        """Another theme; returns its name."""

    def themes(self) -> Sequence[str]:
        """Names of all themes."""

    def use_theme(self, name: str) -> None:
        """Turn to a theme."""

    async def outside(self, path: Path) -> None:
        """Leave the terminal to the person's pager until it ends."""

    def brokers(self) -> Sequence[Broker]:
        """Profiles that can be opened."""

    def switch(self, name: str) -> None:
        """Bring the desk of a profile to the front."""

    def quit(self) -> None:
        """End."""
