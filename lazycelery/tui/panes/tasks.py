"""The tasks: a window on what the engine holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.keys import Scope
from lazycelery.model.task import TaskQuery, TaskRow
from lazycelery.model.text import clean
from lazycelery.model.view import SavedView
from lazycelery.tui.listing import Listing, Place
from lazycelery.tui.panes.ordering import Ordering
from lazycelery.tui.panes.pane import HEADED, Bodies
from lazycelery.tui.presentation import tasks
from lazycelery.tui.presentation.line import Column, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.task_window import Ask, TaskWindow

FAULTS = "state:failure,retry,rejected,lost"


class TaskPane:
    """Tasks, newest first, by the engine's filter language.

    Filters are stacked: a drill-down pushes one, what is typed is the last, a step back takes the
    last one away.
    """

    scope: Scope = "tasks"
    number = 3
    title = "Tasks"
    columns = tasks.COLUMNS

    def __init__(self, ask: Ask, changed: Callable[[], None]) -> None:
        self._tell = changed
        self.window = TaskWindow(ask, self._arrived)
        self.listing = Listing(self.window, follows=True)
        self.bodies = Bodies()
        self.pushed: list[str] = []
        """Filters of drill-downs, oldest first."""
        self.filter = ""
        self.faults = False
        self.ordering = Ordering(tasks.LEADS)
        self._seen: TaskRow | None = None
        self._growing = False
        self._applied = ""
        """The whole filter of what is shown."""
        self._places: dict[str, Place | None] = {}
        """Where the cursor was under each filter that a step back leads to."""

    def _arrived(self) -> None:
        # While a search grows, whatever leads by then is on the first line, until the cursor is moved.
        grew, self._growing = self._growing, self.window.growing
        self.listing.follows = self.ordering.usual or grew or self._growing
        self.listing.settle()
        self.listing.follows = self.ordering.usual or self._growing
        self._tell()

    @property
    def item(self) -> TaskRow | None:
        """The row under the cursor, when it is here; one that is pinned as it was last seen."""
        if not self.listing.lost:
            self._seen = self.window.at(self.listing.cursor)
        return self._seen

    @property
    def over(self) -> bool:
        """Never: a task is known by its id, in the list or not."""
        return False

    def named(self, name: str) -> TaskRow | None:
        """The row of a task, when it is here."""
        at = self.window.index_of(name)
        return None if at is None else self.window.at(at)

    @property
    def awaited(self) -> bool:
        """Whether the row under the cursor is still on its way."""
        some = self.window.total > 0 or self.window.growing
        absent = not self.window.loaded or (self.listing.key is None and some)
        return absent and self.window.pending

    @property
    def whole_filter(self) -> str:
        """All filters together, in the engine's language."""
        parts = [*self.pushed, FAULTS if self.faults else "", self.filter]
        return " ".join(part for part in parts if part)

    @property
    def crumbs(self) -> list[str]:
        """Each filter, and an unusual order."""
        parts = [*self.pushed, "faults" if self.faults else "", self.filter]
        order = "" if self.ordering.usual else self.ordering.text
        return [clean(part, 60) for part in [*parts, order] if part]

    def columns_at(self, width: int) -> Sequence[Column]:
        """Beside the main side, what a task is and since when; alone, all by rank."""
        return tasks.COLUMNS if width >= HEADED else tasks.NARROW

    def note(self, width: int, look: Look) -> str:
        """How many match, of how many, seen since when."""
        return tasks.counts(self.window.answer, bool(self.whole_filter), width, look)

    def row(self, index: int) -> TaskRow | None:
        """What stands on a line, when it is here."""
        return self.window.at(index)

    def cells(self, index: int, look: Look) -> list[Span] | None:
        """The cells of a line, when its row is here."""
        row = self.window.at(index)
        return None if row is None else tasks.cells(row, look)

    def push(self, filter: str) -> None:
        """Drill down: only what matches this too."""
        if filter not in self.pushed:
            self.pushed.append(filter)
        self._changed()

    def set_filter(self, text: str, at: Place | None = None) -> None:
        """What was typed; the engine has checked it."""
        self.filter = text
        self._changed(at)

    def show(self, view: SavedView) -> None:
        """A saved view in place of all filters and the order; the engine has checked it."""
        self.pushed, self.faults, self.filter = [], False, view.filter
        self.ordering.set(view.sort, view.reverse)
        self.sort()

    def toggle_faults(self) -> None:
        """Faults only, or all."""
        self.faults = not self.faults
        self._changed(None if self.faults else self._places.get(self.whole_filter))

    def sort(self) -> None:
        """Take up another order."""
        self._changed()

    def step_back(self) -> bool:
        """Take the last filter away."""
        if self.filter:
            self.filter = ""
        elif self.faults:
            self.faults = False
        elif self.pushed:
            self.pushed.pop()
        else:
            return False
        self._changed(self._places.get(self.whole_filter))
        return True

    def _changed(self, at: Place | None = None) -> None:
        """Another filter or order; the cursor goes to the first row, or to where it was."""
        listing, order, shown = self.listing, self.ordering, self.whole_filter
        if not shown:
            self._places.clear()
        elif shown != self._applied:
            self._places[self._applied] = listing.place
        self._applied, self._growing = shown, False
        listing.follows = order.usual
        listing.reset(at)
        query = TaskQuery(filter=shown, sort=order.name, reverse=order.reversed)
        self.window.change(query, listing.top, listing.held)
