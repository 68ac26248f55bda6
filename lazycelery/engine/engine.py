"""The engine in this process: an `EngineApi` over sources, store and actions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TypeVar

from lazycelery.actions.audit import AuditLog, whoami
from lazycelery.actions.cut_off import CutOff
from lazycelery.actions.guard import Guard
from lazycelery.actions.service import Actions
from lazycelery.engine.cut_off import told
from lazycelery.engine.events_switch import EventsSwitch
from lazycelery.engine.examiner import Examiner
from lazycelery.engine.links import Links
from lazycelery.engine.load import LoadMeter
from lazycelery.engine.log import EventLog
from lazycelery.engine.lookup import Lookup
from lazycelery.engine.memory import Memory
from lazycelery.engine.metrics import Levels, Meter
from lazycelery.engine.replaying import as_replayed
from lazycelery.engine.veil import Veil
from lazycelery.engine.watch import Watch
from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.insight import verdict
from lazycelery.model.action import AuditEntry, Order, Outcome, Plan
from lazycelery.model.cluster import LogPage, Overview, Tick
from lazycelery.model.completion import Completion
from lazycelery.model.event import Event
from lazycelery.model.finding import Examination
from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.metrics import Metrics
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.redaction import Redactor
from lazycelery.model.service import LogText
from lazycelery.model.statistics import Kind, Statistics
from lazycelery.model.task import Task, TaskPage, TaskQuery
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.sources.protocols import Player
from lazycelery.sources.pulse import pulse
from lazycelery.sources.replay.recording import RecordingBroker
from lazycelery.sources.services import Services
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.filter import parse
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)
T = TypeVar("T")

NEEDS = {"revoke": "control", "terminate": "control", "events": "control", "purge": "purge"}
"""What a broker must have for an action; the others say it when they come to it."""
PEEK_LIMIT = 1000
"""Messages a peek may ask for at once."""
FRESH = 3.0
"""Seconds for which a worker's lists need not be asked again."""


