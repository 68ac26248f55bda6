"""In which order a list stands: by which of its columns, and from which end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

Name = TypeVar("Name", bound=str)


class Ordering(Generic[Name]):
    """The present order among those that a list knows.

    `leads` gives each order the title of the column that leads it; the first is the usual one.
    """

    def __init__(self, leads: Mapping[Name, str]) -> None:
        self._leads = leads
        self.name = next(iter(leads))
        self.reversed = False

    @property
    def names(self) -> list[Name]:
        """All orders, the usual one first."""
        return list(self._leads)

    @property
    def column(self) -> str:
        """The title of the column that leads; "" when none does."""
        return self._leads[self.name]

    @property
    def usual(self) -> bool:
        """Whether it is the order that the list begins with."""
        return self.name == self.names[0] and not self.reversed

    def next(self) -> None:
        """The order after this one."""
        names = self.names
        self.choose(names[(names.index(self.name) + 1) % len(names)])

    def choose(self, name: Name) -> None:
        """This order; chosen again, from the other end."""
        self.reversed = name == self.name and not self.reversed
        self.name = name

    def set(self, name: Name, reversed: bool) -> None:
        """Exactly this order."""
        self.name, self.reversed = name, reversed

    def led_by(self, title: str) -> Name | None:
        """The order that a column of this title leads."""
        return next((name for name, column in self._leads.items() if title and column == title), None)

    @property
    def text(self) -> str:
        """The order in words: by what, from which end."""
        return f"by {self.name}" + (", reversed" if self.reversed else "")

    @property
    def titles(self) -> str:
        """The columns that can lead, in words."""
        return ", ".join(title for title in self._leads.values() if title)
