"""The snapshots on which the doctor looks: references into the store, with a little history."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Generator
from copy import copy
from typing import TypeVar

from lazycelery.engine.links import Links
from lazycelery.engine.periodic import Periodic
from lazycelery.engine.watch import Watch
from lazycelery.insight.doctor.snapshot import History, Snapshot
from lazycelery.insight.sla import Book
from lazycelery.model.beat import Beat
from lazycelery.model.facts import Flights, TaskFacts
from lazycelery.model.limits import Limits
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.reel import Replay
from lazycelery.model.sla import Objective
from lazycelery.model.task import Task
from lazycelery.store.ago import HOUR, WEEK
from lazycelery.store.habits import Habits
from lazycelery.store.rings import Kept
from lazycelery.store.store import Store
from lazycelery.waiting import Breath, unhurried

logger = logging.getLogger(__name__)
T = TypeVar("T")

SHARE = 0.03
"""Of a core that examinations may take: dear ones come less often."""
RECENT = 0.5
"""Seconds for which a snapshot does for one who asks often."""
NONE_YET = (None, 0.0, 0.0)
WINDOW = 120.0
LONG_AGO = 60.0
"""Seconds for which a message was held, until the history is asked who took it."""
STEP = 5.0
"""Seconds by which a worker's word may be older than the delivery that it is about."""
ASKED, ASKED_AT_ONCE = 2_000, 8
"""Ids of which the history was asked, and of which it is asked for one snapshot."""
PATIENCE = 1.0
"""Seconds for which its answer is waited for."""
HELD_STATES = ("received", "scheduled", "started", "lost")
TRIES = 3
"""Of a look during which our clock is set."""
AROUND = 2 * HOUR
"""Seconds before and after this time of the day that are looked at of a week ago."""


