"""What a full view is, and who keeps the open one fresh."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from lazycelery.engine.api import EngineApi
from lazycelery.errors import LazyCeleryError
from lazycelery.tui.entry import Entry
from lazycelery.tui.errands import Errands
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look

logger = logging.getLogger(__name__)
DEFECT = "This look failed: a defect of this program; its log tells more. It is tried again."


class View(Protocol):
    """One thing shown on the whole screen."""

    title: str
    pace: float
    """Seconds between two looks at the engine."""
    filter: str | None
    """What was typed; `None` where nothing can be filtered."""
    problem: str | None
    """Why the last look failed."""

    async def fetch(self, api: EngineApi) -> None:
        """Look at the engine."""

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """The view in its frame."""

    def move(self, lines: int) -> None:
        """Move by lines."""

    def turn(self, pages: float) -> None:
        """Move by (parts of) pages."""

    def set_filter(self, text: str) -> None:
        """Show only what matches."""

    def hold(self) -> str | None:
        """Stand still, or go on; says which. `None` where nothing runs."""

    def enter(self) -> None:
        """Open what the cursor is on."""

    def leave(self) -> bool:
        """One step back inside; false when there is none."""


@runtime_checkable
class Tabbed(Protocol):
    """A view of several pages, or spans."""

    def tab(self, step: int) -> None:
        """To the next one, or the previous."""


class Picked(NamedTuple):
    """What the cursor is on."""

    kind: str
    """In a word, for people: "entry"."""
    name: str
    item: object


@runtime_checkable
class Listed(Protocol):
    """A view that is a list."""

    picked: Picked | None
    """What the cursor is on, or whose page is open."""

    def point(self, line: int) -> bool:
        """Put the cursor on what is drawn on a line of the view; false when that is nothing."""


@runtime_checkable
class Marking(View, Listed, Protocol):
    """A list whose things can be marked."""

    items: Mapping[str, object]
    """All that is shown, by name."""
    inside: bool
    """Whether the page of one of them is open: it speaks of that one alone."""


class Views:
    """The open view."""

    def __init__(
        self, api: Callable[[], EngineApi | None], errands: Errands, paint: Callable[[], None]
    ) -> None:
        self._api = api
        self._errands = errands
        self._paint = paint
        self._running: asyncio.Task[None] | None = None
        self.open: View | None = None
        self._looked = False
        """Whether the open view has had an answer."""

    @property
    def awaited(self) -> bool:
        """Whether what the open view shows is still on its way."""
        return self.open is not None and not self._looked and self._api() is not None

    def show(self, view: View) -> None:
        """Open a view in place of the present one."""
        self.close()
        self.open = view
        self.again()

    def close(self) -> None:
        """Back to the dashboard."""
        if self._running is not None:
            self._running.cancel()
        self.open = self._running = None

    def again(self) -> None:
        """Look at the engine now."""
        if self._running is not None:
            self._running.cancel()
        self._looked = False
        if self.open is not None:
            self._running = self._errands.run(self._follow(self.open))

    def back(self) -> bool:
        """One step back; false when no view is open."""
        if self.open is None:
            return False
        if self.open.filter:
            self.open.set_filter("")
            self.again()
        elif not self.open.leave():
            self.close()
        return True

    def typing(self) -> Entry | None:
        """The line in which its filter is typed; `None` where nothing can be filtered."""
        view = self.open
        if view is None or view.filter is None:
            return None
        before = view.filter

        def change(text: str) -> None:
            view.set_filter(text.strip())
            self.again()

        def end(text: str, entered: bool) -> None:
            if not entered and view.filter != before:
                change(before)

        return Entry(f" {view.title}/", before, end, change=change)

    async def _follow(self, view: View) -> None:
        while True:
            api = self._api()
            try:
                if api is not None:
                    await view.fetch(api)
                    view.problem, self._looked = None, True
            except LazyCeleryError as problem:
                view.problem, self._looked = str(problem), True
            except Exception:
                logger.exception("a look of the view %s failed", view.title)
                view.problem, self._looked = DEFECT, True
            self._paint()
            await asyncio.sleep(view.pace)
