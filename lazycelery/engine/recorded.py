"""Asks the history for what it holds beside tasks, in a thread."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator

from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.store.history.asking import ask
from lazycelery.store.history.storage import Storage


async def pages(storage: Storage, query: RecordedQuery, now: float) -> AsyncGenerator[RecordedPage, None]:
    """Page by page, each read when it is asked for. Cancelled or closed, it stops at the next slice."""
    stop = threading.Event()
    steps = ask(storage, query, now, lambda: not stop.is_set())

    def following() -> RecordedPage | None:
        page = next(steps, None)
        if stop.is_set():
            steps.close()
        return page

    try:
        while (page := await asyncio.to_thread(following)) is not None:
            yield page
    finally:
        stop.set()
        with contextlib.suppress(ValueError):  # A thread is at it still, and closes it.
            steps.close()
