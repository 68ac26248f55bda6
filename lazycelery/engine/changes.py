"""What changed since a face looked: counters, and waiting for the next change."""

from __future__ import annotations

import asyncio
import time

from lazycelery.engine.log import EventLog
from lazycelery.model.cluster import Tick
from lazycelery.store.store import Store
from lazycelery.waiting import came


class Changes:
    """Wakes whoever waits in `tick`."""

    def __init__(self, store: Store, log: EventLog) -> None:
        self._store, self._log = store, log
        self._status = self._aged = 0
        self._event = asyncio.Event()

    def data(self) -> None:
        """The store or the log has something new."""
        self._event.set()

    def status(self) -> None:
        """A link, a finding, a permission or the history is different."""
        self._status += 1
        self._event.set()

    def aged(self) -> None:
        """Workers are different although nothing arrived."""
        self._aged += 1
        self._event.set()

    def now(self) -> Tick:
        """The counters."""
        tick = self._store.tick()
        tick.log, tick.status = self._log.last, self._status
        tick.workers += self._aged
        tick.stamp = tick.tasks + tick.workers + tick.queues + tick.log + tick.status
        return tick

    async def tick(self, seen: int, timeout: float) -> Tick:
        """Wait until something changed since `seen`, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (tick := self.now()).stamp == seen:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._event.clear()
            if not await came(self._event, left):
                break
        return tick
