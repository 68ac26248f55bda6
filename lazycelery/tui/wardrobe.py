"""Which themes there are, built in and of the person's own, and which one is worn."""

from __future__ import annotations

from textual.theme import Theme

from lazycelery.tui import themes
from lazycelery.tui.user_themes import UserThemes


class Wardrobe:
    """Themes by the names that people use."""

    def __init__(self, own: UserThemes, wanted: str | None) -> None:
        self._own = own
        _, self.problems = own.look()
        self.worn = self.chosen(wanted)
        """The name of the present theme."""

    @property
    def names(self) -> list[str]:
        """All names, built-in ones first."""
        return [*themes.THEMES, *(name for name in self._own.found if name not in themes.THEMES)]

    def theme(self, name: str) -> Theme:
        """A theme by its name."""
        return self._own.found.get(name) or themes.THEMES[name]

    @property
    def all(self) -> list[Theme]:
        """All themes."""
        return [self.theme(name) for name in self.names]

    def chosen(self, wanted: str | None) -> str:
        """The name of the theme for who wants this one: the terminal and `NO_COLOR` have a say."""
        return themes.chosen(wanted, known=self.names)

    def wear(self, name: str) -> Theme:
        """Choose a theme; one that is gone by now is replaced."""
        self.worn = name if name in self.names else "dark"
        return self.theme(self.worn)

    def following(self) -> str:
        """The name after the present one."""
        names = self.names
        return names[(names.index(self.worn) + 1) % len(names)]

    def look(self) -> bool:
        """Read what has changed on disk; may block. What is wrong is in `problems`."""
        changed, self.problems = self._own.look()
        if self.worn not in self.names:
            self.worn = "dark"
        return changed
