"""What the screen needs of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lazycelery.config.views import Shelf
from lazycelery.model.profile import Profile


class Ui(Protocol):
    """How the screen looks and behaves."""

    @property
    def theme(self) -> str:
        """dark, light or terminal."""

    @property
    def ascii(self) -> bool:
        """Signs from ASCII only."""

    @property
    def mouse(self) -> bool:
        """Whether the terminal's mouse is ours."""

    @property
    def utc(self) -> bool:
        """Times in UTC."""

    @property
    def paint(self) -> float:
        """Shortest time between two paints, seconds."""

    @property
    def keymap(self) -> Mapping[str, str | list[str]]:
        """Changes to the keys: action id -> chords."""


class Settings(Protocol):
    """The settings of one run."""

    @property
    def profile(self) -> Profile:
        """The cluster to look at."""

    @property
    def profiles(self) -> Sequence[str]:
        """Names of all profiles of the configuration."""

    @property
    def tried(self) -> Sequence[str]:
        """Where a broker was looked for, for when there is none."""

    @property
    def shelf(self) -> Shelf:
        """The saved views of the profile."""

    @property
    def ui(self) -> Ui:
        """The screen's own settings."""


Load = Callable[[str], Settings]
"""The settings of a profile by its name. Raises `LazyCeleryError`."""