class Engine:
    """One cluster, watched. `start` returns at once; what is not known yet is said to be unknown."""

    def __init__(self, profile: Profile, clock: Callable[[], float] = time.time) -> None:
        raw = open_broker(profile)
        if isinstance(raw, Player):
            # A recording has its own time, and nothing in it can be changed or remembered.
            clock, profile = raw.clock, as_replayed(profile, raw.speed)
        self._pace = raw.pace if isinstance(raw, Player) else lambda: 1.0
        self._profile, self._clock = profile, clock
        self._redactor = Redactor(profile.redact, defaults=profile.redact_default)
        self._veil = Veil(self._redactor)
        self._broker = WholeBroker(raw)
        if profile.record:
            self._broker = RecordingBroker(self._broker, Path(profile.record), self._redactor, clock)
        self._control = Control(self._broker.mailbox)
        self._store = Store(profile.max_tasks)
        self._log = EventLog(self._redactor, self._store.name)
        self._status = 0
        self._changes = asyncio.Event()
        self._meter = Meter(self._store.wait)
        self._links = Links(clock, self._status_changed)
        self._guard = Guard(profile)
        self._audit = AuditLog(profile)
        self._services = Services(profile.workers)
        self._actions = Actions(
            profile=profile,
            guard=self._guard,
            audit=self._audit,
            store=self._store,
            queues=self._broker.queues,
            remote=self._control,
            codec=self._broker.codec,
            results=None,
            services=self._services,
            clock=clock,
        )
        self._watch = Watch(
            profile,
            self._store,
            self._take_events,
            self._links,
            self._broker,
            self._control,
            clock,
            self._changed,
        )
        self._switch = EventsSwitch(
            self._control,
            lambda: self._may("events"),
            self._log_switch,
            held=profile.enable_events and self._may("events"),
        )
        self._watch.new_workers = self._switch.on_new_workers
        self._lookup = Lookup(self._store, self._broker, self._control, self._watch, profile, clock)
        self._load = LoadMeter(self._commands_sent)
        self._examiner = Examiner(
            profile,
            self._store,
            self._links,
            self._watch,
            clock,
            self._status_changed,
            lambda: [*self._broker.notes, *self._watch.backend.notes],
            self.queues,
        )
        self._second: asyncio.Task[None] | None = None
        self._examining: asyncio.Task[None] | None = None
        self._states: dict[str, str] = {}
        self._aged = 0
        self._began = clock()
        self._memory = Memory(profile, self._store, self._redactor, clock, self._status_changed)
        self._cut_off: list[CutOff] = []
        self._closed = False

    # ---- life

    async def start(self) -> None:
        """Begin to watch; returns at once."""
        await self._memory.begin()
        self._watch.start()
        self._second = asyncio.create_task(self._measure())
        self._examining = asyncio.create_task(self._examiner.run())

    async def close(self) -> None:
        """Stop. What was begun is finished first; events that this session switched on are switched off."""
        if self._closed:
            return
        self._closed = True
        for own in (self._second, self._examining):
            if own is not None:
                own.cancel()
        try:
            await asyncio.wait_for(self._switch.restore(), self._profile.timeout + 0.5)
        except (LazyCeleryError, asyncio.TimeoutError):
            logger.warning("task events could not be put back as they were")
        await self._examiner.close()
        await self._services.close()
        await self._actions.settle()
        await self._watch.stop()
        await self._watch.backend.close()
        await self._broker.close()
        await self._memory.close()

    async def _measure(self) -> None:
        self._cut_off = await self._actions.cut_off()
        self._status_changed()
        while True:
            self._load.sample()
            self._note_aging()
            self._store.second(self._clock())
            workers, queues = self._store.workers(self._clock()), self._store.queues(self._clock())
            self._meter.tick(self._clock(), self._levels(workers, queues))
            self._memory.second(workers, queues, self._examiner.notices())
            await asyncio.sleep(1)

    def _levels(self, workers: list[Worker], queues: list[Queue]) -> Levels:
        online = [worker for worker in workers if worker.state in ("online", "busy")]
        return Levels(
            backlog=_total(queue.messages for queue in queues),
            unacked=_total(queue.unacked for queue in queues),
            workers=len(online),
            active=_total(worker.active for worker in online),
            lag=self._store.lag(),
        )

    def _commands_sent(self) -> int:
        results = self._watch.backend.results
        return self._broker.commands_sent() + (results.commands_sent() if results else 0)

    def _note_aging(self) -> None:
        """Silence is news too: a worker may be lost although nothing arrived."""
        states: dict[str, str] = {worker.name: worker.state for worker in self._store.workers(self._clock())}
        if states != self._states:
            self._states = states
            self._aged += 1
            self._changes.set()

    def _take_events(self, events: list[Event]) -> None:
        """Events that the store has taken in."""
        self._log.add(events)
        self._meter.count(events)
        self._memory.heard(events)
        self._examiner.periodic.take(events)

    async def _log_switch(self, title: str, workers: list[str]) -> None:
        """What the engine switches by itself is in the audit log too."""
        user, host, origin = whoami()
        entry = AuditEntry(
            time=self._clock(),
            user=user,
            host=host,
            origin=origin,
            profile=self._profile.name,
            broker=self._redactor.url(self._profile.broker),
            action="events",
            title=title,
            targets=workers,
            outcome="automatic",
        )
        await asyncio.to_thread(self._audit.append, entry)

    def _changed(self) -> None:
        self._changes.set()

    def _status_changed(self) -> None:
        self._status += 1
        self._changes.set()

    def _place(self) -> str:
        """The profile's name; where none was chosen, the broker's place says more than "default"."""
        if self._profile.name != Profile().name:
            return self._profile.name
        return self._redactor.url(self._profile.broker).partition("://")[2].rpartition("@")[2] or "default"

    def _failures(self, workers: Iterable[Worker]) -> int | None:
        heard = self._meter.recent("failed")
        return heard if heard or any(worker.events for worker in workers) else None

    def _may(self, permission: str) -> bool:
        try:
            self._guard.check(permission)
        except Refused:
            return False
        return True

    # ---- what changed

    def _tick_now(self) -> Tick:
        tick = self._store.tick()
        tick.log, tick.status = self._log.last, self._status
        tick.workers += self._aged
        tick.stamp = tick.tasks + tick.workers + tick.queues + tick.log + tick.status
        return tick

    async def tick(self, seen: int = -1, timeout: float = 10.0) -> Tick:
        """Wait until something changed since `seen`, at most `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while (tick := self._tick_now()).stamp == seen:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            self._changes.clear()
            try:
                await asyncio.wait_for(self._changes.wait(), left)
            except asyncio.TimeoutError:
                break
        return tick

    async def overview(self) -> Overview:
        """Header, badges, counts, health of the sources."""
        await self._examiner.fresh()
        now = self._clock()
        workers, queues = self._store.workers(now), await self.queues()
        sources = self._links.all()
        counts = self._store.counts()
        return Overview(
            stamp=self._tick_now().stamp,
            now=now,
            profile=self._place(),
            broker=self._redactor.url(self._profile.broker),
            transport=self._broker.transport,
            production=self._profile.production,
            read_only=self._guard.read_only,
            allowed=sorted(self._guard.allowed),
            may_unlock=list(self._profile.may_unlock),
            sources=sources,
            connected=self._links["broker"].state == "connected",
            ever_connected=self._links["broker"].last is not None,
            events_per_second=self._store.events_per_second(now),
            events_seen=self._store.events_seen(),
            events_malformed=self._watch.malformed,
            lag=self._store.lag(),
            loss=self._store.loss(),
            load=self._load.read(),
            workers_online=sum(worker.state in ("online", "busy") for worker in workers),
            workers_total=len(workers),
            queues_total=len(queues),
            tasks_total=sum(counts.values()),
            tasks_by_state=counts,
            backlog=_total(queue.messages for queue in queues),
            failures=self._failures(workers),
            events_enabled=self._switch.held,
            notices=[*self._examiner.notices(), *told(self._cut_off), *self._memory.notices()],
            findings=self._examiner.last.findings,
            lacks=dict(self._broker.lacks),
            history=self._memory.status,
            speed=self._pace(),
            first_seen=self._began,
        )

    async def doctor(self) -> Examination:
        """What is wrong, where, since when, how it is known, and what helps."""
        return await self._examiner.examine()

    async def why(self, target: str) -> Verdict:
        """Where a task, queue or worker is and why it is not done."""
        await self._examiner.fresh()
        seen, findings = await self._examiner.snapshot(), self._examiner.last.findings
        for facts in seen.workers:
            if target in (facts.name, facts.name.removeprefix("celery@"), facts.name.partition("@")[0]):
                return verdict.of_worker(facts, seen, findings)
        for queue in seen.queues:
            if queue.name == target:
                return verdict.of_queue(queue, seen, findings)
        try:
            task = await self.task(target)
        except NothingFound:
            raise NothingFound(
                f"Never seen: {target} is no task, queue or worker that anybody told of.",
                "A task that ended before this monitor began is known only from the result backend. "
                "--observe 10 watches for a while.",
            ) from None
        return verdict.of_task(task, await self._examiner.snapshot(), findings)

    async def ready(self, timeout: float = 5.0, observe: float = 0.0) -> Overview:
        """Wait until first truth is there, and then for `observe` seconds of events."""
        try:
            await asyncio.wait_for(self._first_answer(), timeout)
        except asyncio.TimeoutError:
            self._raise_broken("The broker did not answer in time.")
        if observe > 0:
            await asyncio.sleep(observe)
        return await self.overview()

    async def _first_answer(self) -> None:
        await self._watch.attempted.wait()
        self._raise_broken()
        await self._watch.first_truth.wait()

    def _raise_broken(self, otherwise: str = "") -> None:
        broker = self._links["broker"]
        if broker.state in ("lost", "refused"):
            raise ConnectionProblem(broker.reason, broker.hint)
        if otherwise:
            raise ConnectionProblem(otherwise, "Give it longer with --timeout SECONDS.")

    # ---- views

    async def workers(self) -> list[Worker]:
        """All known workers, by name."""
        return self._store.workers(self._clock())

    async def worker(self, name: str) -> WorkerDetail:
        """A worker with its lists, asked afresh when they are older than three seconds."""
        detail = self._store.worker(name, self._clock())
        if detail is None:
            raise NothingFound(f"No worker is called {name}.")
        if detail.worker.state != "offline" and (detail.at is None or self._clock() - detail.at > FRESH):
            await self._ask_worker(name)
            detail = self._store.worker(name, self._clock()) or detail
        return detail if self._may("reveal") else self._veil.worker(detail)

    async def _ask_worker(self, name: str) -> None:
        try:
            reports = await self._control.survey(
                destination=[name],
                what=("active", "reserved", "scheduled"),
                timeout=min(1.0, self._profile.timeout),
                clock=self._clock,
            )
        except LazyCeleryError:
            return  # The links tell; what was known is shown with its age.
        for report in reports:
            self._store.apply_worker(report)

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        """How quickly workers answer now, with clock and memory."""
        names = self._actions.worker_names(workers)
        return await pulse(self._broker.mailbox, names, self._profile.timeout)

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        """The end of a worker's log, followed by the profile's command."""
        text = await self._services.log(self._services.full(name), limit)
        if not self._may("reveal"):
            text.lines = [self._redactor.text(line) for line in text.lines]
            text.command = self._redactor.text(text.command)
        return text

    async def queues(self) -> list[Queue]:
        """All known queues, by name; one that is held says so."""
        queues = self._store.queues(self._clock())
        for queue in queues:
            queue.held = (await self._actions.held()).get(queue.name)
            if queue.held is not None:
                queue.why = (
                    f"held by {queue.held.user} since {_moment(queue.held.since)}: nobody takes from it"
                )
        return queues

    async def tasks(self, query: TaskQuery) -> TaskPage:
        """A window on the tasks."""
        await self._memory.needed()
        page = await _in_slices(self._store.query_steps(query, self._clock()))
        return page if self._may("reveal") else self._veil.page(page)

    async def task(self, id: str, fetch: bool = True) -> Task:
        """One task by id or unique prefix; with `fetch`, backend, workers and broker are asked too."""
        await self._memory.needed()
        full = self._lookup.resolve(id)
        if fetch:
            await self._lookup.fetch(full)
        task = self._store.task(full, self._clock()) or await self._memory.task(full)
        if task is None:
            raise NothingFound(
                f"No task {id} is known.",
                "It may have ended before this monitor began, without a result in the backend.",
            )
        return task if self._may("reveal") else self._veil.task(task)

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages of a queue, next to run first, not consumed."""
        if offset < 0 or not 0 < limit <= PEEK_LIMIT:
            raise UsageError(f"A peek takes 1 to {PEEK_LIMIT} messages from offset 0 on.")
        page = await self._broker.queues.peek(queue, offset, limit, force)
        for message, stored in zip(page.messages, page.stored, strict=False):
            if message.id:
                self._store.raw.keep(message.id, stored)
        page.stored = []
        self._store.apply_messages(queue, page.messages, page.at, "waiting")
        return page if self._may("reveal") else self._veil.peek(page)

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        """Events after a sequence number, oldest first."""
        wanted = self._wanted(filter, after) if filter.strip() else None
        return self._log.page(after, limit, full, wanted, self._may("reveal"))

    def _wanted(self, filter: str, after: int) -> Callable[[Event], bool]:
        """A filter on events is a filter on the tasks they speak of, as these are now."""
        matching = self._store.among(filter, self._log.ids(after), self._clock())
        return lambda event: event.uuid in matching

    async def check_filter(self, text: str) -> str | None:
        """Why a filter is wrong, with its position and the nearest field, or `None`."""
        try:
            parse(text)
        except UsageError as problem:
            return str(problem)
        return None

    async def complete(self, text: str, cursor: int) -> list[Completion]:
        """What may stand at a place of a filter."""
        path = text[:cursor].rpartition(" ")[2].partition(":")[0]
        if not self._may("reveal") and any(map(self._redactor.secret, path.split("."))):
            return []
        return self._store.complete(text, cursor)

    async def message(self, id: str) -> Message:
        """A task's true message, while it is held somewhere, or as it was seen before."""
        message = await self._lookup.message(id)
        return message if self._may("reveal") else self._veil.message(message)

    async def metrics(self) -> Metrics:
        """Rates, times and levels of the last minutes and hours."""
        return self._meter.read()

    async def statistics(self, kind: Kind = "task", window: float = 3600.0) -> Statistics:
        """Counts, shares and quantiles by task name, worker or queue."""
        if window <= 0:
            raise UsageError("A window of time is longer than nothing.")
        return self._store.statistics(kind, window, self._clock())

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """Tasks out of the recorded history, newest first."""
        page = await self._memory.ask(query)
        if not self._may("reveal"):
            for task in page.tasks:
                self._veil.task(task)
        return page

    # ---- actions

    async def plan(self, order: Order) -> Plan:
        """What would be done, to what, at which grade. Touches nothing."""
        self._actions.results = self._watch.backend.results
        plan = await self._actions.plan(order)
        plan.refused = plan.refused or self._broker.lacks.get(NEEDS.get(order.action, ""))
        return plan

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        """Carry out a plan that a person has confirmed."""
        outcome = await self._actions.act(plan_id, word)
        self._cut_off = await self._actions.cut_off()
        if outcome.action == "events":
            self._switch.note(outcome)
        self._status_changed()
        self._watch.survey_now()
        await self._watch.probe()
        return outcome

    async def audit(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        """The audit log, newest first."""
        return await asyncio.to_thread(self._audit.read, limit, filter)

    async def unlock(self, permissions: list[str]) -> Overview:
        """Open permissions for this session."""
        self._guard.unlock(permissions)
        self._status_changed()
        return await self.overview()

    async def lock(self) -> Overview:
        """Back to read-only."""
        self._guard.lock()
        self._status_changed()
        return await self.overview()

    async def refresh(self) -> None:
        """Ask control and broker again now."""
        self._watch.survey_now()
        await self._watch.probe()


def _moment(at: float) -> str:
    return time.strftime("%H:%M" if time.time() - at < 43_200 else "%Y-%m-%d %H:%M", time.localtime(at))


def _total(numbers: Iterable[int | None]) -> int | None:
    """The sum of what is known; `None` when nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


async def _in_slices(steps: Generator[None, None, T]) -> T:
    """Run a sliced query; between slices events are taken in and other requests answered."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        await asyncio.sleep(0)