class Snapshots:
    """Takes them. `beat` and `recorded` are wired from outside."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        links: Links,
        watch: Watch,
        clock: Callable[[], float],
        notes: Callable[[], list[str]],
        queues: Callable[[], Awaitable[list[Queue]]],
        limits: Limits,
        periodic: Periodic,
    ) -> None:
        self.beat: Callable[[], Beat | None] = lambda: None
        """The schedules, as last read."""
        self.recorded: Callable[[float, float], Awaitable[list[Kept]]] | None = None
        self.remembered: Callable[[str], Awaitable[Task | None]] | None = None
        """A task out of the history."""
        self.ill: Callable[[float], dict[tuple[str, str], float]] = lambda _now: {}
        """Of which task names and queues something is found beside what is usual, and since when."""
        self.replay: Replay = ""
        self._profile, self._store, self._links, self._watch = profile, store, links, watch
        self._clock, self._notes, self._queues = clock, notes, queues
        self._limits, self._periodic = limits, periodic
        self._history = History()
        self._habits = Habits(store.figures)
        self._book = Book(profile.sla, store.figures)
        self._reading: asyncio.Future[None] | None = None
        self._week_of: float | None = None
        """The clock hour for which the week before was read."""
        self._reading_week: asyncio.Future[None] | None = None
        self._began: float | None = None
        """When the cluster was first seen as a whole."""
        self._tasks: TaskFacts | None = None
        """As counted last."""
        self._took: dict[str, tuple[str | None, float | None]] = {}
        """Who took a task of which the history was asked, and when."""
        self._recent: tuple[Snapshot | None, float, float] = NONE_YET
        """For who asks often, and until when: by our clock and by the monotonic one."""
        self._asking: asyncio.Future[Task | None] | None = None
        self.sets = 0
        """How often our clock was set."""

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._began = None if self._began is None else self._began + by
        self._history.clock_set(by)
        self._recent, self._tasks = NONE_YET, None
        self.sets += 1

    async def take(self, breath: Breath, tasks: TaskFacts | None = None) -> Snapshot:
        """Look at everything; `tasks` as counted before, where that is good enough. What is dated by a clock
        that was set meanwhile is looked at again."""
        for _ in range(TRIES):
            sets = self.sets
            seen = await self._look(breath, tasks)
            if sets == self.sets:
                break
            tasks = None
        await breath.take()
        self._history.note(seen.now, seen.queues, seen.workers)
        await breath.take()
        return seen

    async def _look(self, breath: Breath, tasks: TaskFacts | None) -> Snapshot:
        now = self._clock()
        settled = self._watch.first_truth.is_set()
        if settled and self._began is None:
            self._began = now
        workers = await unhurried(self._store.roll.facts(now), breath)
        queues = [queue for queue in await self._queues() if queue.folded is None]
        await breath.take()
        tasks = tasks or await self._count(now, breath)
        self._look_a_week_back(now)
        self._habits.note_ill(self.ill(now))
        habits = await in_steps(self._habits.take(now), breath)
        flights = self._watch.flights  # Others may be seen while it is asked who took these.
        await self._holders(flights, now)
        await breath.take()
        loss = self._store.loss()
        await breath.take()
        return Snapshot(
            now=now,
            watched=now - self._began if self._began is not None else 0.0,
            settled=settled,
            replay=self.replay,
            realm=self._watch.realm,
            lacks=self._watch.lacks,
            sources=self._links.all(),
            workers=workers,
            queues=queues,
            tasks=tasks,
            flights=flights,
            broker=self._watch.facts,
            chords=self._watch.backend.chords,
            schedule=beat.entries if (beat := self.beat()) is not None else [],
            schedulers=beat.schedulers if beat is not None else [],
            periodic={name: list(times) for name, times in self._periodic.sent.items()},
            redelivers=self._watch.redelivers,
            gives_back=self._watch.gives_back,
            visibility_timeout=self._profile.visibility_timeout,
            lag=self._store.lag(),
            loss=loss,
            relief=self._store.relief(),
            malformed=self._watch.malformed + self._store.events_malformed(),
            notes=self._notes(),
            tls_unverified=self._watch.tls_unverified,
            revoked=self._store.revoked,
            queue_of=self._store.queue_of,
            habits=habits,
            sla=await self.budgets(),
            day_known=self._habits.day_known(now),
            history=self._history,
            limits=self._limits,
        )

    async def _holders(self, flights: Flights | None, now: float) -> None:
        """Who told to have taken what is not acknowledged; what was held for long may be known to the history
        alone, which is asked for a few at a time, and once for each."""
        left = ASKED_AT_ONCE
        if flights is None:
            return
        for flight in flights.messages:
            if flight.id is None:
                continue
            flight.worker, flight.since = self._store.holding.holder(flight.id)
            # Acknowledged a moment after its end was told.
            flight.moved = self._store.holding.moved_since(flight.id, flights.at, flights.at - STEP)
            if self._store.holding.fate_told(flight.id):
                self._took.pop(flight.id, None)  # The store knows better.
            elif flight.delivered is not None and now - flight.delivered > LONG_AGO:
                if flight.id not in self._took and left and self.remembered:
                    left -= 1
                    await self._remember(flight.id, self.remembered)
                worker, since = self._took.get(flight.id, (None, None))
                # Delivered anew since then, it is with somebody else.
                if since is not None and since > flight.delivered - STEP:
                    flight.worker, flight.since = worker, since

    async def _remember(self, id: str, ask: Callable[[str], Awaitable[Task | None]]) -> None:
        """Ask the history, one thing at a time; findings do not wait for a medium that hangs."""
        if self._asking is not None and not self._asking.done():
            return
        self._asking = asyncio.ensure_future(ask(id))
        if not (await asyncio.wait([self._asking], timeout=PATIENCE))[0]:
            return
        try:
            task = self._asking.result()
        except Exception:  # Whatever is in the files, the rest is looked at.
            logger.exception("who took a message")
            task = None
        while len(self._took) >= ASKED:
            del self._took[next(iter(self._took))]
        held = task is not None and task.state in HELD_STATES
        self._took[id] = (task.worker, task.started or task.received) if task and held else (None, None)

    async def now(self) -> Snapshot:
        """The cluster as it is now."""
        return await self.take(Breath())

    async def recent(self) -> Snapshot:
        """The cluster as it was a moment ago, its tasks as last counted: for who asks again and again."""
        held, until, stale = self._recent
        now = self._clock()
        # The clock of a recording stands still where it is held, and runs fast where it is told to.
        if held is None or not now < until or time.monotonic() > stale:
            began = time.process_time()
            held = await self.take(Breath(), self._tasks)
            rest = max(RECENT, (time.process_time() - began) / SHARE)
            self._recent = (held, now + rest, time.monotonic() + rest)
        seen = copy(held)
        seen.now = now
        return seen

    async def budgets(self) -> list[Objective]:
        """How the profile's targets are kept, with what was recorded before this monitor began."""
        if not self._profile.sla:
            return []
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read_budgets())
        await asyncio.wait([self._reading])
        return self._book.take(self._clock())

    def _look_a_week_back(self, now: float) -> None:
        """Once an hour, the hours around this one of a week ago are read, where they are recorded."""
        if self.recorded is None or now // HOUR == self._week_of:
            return
        if self._reading_week is None or self._reading_week.done():
            self._week_of = now // HOUR
            self._reading_week = asyncio.ensure_future(self._read_week(now - WEEK, self.recorded))

    async def _read_week(self, at: float, recorded: Callable[[float, float], Awaitable[list[Kept]]]) -> None:
        try:
            self._habits.put_week(await recorded(at - AROUND, at + AROUND))
        except Exception:  # Whatever is in the files, the day before is known.
            logger.exception("recorded hours of a week ago")

    async def close(self) -> None:
        """End what is being read."""
        for reading in (self._reading, self._reading_week, self._asking):
            if reading is not None:
                reading.cancel()
                await asyncio.wait([reading])

    async def _read_budgets(self) -> None:
        now = self._clock()
        try:
            if self.recorded is not None:
                hours = await self.recorded(now - self._book.window, now)
                await in_steps(self._book.put_before(hours), Breath())
        except Exception:  # Whatever is in the files, targets are followed from now on.
            logger.exception("recorded hours of the targets")

    async def _count(self, now: float, breath: Breath) -> TaskFacts:
        ill = {name: since for (kind, name), since in self.ill(now).items() if kind == "task"}
        self._tasks = await in_steps(self._store.task_facts_steps(now, WINDOW, ill), breath)
        return self._tasks


async def in_steps(steps: Generator[None, None, T], breath: Breath) -> T:
    """The outcome of a generator that gives way now and then."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        await breath.take()
