"""What a desk lies on: the terminal, as far as a desk knows of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lazycelery.tui.presentation.clusters import ClusterLine


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

    async def edit(self, path: Path) -> None:
        """Leave the terminal to the person's editor until it ends."""

    async def outside(self, path: Path) -> None:
        """Leave the terminal to the person's pager until it ends."""

    def clusters(self) -> Sequence[ClusterLine]:
        """What is known of each cluster: those that are open, and profiles that can be opened."""

    def bring(self, name: str) -> None:
        """Bring the cluster of a profile to the front."""

    def step_cluster(self, by: int) -> None:
        """Bring the next open cluster to the front."""

    def close_cluster(self, name: str) -> None:
        """End the engine of a cluster."""

    def quit(self) -> None:
        """End."""
