"""A window on the tasks, which live in the engine: what is in view and a screen above and below it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lazycelery.errors import LazyCeleryError
from lazycelery.model.task import TaskPage, TaskQuery, TaskRow

Ask = Callable[[TaskQuery], Awaitable[TaskPage]]


SOON = 0.05
"""Seconds after which a search shows what it has found, if that does not fill the window before."""
GROWS = 0.15
"""Seconds between two looks at how it goes on."""


@dataclass(frozen=True)
class Wish:
    """What the list would like to see."""

    top: int
    page: int
    held: tuple[str, int] | None


class TaskWindow:
    """The rows around what is in view. Answers at once from what it has; asks for what it lacks.

    At most one question is under way; while it is, only the newest wish is kept. An answer calls
    `changed`. A search through texts is shown as it grows, until it was seen whole once: what comes later
    takes its place whole.
    """

    def __init__(self, ask: Ask, changed: Callable[[], None]) -> None:
        self._ask = ask
        self._changed = changed
        self.query = TaskQuery()
        """Filter and order; its offset, limit and hold are set with each question."""
        self.answer = TaskPage()
        self.problem: LazyCeleryError | None = None
        """Why the last question failed, or `None`."""
        self.loaded = False
        """Whether any answer came for the present filter and order."""
        self._whole = False
        """Whether an answer to the present question told of all tasks."""
        self._taking = False
        self._places: dict[str, int] = {}
        self._wish = Wish(0, 1, None)
        self._asking: asyncio.Task[None] | None = None
        self._again = False

    # ---- rows

    @property
    def growing(self) -> bool:
        """Whether these are the first hits of a search that goes on."""
        return self.loaded and self.answer.searched < 1

    @property
    def total(self) -> int:
        """Tasks that match, as far as was looked."""
        return self.answer.matched

    def at(self, index: int) -> TaskRow | None:
        """The row on a line, when it is in the window."""
        place = index - self.answer.start
        return self.answer.rows[place] if 0 <= place < len(self.answer.rows) else None

    def key_at(self, index: int) -> str | None:
        """The id of the task on a line, when it is in the window."""
        row = self.at(index)
        return None if row is None else row.id

    def index_of(self, key: str) -> int | None:
        """The line of a task, when it is in the window."""
        return self._places.get(key)

    def look(self, top: int, page: int, held: tuple[str, int] | None) -> None:
        """Note what is in view, and ask when its surroundings run short."""
        before, self._wish = self._wish, Wish(top, page, held)
        moved = (before.top, before.page) != (top, page)
        if self.loaded and (moved or self.at(top) is None) and not self._covers(top, page):
            if self.growing and not self._taking:
                self._begin(0.0)  # What is found already need not wait for more.
            else:
                self.ask()

    def _covers(self, top: int, page: int) -> bool:
        have = self.answer
        first, last = max(0, top - page // 2), min(have.matched, top + page + page // 2)
        return have.start <= first and last <= have.start + len(have.rows)

    @property
    def pending(self) -> bool:
        """Whether an answer is on its way."""
        return self._asking is not None and not self._asking.done()

    # ---- asking

    def change(self, query: TaskQuery, top: int = 0, held: tuple[str, int] | None = None) -> None:
        """Another filter or order: what was asked is given up, and the old rows stay until the new ones are
        here. Those are around the row `held`, with its line."""
        self.query = query
        self.loaded = self._whole = False
        self._wish = Wish(top, self._wish.page, held)
        self._begin(SOON)

    def ask(self) -> None:
        """Fetch the window again, for what is in view now."""
        if self._asking is None or self._asking.done():
            self._begin(SOON)
        else:
            self._again = True

    def _begin(self, patience: float) -> None:
        self.stop()
        self._asking = asyncio.create_task(self._fetch(patience))

    def stop(self) -> None:
        """Give up a question that is under way."""
        if self._asking is not None:
            self._asking.cancel()

    async def _fetch(self, patience: float) -> None:
        while True:
            self._again = False
            query = self._question()
            query.patience = None if self._whole else patience
            try:
                answer = await self._ask(query)
            except LazyCeleryError as problem:
                self.problem = problem
                answer = None
            if answer is not None:
                self._take(answer)
            self._tell()
            patience = GROWS
            if not self._again and (answer is None or self._whole):
                return

    def _tell(self) -> None:
        self._taking = True
        try:
            self._changed()
        finally:
            self._taking = False

    def _question(self) -> TaskQuery:
        wish = self._wish
        first = max(0, wish.top - wish.page)
        query = TaskQuery(filter=self.query.filter, sort=self.query.sort, reverse=self.query.reverse)
        query.limit = wish.page * 3
        query.offset = first
        if wish.held is not None:
            query.hold = wish.held[0]
            query.offset = first - wish.held[1]
        return query

    def _take(self, answer: TaskPage) -> None:
        self.answer = answer
        self.problem = None
        self.loaded = True
        self._whole = self._whole or answer.searched >= 1
        self._places = {row.id: answer.start + place for place, row in enumerate(answer.rows)}
