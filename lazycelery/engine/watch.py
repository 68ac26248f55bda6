"""Keeps the store true: connects, and runs one loop a source. Each loop mends itself."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby

from lazycelery.engine.astray import Astray
from lazycelery.engine.backend import Backend
from lazycelery.engine.hearing import Hearing
from lazycelery.engine.links import Links, backoff
from lazycelery.engine.overload import Overload
from lazycelery.errors import LazyCeleryError
from lazycelery.model.event import Event
from lazycelery.model.facts import BrokerFacts, Flight, Flights
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import InFlight, WorkerReport
from lazycelery.sources.control import Control
from lazycelery.sources.protocols import EventBatch, StatusChange
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store
from lazycelery.waiting import came

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
SLOW_EVERY = 60.0
"""Seconds between rounds of registered and conf, which rarely change."""
HELD_EVERY = 30.0
"""Seconds between rounds of reserved and scheduled: their replies carry whole arguments."""
TRIES = 5
"""Rounds in a row that ask a worker for its settings, while it answers other questions and not this one."""
FIRST = ("ping", "stats", "active", "active_queues")
FIRST_LOOK = 0.4
"""Seconds that the very first round waits."""
SWEEP_MESSAGES = 100
SENT_TO = 100
"""Queues that are looked at because events name them: a misspelt one is bound long before it is found."""
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
        self._broker, self._control, self._clock, self._changed = broker, control, clock, changed
        self.backend = Backend(profile, store, links, clock, changed)
        self.attempted = asyncio.Event()
        """The first try to connect has ended, well or not."""
        self.first_truth = asyncio.Event()
        """Control and queues have answered once, and the first sweep is done."""
        self.new_workers: Callable[[list[str]], Awaitable[None]] | None = None
        """Called with the names of workers that were surveyed for the first time."""
        self.realm = broker.realm
        self.facts: BrokerFacts | None = None
        """What the broker told of itself."""
        self.flights: Flights | None = None
        """Unacknowledged messages, as last seen."""
        self.malformed = 0
        """Messages on the event channel that could not be read."""
        self._tasks: list[asyncio.Task[None]] = []
        self._repaired = 0
        """Gaps after which the backend was asked what had ended meanwhile."""
        self._survey_wanted = asyncio.Event()
        self._hearing = Hearing(store, links, broker, clock, self._survey_wanted.set)
        self._surveyed: set[str] = set()
        self._told: set[str] = set()
        """Workers that have told their settings."""
        self._tries: Counter[str] = Counter()
        self._due: dict[str, float] = {}
        self._astray = Astray(store, broker.queues, clock)
        self._commands_per_probe = 0
        self._probed: set[str] = set()
        self._absent: set[str] = set()
        """Queues that events name and that the broker does not have."""

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
        loops = (self._events, self._control_loop, self._queue_loop, self._results)
        self._tasks += [asyncio.create_task(self._kept_alive(loop), name=loop.__name__) for loop in loops]

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
        kept = self._store.apply_events(batch.events)
        self._taken(batch.events, kept)
        self._links.heard("events")
        self.malformed += batch.malformed
        for event in batch.events:
            if event.type.startswith("worker-") and (
                event.type == "worker-online" or event.hostname not in self._surveyed
            ):
                self._surveyed.discard(event.hostname)
                self._survey_wanted.set()
        self._changed()
        if batch.began is not None:
            self._overload.took(batch.began, time.monotonic(), len(batch.events), batch.more)

    def _events_status(self, change: StatusChange) -> None:
        health = self._links["events"]
        lost_since, gaps = health.last or health.since, health.gaps
        self._links.tell("events", change)
        if health.gaps > gaps:
            self._store.gap(lost_since, self._clock())
            self._surveyed.clear()
            self._due.clear()
            self._survey_wanted.set()
        self._hearing.note()

    # ---- control

    def survey_now(self) -> None:
        """Ask the workers everything again, at once."""
        self._due.clear()
        self._survey_wanted.set()

    async def _control_loop(self) -> None:
        if "control" in self._broker.lacks:
            await self._without_control(self._broker.lacks["control"])
            return
        await self._first_look()
        while True:
            self._survey_wanted.clear()
            await self._survey()
            if await came(self._survey_wanted, self._profile.control_refresh):
                await asyncio.sleep(0.2)  # Workers come in groups: one round for all of them.

    async def _without_control(self, why: str) -> None:
        """Nobody can be asked: queues and results are all there is."""
        self._links.tell("control", StatusChange("off", why))
        await self._seen_without_answers()

    async def _seen_without_answers(self) -> None:
        await self.probe()
        await self._learn_backend()
        await self._sweep()
        self.first_truth.set()
        self._changed()

    def _is_due(self, what: str, every: float) -> bool:
        now = self._clock()
        if now - self._due.get(what, 0.0) < every:
            return False
        self._due[what] = now
        return True

    async def _first_look(self) -> None:
        """Those who answer at once are shown at once: one blocked worker must not hide the others."""
        try:
            reports = await self._control.survey(what=FIRST, timeout=FIRST_LOOK, clock=self._clock)
        except LazyCeleryError:
            return  # The round that follows says it.
        for report in reports:
            if report.ping:
                self._store.apply_worker(report)
        self._changed()

    async def _survey(self) -> None:
        what = list(FIRST)
        if self._is_due("slow", SLOW_EVERY):
            what += ["registered", "conf"]
        if self._is_due("held", HELD_EVERY):
            what += ["reserved", "scheduled"]
        try:
            reports = await self._control.survey(what=what, timeout=self._profile.timeout, clock=self._clock)
        except LazyCeleryError as problem:
            self._due.clear()
            self._links.down("control", problem)
            self._hearing.note()
            if self._links["broker"].state == "connected" and not self.first_truth.is_set():
                # A broker that takes no questions, for an alarm or for its memory, still tells of itself.
                await self._seen_without_answers()
            return
        named = {report.worker for report in reports}
        reports += [
            # Everybody was asked; whoever is not even bound any more is silent too.
            WorkerReport(worker=worker.name, at=self._clock(), ping=False)
            for worker in self._store.workers(self._clock())
            if worker.name not in named
        ]
        for report in reports:
            self._store.apply_worker(report)
        answered = [report.worker for report in reports if report.ping]
        if answered:
            self._links.up("control")
        elif self._links["control"].state != "connected":  # Its last fault is over.
            self._links.tell("control", StatusChange("off", "", "No worker answers control calls."))
        fresh = [name for name in answered if name not in self._surveyed]
        if fresh and not set(what) >= {"registered", "conf"}:
            self.survey_now()  # A worker that came between the slow rounds.
        self._surveyed.update(report.worker for report in reports)
        self._told.update(report.worker for report in reports if report.conf is not None)
        if "conf" in what:
            self._tries.update(answered)
            await self._learn_backend()
        if any(name not in self._told and self._tries[name] < TRIES for name in answered):
            self._due.pop(
                "slow", None
            )  # Too late or too busy for that question: the next round has it again.
        self._changed()
        if fresh and self.new_workers is not None:
            await self.new_workers(fresh)
        if not self.first_truth.is_set():
            if not self._consumed() <= self._probed:
                await self.probe()  # Queues that nobody but their workers names.
            await self._sweep()
            self.first_truth.set()
            self._changed()
        elif self._links["events"].gaps > self._repaired:
            self._repaired = self._links["events"].gaps
            await self.backend.repair()

    async def _learn_backend(self) -> None:
        try:
            await self.backend.learn()
        except LazyCeleryError as problem:
            self._links.down("results", problem)

    async def _results(self) -> None:
        await self.first_truth.wait()
        await self.backend.run()

    async def ask(self, names: list[str]) -> None:
        """What these workers hold now, and what is unacknowledged after that."""
        try:
            reports = await self._control.survey(
                destination=names,
                what=("ping", "active", "reserved", "scheduled"),
                timeout=self._profile.timeout,
                clock=self._clock,
            )
            for report in reports:
                if report.ping:
                    self._store.apply_worker(report)
            self._keep(await self._broker.queues.in_flight(IN_FLIGHT))
        except LazyCeleryError:
            return  # The links tell.
        self._changed()

    # ---- queues

    async def _queue_loop(self) -> None:
        await self.probe()
        await asyncio.sleep(self._profile.refresh)  # The first look is dearer than all that follow.
        while True:
            await self.probe()
            await asyncio.sleep(self._rest(self._commands_per_probe))

    def _rest(self, commands: int) -> float:
        """Seconds until the next look at the queues, after one that cost so many commands."""
        return max(self._profile.refresh, min(commands / PROBE_COMMANDS, MOST_REST))

    async def probe(self) -> None:
        """One look at every queue."""
        before = self._broker.commands_sent()
        try:
            names = await self._broker.queues.names()
            sent_to = self._store.queues_told(SENT_TO) - self._absent
            wanted = [*names, *sorted((self._consumed() | sent_to) - set(names))]
            reports = await self._broker.queues.probe(wanted)
            self._absent |= {report.name for report in reports if report.error}
            self._probed = set(wanted)
            self._store.apply_queues(reports)
            await self._astray.look(reports)
            if self._is_due("in-flight", IN_FLIGHT_EVERY):
                self._keep(await self._broker.queues.in_flight(IN_FLIGHT))
                await self.backend.look_at_chords()
            if self._is_due("facts", FACTS_EVERY) or self._broker.blocked != self._told_blocked:
                self.facts = await self._broker.facts()
        except LazyCeleryError as problem:
            self._links.down("broker", problem, self._clock() + self._profile.refresh)
        else:
            self._links.up("broker")
        self._hearing.note()
        self._commands_per_probe = self._broker.commands_sent() - before
        self._changed()

    def _consumed(self) -> set[str]:
        return {name for worker in self._store.workers(self._clock()) for name in worker.queues}

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

    async def _sweep(self) -> None:
        """What is there before any event: waiting messages, and the newest results."""
        try:
            free = self._broker.queues.free_looks
            for name in await self._broker.queues.names() if free else ():
                page = await self._broker.queues.peek(name, 0, SWEEP_MESSAGES)
                self._store.apply_messages(name, page.messages, page.at, "waiting")
                for message, stored in zip(page.messages, page.stored, strict=False):
                    if message.id and message.embed:  # What follows it, nothing else tells later.
                        self._store.raw.keep(message.id, stored)
            self._keep(await self._broker.queues.in_flight(IN_FLIGHT))
            await self.backend.sweep()
        except LazyCeleryError as problem:
            logger.warning("first sweep: %s", problem.title)
