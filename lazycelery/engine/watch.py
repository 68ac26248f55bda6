"""Keeps the store true: connects, and runs one loop a source. Each loop mends itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from lazycelery.engine.backend import Backend
from lazycelery.engine.due import Due
from lazycelery.engine.hearing import Hearing
from lazycelery.engine.links import Links, backoff
from lazycelery.engine.looks import Looks
from lazycelery.engine.overload import Overload
from lazycelery.engine.rounds import Rounds
from lazycelery.errors import LazyCeleryError
from lazycelery.model.event import Event
from lazycelery.model.facts import BrokerFacts, Flights
from lazycelery.model.profile import Profile
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.events import EventBatch
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

RESTART = 5.0


class Watch:
    """The loops behind an engine."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        taken: Callable[[list[Event], Sequence[Event]], None],
        links: Links,
        broker: WholeBroker,
        control: Control,
        clock: Callable[[], float],
        changed: Callable[[], None],
        overload: Overload,
    ) -> None:
        self._overload = overload
        self._profile, self._store, self._taken, self._links = profile, store, taken, links
        self._broker, self._clock, self._changed = broker, clock, changed
        self.backend = Backend(profile, store, links, clock, changed, broker.lacks.get("results"))
        self.attempted = asyncio.Event()
        """The first try to connect has ended, well or not."""
        self.realm = broker.realm
        self.malformed = 0
        """Messages on the event channel that could not be read."""
        self._behind = False
        """The events' connection broke while more waited in it than was read."""
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted = asyncio.Event()
        """A round of questions to the workers is wanted at once."""
        self._due = Due(clock)
        self.hearing = Hearing(store, links, broker, clock, self._wanted.set)
        own = (self.backend, self.hearing, self._due)
        self.looks = Looks(profile, store, links, broker, clock, changed, *own)
        self.rounds = Rounds(
            profile, store, links, broker, control, clock, changed, self.looks, *own, self._wanted
        )

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self.backend.clock_set(by)
        self.looks.clock_set(by)

    @property
    def first_truth(self) -> asyncio.Event:
        """Control and queues have answered once, and the first sweep is done."""
        return self.rounds.first_truth

    @property
    def facts(self) -> BrokerFacts | None:
        """What the broker told of itself."""
        return self.looks.facts

    @property
    def flights(self) -> Flights | None:
        """Unacknowledged messages, as last seen."""
        return self.looks.flights

    @property
    def lacks(self) -> dict[str, str]:
        """What the transport does not have, and why."""
        return dict(self._broker.lacks)

    @property
    def tls_unverified(self) -> bool:
        """Whether our own connection does not check the broker's certificate."""
        return self._broker.tls_unverified

    @property
    def redelivers(self) -> bool:
        """Whether the broker delivers again what was not acknowledged in time."""
        return self._broker.redelivers

    @property
    def gives_back(self) -> str:
        """What becomes of a message whose worker was lost."""
        return self._broker.gives_back

    def start(self) -> None:
        """Start the loops; nothing is waited for."""
        self._tasks = [asyncio.create_task(self._run(), name="watch")]

    async def stop(self) -> None:
        """End every loop."""
        pending = set(self._tasks)
        while pending:
            # Once is not always enough: before Python 3.12, `wait_for` may swallow a cancellation.
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=0.02)

    # ---- the life of it

    async def _run(self) -> None:
        await self._connect()
        loops = (self._events, self.rounds.run, self.looks.run, self._results)
        self._tasks += [asyncio.create_task(self._kept_alive(loop), name=loop.__qualname__) for loop in loops]

    async def _connect(self) -> None:
        for wait in backoff():
            try:
                await self._broker.connect()
            except LazyCeleryError as problem:
                self._links.down("broker", problem, self._clock() + wait)
                self.attempted.set()
                await asyncio.sleep(wait)
            else:
                self._links.up("broker")
                self.attempted.set()
                return

    async def _kept_alive(self, loop: Callable[[], Awaitable[None]]) -> None:
        """A bug in one loop is logged, and neither ends it for good nor touches the others."""
        while True:
            try:
                await loop()
                return
            except Exception:
                logger.exception("loop %s failed", loop)
                await asyncio.sleep(RESTART)

    # ---- events

    async def _events(self) -> None:
        if self._broker.events is None:
            self._links.tell("events", StatusChange("off", self._broker.lacks.get("events", "")))
            return
        await self._broker.events.run(self._deliver, self._events_status)

    def _deliver(self, batch: EventBatch) -> None:
        self._clock()  # It tells the store first, where it was set.
        kept = self._store.apply_events(batch.events, batch.more)
        self._taken(batch.events, kept)
        self._links.heard("events")
        self.malformed += batch.malformed
        for event in self._store.told.signs:
            if event.type == "worker-online" or event.hostname not in self.rounds.surveyed:
                self.rounds.surveyed.discard(event.hostname)
                self._wanted.set()
        self._changed()
        if batch.began is not None:
            ended, late = time.monotonic(), self._store.late()
            self._overload.took(batch.began, ended, len(batch.events), batch.more, late)

    def _events_status(self, change: StatusChange) -> None:
        health, now = self._links["events"], change.at or self._clock()
        if change.at is not None and health.state == "connected":
            health.last = change.at  # Until then events were seen, if any came.
        lost_since, gaps = health.last or health.since, health.gaps
        if health.state == "connected" and change.state != "connected":
            self._behind = self._overload.lost(time.monotonic())
        self._links.tell("events", change)
        if health.gaps > gaps:
            self._store.gap(lost_since, now, self._behind)
            self.rounds.surveyed.clear()
            self._due.forget()
            self._wanted.set()
        self.hearing.note()

    async def _results(self) -> None:
        await self.first_truth.wait()
        await self.backend.run()
