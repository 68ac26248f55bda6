"""Looks at the queues, and at what the broker tells beside them: itself, and what is unacknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from itertools import groupby

from lazycelery.engine.astray import Astray
from lazycelery.engine.backend import Backend
from lazycelery.engine.due import Due
from lazycelery.engine.hearing import Hearing
from lazycelery.engine.links import Links
from lazycelery.errors import LazyCeleryError
from lazycelery.model.facts import BrokerFacts, Flight, Flights
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import InFlight
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

PROBE_COMMANDS = 8.0
"""Broker commands a second that queue probes may cost: many queues are probed less often."""
MOST_REST = 15.0
"""Seconds without a look at the queues, at most: what is older misleads more than it spares."""
IN_FLIGHT = 100
"""Unacknowledged messages looked at in a round."""
IN_FLIGHT_EVERY = 10.0
FACTS_EVERY = 4.0
"""A few commands: a broker that throws queues away is told within seconds."""
SWEEP_MESSAGES = 100
ABSENT_EVERY = 300.0
"""Seconds after which a queue that events name and that was not there is looked for again."""
SENT_TO = 100
"""Queues that are looked at because events name them: a misspelt one is bound long before it is found."""


class Looks:
    """What the broker holds, kept in the store."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        links: Links,
        broker: WholeBroker,
        clock: Callable[[], float],
        changed: Callable[[], None],
        backend: Backend,
        hearing: Hearing,
        due: Due,
    ) -> None:
        self._profile, self._store, self._links, self._broker = profile, store, links, broker
        self._clock, self._changed = clock, changed
        self._backend, self._hearing, self._due = backend, hearing, due
        self.facts: BrokerFacts | None = None
        """What the broker told of itself."""
        self.flights: Flights | None = None
        """Unacknowledged messages, as last seen."""
        self.hasten = False
        """Unacknowledged messages are in question now: each look is at them, too."""
        self.doubts_broker = False
        """The same of what the broker tells of itself."""
        self._astray = Astray(store, broker.queues, clock)
        self._commands_per_probe = 0
        self._probed: set[str] = set()
        self._absent: set[str] = set()
        """Queues that events name and that the broker does not have."""

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        if self.flights is not None:
            self.flights.at += by

    async def run(self) -> None:
        """Look until cancelled."""
        await self.probe()
        await asyncio.sleep(self._profile.refresh)  # The first look is dearer than all that follow.
        while True:
            await self.probe()
            await asyncio.sleep(self.rest(self._commands_per_probe))

    def rest(self, commands: int) -> float:
        """Seconds until the next look at the queues, after one that cost so many commands."""
        return max(self._profile.refresh, min(commands / PROBE_COMMANDS, MOST_REST))

    async def probe(self) -> None:
        """One look at every queue."""
        before = self._broker.commands_sent()
        try:
            names = await self._broker.queues.names()
            if self._due.now("absent", ABSENT_EVERY):
                self._absent.clear()
            sent_to = self._store.queues_told(SENT_TO) - self._absent
            wanted = [*names, *sorted((self._store.roll.consumed() | sent_to) - set(names))]
            reports = await self._broker.queues.probe(wanted)
            self._absent |= {report.name for report in reports if report.error}
            self._probed = set(wanted)
            self._clock()  # It tells the store first, where it was set.
            self._store.apply_queues(reports)
            await self._astray.look(reports)
            if self._due.now("in-flight", 0.0 if self.hasten else IN_FLIGHT_EVERY):
                await self.look_in_flight()
                await self._backend.look_at_chords()
            elif self._backend.chords_due:
                await self._backend.look_at_chords()
            doubtful = self.doubts_broker or self._broker.blocked != self._told_blocked
            if self._due.now("facts", 0.0 if doubtful or self._broker.free_facts else FACTS_EVERY):
                self.facts = await self._broker.facts()
        except LazyCeleryError as problem:
            self._links.down("broker", problem, self._clock() + self._profile.refresh)
        else:
            self._links.up("broker")
        self._hearing.note()
        self._commands_per_probe = self._broker.commands_sent() - before
        self._changed()

    def all_consumed_seen(self) -> bool:
        """Whether the last look was at every queue that a worker consumes."""
        return self._store.roll.consumed() <= self._probed

    async def look_in_flight(self) -> None:
        """What is unacknowledged now."""
        self._keep(await self._broker.queues.in_flight(IN_FLIGHT))

    def _keep(self, flights: Iterable[InFlight]) -> None:
        """Unacknowledged messages are tasks that somebody holds, and an exact retry later."""
        now = self._clock()
        flights = list(flights)
        self.flights = Flights(
            at=now,
            messages=[Flight(id=f.id, task=f.task, queue=f.queue, delivered=f.delivered) for f in flights],
            cut=len(flights) >= IN_FLIGHT,
        )
        by_queue = sorted(flights, key=lambda flight: flight.queue)
        for queue, group in groupby(by_queue, key=lambda flight: flight.queue):
            messages = []
            for flight in group:
                message = self._broker.codec.describe(flight.raw)
                messages.append(message)
                if flight.id:
                    stored = StoredMessage(queue=queue, priority=message.priority or 0, raw=flight.raw)
                    self._store.raw.keep(flight.id, stored)
            self._store.apply_messages(queue, messages, now, "in-flight")

    @property
    def _told_blocked(self) -> str | None:
        return self.facts.blocked if self.facts is not None else None

    async def sweep(self) -> None:
        """What is there before any event: waiting messages, and the newest results."""
        try:
            free = self._broker.queues.free_looks
            for name in await self._broker.queues.names() if free else ():
                page = await self._broker.queues.peek(name, 0, SWEEP_MESSAGES)
                self._store.apply_messages(name, page.messages, page.at, "waiting")
                for message, stored in zip(page.messages, page.stored, strict=False):
                    if message.id and message.embed:  # What follows it, nothing else tells later.
                        self._store.raw.keep(message.id, stored)
            await self.look_in_flight()
            await self._backend.sweep()
            await self._backend.look_at_chords()
        except LazyCeleryError as problem:
            logger.warning("first sweep: %s", problem.title)
