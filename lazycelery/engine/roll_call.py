"""Asks everybody for a sign of life as soon as one is overdue: who went is found within seconds, and who is
held up or only late is told apart from them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from lazycelery.engine.links import Links
from lazycelery.errors import LazyCeleryError
from lazycelery.sources.control import Control
from lazycelery.store.store import Store
from lazycelery.waiting import Breath, unhurried

logger = logging.getLogger(__name__)

LOOK = 0.25
"""Seconds between two looks for a worker that is late; they cost the broker nothing."""
PAUSE, EACH = 1.0, 0.01
"""Seconds between two questions to everybody, at least, and as many more for each worker that will answer."""
TIMEOUT = 1.0
LONGEST = 120.0
SURE = 2.0
"""Seconds for which a mailbox must be closed, at two looks at least: who was only cut off is back by then."""
SURE_OF_MANY = 8.0
"""The same where half of all workers went at once: rather the way to them is broken, and they try again
after two, four and six seconds."""


class RollCall:
    """`found` is called with the names of workers that went, `changed` after each question."""

    def __init__(
        self,
        store: Store,
        links: Links,
        control: Control,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._store, self._links, self._control = store, links, control
        self._clock, self._changed = clock, changed
        self.found: Callable[[list[str]], Awaitable[None]] | None = None
        self._closed: dict[str, float] = {}
        """Since when mailboxes are closed, as far as seen."""
        self._next = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(LOOK)
            try:
                await self.look()
            except Exception:
                logger.exception("a roll call failed")
                await asyncio.sleep(PAUSE)

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._next += by
        self._closed = {name: at + by for name, at in self._closed.items()}

    async def look(self) -> None:
        """Ask, if somebody is late and enough time has passed since the last question."""
        now = self._clock()
        if self._next - now > LONGEST:
            self._next = now  # The clock was set.
        late = await unhurried(self._store.lateness.late(now))
        # Who was heard since begins anew: the next time that its mailbox is closed is another time.
        self._closed = {name: min(self._closed[name], now) for name in late if name in self._closed}
        if not late or now < self._next or self._links["broker"].state != "connected":
            return
        try:
            await self._ask(late)
        except LazyCeleryError:
            self._closed.clear()  # The links tell.
        self._next = max(self._clock() + PAUSE + EACH * self._living(), self._sure_at())

    def _living(self) -> int:
        return self._store.roll.living(self._clock())

    def _sure_at(self) -> float:
        """When the first of the closed mailboxes will have been so for long enough."""
        return min(self._closed.values(), default=0.0) + SURE

    async def _ask(self, late: list[str]) -> None:
        reports = await self._control.roll_call(late, timeout=TIMEOUT, clock=self._clock)
        now, closed = self._clock(), set()
        breath = Breath()
        for report in reports:
            await breath.take()
            self._store.apply_worker(report)
            if report.listening is False and self._store.lateness.would_be_back(report.worker):
                closed.add(report.worker)
        self._closed = {name: self._closed.get(name, now) for name in closed}
        many = len(closed) > 1 and 2 * len(closed) >= self._living()
        sure = SURE_OF_MANY if many else SURE
        went = [name for name, since in self._closed.items() if now - since >= sure]
        for name in went:
            self._store.lateness.ended(name, now)
        self._changed()
        if went and self.found is not None:
            await self.found(went)
