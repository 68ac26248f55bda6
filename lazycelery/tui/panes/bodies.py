"""Rows of a list as lines, kept until one of them changes: a cursor that moves over them changes none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look


class Bodies:
    """The lines in view, as they were made last."""

    def __init__(self) -> None:
        self._rows: Sequence[object] = ()
        self._look: Look | None = None
        self._room: tuple[object, int] = ((), 0)
        self._lines: list[Line] = []

    def forget(self) -> None:
        """Make them anew: other rows have come."""
        self._look = None

    def of(
        self,
        rows: Sequence[object],
        look: Look,
        shown: Sequence[tuple[int, int]],
        width: int,
        make: Callable[[], list[Line]],
    ) -> list[Line]:
        """The lines of these rows in these columns; `make` is called where any of it is not as it was."""
        # A look stays the same object for as long as it says the same.
        if look is not self._look or (shown, width) != self._room or rows != self._rows:
            self._lines = make()
            self._rows, self._look, self._room = rows, look, (shown, width)
        return self._lines
