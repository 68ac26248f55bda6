"""Tasks of which nobody knows whether they ended: their messages may wait in another queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.errors import LazyCeleryError
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.queues import QueueOps
from lazycelery.store.store import Store

LOOK_EVERY = 10.0
MESSAGES = 100
"""Looked at in a queue, at the end to which messages are moved and restored."""
QUEUES = 20
"""Looked at in a round; the others in the next ones."""


class Astray:
    """Looks where queues have grown, while the state of some task is unknown and looks are free."""

    def __init__(self, store: Store, queues: QueueOps, clock: Callable[[], float]) -> None:
        self._store, self._queues, self._clock = store, queues, clock
        self._depths: dict[str, int] = {}
        self._grown: dict[str, None] = {}
        """Not looked at since; the longest waiting first."""
        self._looked = float("-inf")

    async def look(self, reports: Sequence[QueueReport]) -> None:
        """After a look at all queues that the store has been told of."""
        before, self._depths = self._depths, {one.name: one.messages or 0 for one in reports}
        for name, depth in self._depths.items():
            if depth > before.get(name, 0):
                self._grown[name] = None
        self._grown = {name: None for name in self._grown if self._depths.get(name)}
        if not self._grown or not self._queues.free_looks or not self._store.counts().get("unknown"):
            return
        now = self._clock()
        if 0 <= now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        for name in list(self._grown)[:QUEUES]:
            del self._grown[name]
            try:
                page = await self._queues.peek(name, max(0, self._depths[name] - MESSAGES), MESSAGES)
            except LazyCeleryError:
                continue  # A broker that is gone is told by the looks at all queues.
            self._store.apply_messages(name, page.messages, page.at, "waiting")
