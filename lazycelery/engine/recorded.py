"""Asks the history for what it holds beside tasks, in a thread, page by page."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading

from lazycelery.errors import NothingFound
from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.store.history.asking import ask
from lazycelery.store.history.storage import Storage

KEPT = 4
"""Questions that may be gone on with: who asks more of them at once has the first ones let go."""


class _Question:
    """One that is read as its pages are asked for."""

    def __init__(self, storage: Storage, query: RecordedQuery, now: float) -> None:
        self._stop = threading.Event()
        self._steps = ask(storage, query, now, lambda: not self._stop.is_set())

    def following(self) -> RecordedPage | None:
        """The next page; in a thread."""
        page = next(self._steps, None)
        if self._stop.is_set():
            self._steps.close()
        return page

    def end(self) -> None:
        """Let go of what it holds open. What is under way stops at the next slice."""
        self._stop.set()
        with contextlib.suppress(ValueError):  # A thread is at it still, and closes it.
            self._steps.close()


class Questions:
    """The last ones of one engine."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._numbers = itertools.count(1)
        self._open: dict[str, _Question] = {}

    async def page(self, query: RecordedQuery, now: float) -> RecordedPage:
        """A page. Raises `UsageError` for a wrong filter, `NothingFound` for a question that was let go.
        Cancelled, it stops at the next slice."""
        if not query.after:
            question: _Question | None = _Question(self._storage, query, now)
        elif (question := self._open.pop(query.after, None)) is None:
            raise NothingFound("That question to the history was let go.", "Ask it anew.")
        assert question is not None
        goes_on = False
        try:
            page = await asyncio.to_thread(question.following)
            if page is None:
                return RecordedPage()
            if query.limit and len(page.entries) >= query.limit:
                setattr(page, query.kind, page.entries[: query.limit])
                return page
            page.next, goes_on = str(next(self._numbers)), True
            self._open[page.next] = question
            return page
        finally:
            if not goes_on:
                question.end()
            while len(self._open) > KEPT:
                self._open.pop(next(iter(self._open))).end()

    def close(self) -> None:
        """Let all of them go."""
        while self._open:
            self._open.popitem()[1].end()
