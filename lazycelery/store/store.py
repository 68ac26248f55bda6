"""What we know, behind one door."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Literal, TypeVar

from lazycelery.model.cluster import Tick
from lazycelery.model.completion import Completion
from lazycelery.model.event import Event
from lazycelery.model.facts import TaskFacts
from lazycelery.model.message import Message
from lazycelery.model.queue import Queue
from lazycelery.model.relief import Relief
from lazycelery.model.reports import QueueReport, ResultReport, TaskReport, WorkerReport
from lazycelery.model.states import State
from lazycelery.model.statistics import Kind, Statistics, StatisticsRow
from lazycelery.model.task import Dealt, Task, TaskPage, TaskQuery
from lazycelery.model.worker import Worker, WorkerDetail
from lazycelery.store.census import Census, completed
from lazycelery.store.columns import Columns
from lazycelery.store.consumers import missing, queue_views
from lazycelery.store.eviction import Eviction
from lazycelery.store.faults.errors import Errors
from lazycelery.store.filter.completion import complete
from lazycelery.store.forgetting import Forgetting
from lazycelery.store.gaps import Gaps
from lazycelery.store.history import figures
from lazycelery.store.holding import Holding
from lazycelery.store.intake import Intake
from lazycelery.store.lateness import Lateness
from lazycelery.store.lost import LostRuns
from lazycelery.store.marks import PAST
from lazycelery.store.merge import EventMerge
from lazycelery.store.query import Due, Queries
from lazycelery.store.queues import Queues
from lazycelery.store.raw import RawMessages
from lazycelery.store.redating import redate
from lazycelery.store.reports import ReportMerge
from lazycelery.store.results import ResultMerge
from lazycelery.store.rings import Cell
from lazycelery.store.roll import Roll
from lazycelery.store.runs import ENDED
from lazycelery.store.statistics import COUNTED, USUAL, Figures
from lazycelery.store.told import Told
from lazycelery.store.views import task
from lazycelery.store.worker_views import worker_detail
from lazycelery.store.workers import Workers

T = TypeVar("T")


class Store:
    """Tasks, workers and queues, as all sources together tell them.

    Sources write, faces read; times are epoch seconds and always passed in. Nothing here waits.
    Who keeps a large one for long calls `gc.freeze()` once it is made, while it is empty: else the
    garbage collector now and then walks through all its texts.
    """

    def __init__(self, max_tasks: int = 1_000_000) -> None:
        self.raw = RawMessages()
        self._columns = Columns(max(1, max_tasks))
        self._eviction = Eviction(self._columns)
        self._merge = EventMerge(self._columns, self._skew)
        self._reports = ReportMerge(self._columns, self._merge.fields, self._skew)
        self._workers = Workers()
        self._results = ResultMerge(self._columns, self._merge.fields, self._skew, self._workers.runs)
        self.lateness = Lateness(self._workers)
        self.roll = Roll(self._workers)
        self._queues = Queues()
        self._intake = Intake(self._columns, self._merge, self._workers, self._queues)
        self._columns.make_room = self._make_room
        self._lost = LostRuns(self._columns, self._workers)
        self._forgetting = Forgetting(self._workers)
        self._queries = Queries(self._columns)
        self._census = Census(self._columns)
        self.holding = Holding(self._columns)
        self.errors = Errors(self._columns)
        """Failures in groups."""
        self._gaps = Gaps(self._workers, self._lost)

    @property
    def columns(self) -> Columns:
        """The tasks themselves, for who records and loads the history."""
        return self._columns

    # writers

    def apply_events(self, events: Sequence[Event], waiting: bool = False) -> Sequence[Event]:
        """Take in events; `Event.received` is set. A wrong or hostile one is mended or left out. Returns
        those that are kept: all, while no stage of relief is on. `waiting`: others waited behind them."""
        kept = self._intake.apply(events, waiting)
        if events:
            self._lost.look(self._intake.latest)
        return kept

    @property
    def told(self) -> Told:
        """What the last batch of events told."""
        return self._intake.told

    def relieve(self, stage: int, now: float) -> None:
        """Let go what a stage of `STAGES` says, from now on."""
        self._intake.thinning.begin(stage, now)

    def apply_worker(self, report: WorkerReport) -> None:
        """Take in what control calls told about a worker, and about the tasks it holds."""
        record = self._workers.report(report)
        if record is None:
            return
        over = self._intake.thinning.may_be_over
        for listed in (report.reserved, report.scheduled, report.active):
            known = [one for one in listed or () if one.eta or not over(one.id, one.time_start, report.at)]
            self.apply_tasks(known, report.at)
        if report.active is not None:
            self._reports.reconcile(report.worker, report.active, report.at, report.asked)
        if report.queues is not None:
            self._merge.fields.consumes(report.worker, {queue.name for queue in report.queues})
            self._queues.changes += 1
        self._lost.look(report.at)

    def apply_tasks(self, reports: Sequence[TaskReport], at: float) -> None:
        """Take in tasks from workers' lists or `query_task`."""
        self._note((self._reports.task(report, at) for report in reports), at)

    def apply_results(self, reports: Sequence[ResultReport], at: float) -> None:
        """Take in documents of the result backend, the oldest first."""
        thinning = self._intake.thinning
        wanted = [one for one in reports if not (thinning.on and thinning.passes_over(one.id, one.status))]
        ordered = sorted(wanted, key=lambda report: report.date_done or at)
        self._note((self._results.result(report, at) for report in ordered), at)

    def apply_queues(self, reports: Sequence[QueueReport]) -> None:
        """Take in a look at the queues."""
        for report in reports:
            self._queues.report(report)
            if report.messages == 0:
                self._reports.left(report.name, report.at)
            self._lost.look(report.at)

    def apply_messages(
        self, queue: str, messages: Sequence[Message], at: float, where: Literal["waiting", "in-flight"]
    ) -> None:
        """Take in messages that were seen in a queue, next to run first, or delivered and unacknowledged."""
        for one in messages:
            self.raw.note_steps(one)
            self._columns.notes.chains.note(one)
        over = self._intake.thinning.may_be_over
        known = (one for one in messages if where == "waiting" or one.eta or not over(one.id or "", None, at))
        self._note((self._reports.message(queue, message, at, where) for message in known), at)

    def note_sent(self, id: str, name: str, queue: str, at: float, retry_of: str, tag: str = "") -> None:
        """A task that we published ourselves."""
        if tag:
            self._columns.notes.tag(id, tag)
        self._columns.notes.send_again(retry_of)
        self._note([self._reports.sent(id, name, queue, at, retry_of)], at)

    def blind(self, since: float | None) -> None:
        """No events are heard from this moment on, so that a worker's silence proves nothing; `None`: they
        are heard again."""
        self._gaps.blind(since)

    def note_tags(self, tags: Mapping[str, str]) -> None:
        """By which tags tasks were sent, by their ids; the oldest first."""
        self._touch(self._columns.notes.put_tags(tags))

    def note_dealt(self, marks: Mapping[str, Dealt]) -> None:
        """Which failed tasks somebody has dealt with: all that are known."""
        self._touch(self._columns.notes.put_dealt(marks))

    def gap(self, start: float, end: float, behind: bool = False) -> None:
        """Between these moments no events were seen; `behind`: as more came than was read."""
        if behind:
            self._intake.thinning.missed(end - start)
        self._gaps.add(start, end)

    def put_figures(self, told: Sequence[figures.Told]) -> Generator[None, None, None]:
        """Statistics by the hour that an earlier monitor counted, in slices of a few milliseconds."""
        for hour in figures.hours_of(self._columns, told):
            self._intake.figures.put_before(hour.at, hour.cells, hour.seen)
            yield

    def second(self, now: float, seeing: bool = True, held: float = 0.0) -> bool:
        """A second is over: for statistics, what is held back under load, workers that went long ago;
        `seeing`: events could be seen in it, and in so many seconds (`held`) of longer ones before. Returns
        whether `told` has what was held back until now."""
        shown = self._intake.second(now, seeing, held)
        self._forgetting.look(now)
        return shown

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back: what is kept stays as long ago as it was."""
        redate(self._intake, self._workers, self._queues, by)
        self._lost.clock_set(by)
        self._gaps.clock_set(by)

    def seal_steps(self) -> Generator[None, None, None]:
        """Put the texts of tasks that are over together, in slices of a few milliseconds. Once a second."""
        return self._columns.seal()

    # readers

    def tick(self) -> Tick:
        """Counters that move when something changes."""
        tasks, workers, queues = self._columns.changes, self._workers.changes, self._queues.changes
        return Tick(stamp=tasks + workers + queues, tasks=tasks, workers=workers, queues=queues)

    def query(self, query: TaskQuery, now: float) -> TaskPage:
        """A window on the tasks. Raises `UsageError` for a wrong filter."""
        return _at_once(self.query_steps(query, now))

    def query_steps(
        self, query: TaskQuery, now: float, due: Due | None = None
    ) -> Generator[None, None, TaskPage]:
        """The same, in slices of a few milliseconds; writers may run in between. With `due`, a search tells
        what it has found when that says it is time."""
        return self._queries.page(query, now, self._eviction.evicted, due)

    def select(self, filter: str, limit: int, now: float) -> list[str]:
        """Ids of tasks that match, newest first. Raises `UsageError`."""
        return _at_once(self.select_steps(filter, limit, now))

    def select_steps(self, filter: str, limit: int, now: float) -> Generator[None, None, list[str]]:
        """The same, in slices of a few milliseconds; writers may run in between."""
        return self._queries.ids(filter, limit, now)

    def ready(self, filter: str) -> Generator[None, None, None]:
        """Read what a filter asks for and nobody has read yet, in slices."""
        return self._queries.ready(filter)

    def among(self, filter: str, ids: Iterable[str], now: float) -> set[str]:
        """Those of some ids whose tasks match. Raises `UsageError`."""
        return self._queries.among(filter, ids, now)

    def complete(self, text: str, cursor: int) -> list[Completion]:
        """What may stand at a place of a filter, from what was seen."""
        return complete(self._columns, text, cursor)

    def knows(self, id: str) -> bool:
        """Whether the task is in the store."""
        return id in self._columns.slots

    def name(self, id: str) -> str | None:
        """The name of a task, when it is known."""
        slot = self._columns.slots.get(id)
        return self._columns.names.texts[self._columns.name[slot]] if slot is not None else None

    def task(self, id: str, now: float) -> Task | None:
        """All that is known of a task."""
        slot = self._columns.slots.get(id)
        return task(self._columns, slot, self._gaps.spans) if slot is not None else None

    def resolve(self, prefix: str, limit: int = 10) -> list[str]:
        """Ids that begin with `prefix`; the id itself when it is one."""
        if prefix in self._columns.slots:
            return [prefix]
        return self._columns.beginning(prefix, limit)

    def workers(self, now: float) -> list[Worker]:
        """All known workers, by name."""
        return list(self.roll.views(now))

    def worker(self, name: str, now: float) -> WorkerDetail | None:
        """A worker with its lists."""
        record = self._workers.known.get(name)
        return worker_detail(record, now, self._ended_after) if record is not None else None

    def _ended_after(self, id: str, at: float) -> bool:
        columns = self._columns
        slot = columns.slots.get(id)
        return slot is not None and columns.state[slot] in ENDED and columns.seen[slot] > at

    def young(self, name: str, now: float) -> bool:
        """Whether a worker came a moment ago and has not answered yet: it may not listen."""
        return self.roll.young(name, now)

    def queues(self, now: float) -> list[Queue]:
        """All known queues, by name."""
        steps = self.queues_steps(now)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

    def queues_steps(self, now: float) -> Generator[None, None, list[Queue]]:
        """The same in steps of a few milliseconds, where thousands consume them."""
        return queue_views(self._queues, self._workers, self._intake.latest, now)

    def queues_told(self, limit: int) -> set[str]:
        """Queues that any source has named, at most `limit`."""
        return set(islice(self._queues.known, limit))

    def revoked(self, id: str) -> bool:
        """Whether a task is known to be revoked."""
        slot = self._columns.slots.get(id)
        return slot is not None and self._columns.state[slot] == State.REVOKED

    def queue_of(self, name: str) -> str | None:
        """The queue of the newest task of a name of which it is known. One look through a column."""
        return self._census.queue_of(name)

    def task_facts_steps(
        self, now: float, window: float, ill: Mapping[str, float] | None = None
    ) -> Generator[None, None, TaskFacts]:
        """The tasks counted, in slices of a few milliseconds; writers may run in between. `ill`: names of
        which something is found, and since when."""
        facts = yield from self._census.take(now, window, set(self._columns.notes.sent_again), ill or {})
        yield from completed(facts, self._intake.figures, self.relief(), now)
        facts.received, facts.sent = self._intake.tally.received, self._intake.tally.sent
        return facts

    def counts(self) -> dict[str, int]:
        """Tasks by state; states without a task are left out."""
        return {
            state.label: self._columns.by_state[state] for state in State if self._columns.by_state[state]
        }

    def relief(self) -> Relief:
        """What is let go under load, and what was so far."""
        return self._intake.thinning.relief()

    def counted(self) -> Cell:
        """All task events counted since this was last asked."""
        return self._intake.figures.taken()

    def counting(self, type: str) -> int:
        """Task events of a type since `counted` was last asked."""
        return self._intake.figures.total.counts[COUNTED[type]]

    def lag(self) -> float | None:
        """Median seconds from an event's timestamp to us, skew taken out."""
        return self._intake.lag.median()

    def late(self) -> float | None:
        """The same of the newest event alone."""
        return self._intake.lag.last

    def loss(self) -> float | None:
        """Share of started tasks whose events never reached us; `None` while nothing can be told."""
        return missing(self._workers)

    def statistics_steps(self, kind: Kind, window: float, now: float) -> Generator[None, None, Statistics]:
        """Counts, shares and quantiles of one kind over the last `window` seconds, in slices."""
        return self._intake.figures.read(kind, window, now)

    def usual(self, kind: Kind, key: str, now: float, window: float = USUAL) -> StatisticsRow | None:
        """How one task name, worker or queue usually does; `None` when nothing was seen of it."""
        return self._intake.figures.one(kind, key, window, now)

    @property
    def figures(self) -> Figures:
        """The statistics themselves, for who compares them, and who keeps them."""
        return self._intake.figures

    def events_seen(self) -> int:
        """Events taken in."""
        return self._intake.seen

    def events_malformed(self) -> int:
        """Events left out because they made no sense."""
        return self._intake.malformed

    def events_per_second(self, now: float) -> float:
        """Mean of the last ten seconds."""
        return self._intake.rate.per_second(now)

    def _make_room(self) -> None:
        self._intake.settle()  # What it counts is read from the slots.
        self._eviction.make_room()

    def _touch(self, ids: Iterable[str]) -> None:
        for task_id in ids:
            slot = self._columns.slots.get(task_id)
            if slot is not None:
                self._columns.touch(slot)

    def _note(self, slots: Iterable[int | None], at: float) -> None:
        columns = self._columns
        for slot in slots:
            if slot is not None:
                columns.seen[slot] = at
                columns.marks[slot] &= ~PAST
                columns.touch(slot)

    def _skew(self, worker: int) -> float:
        record = self._workers.known.get(self._columns.workers.texts[worker] or "")
        return (record.skew.seconds or 0.0) if record is not None else 0.0


def _at_once(steps: Generator[None, None, T]) -> T:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
