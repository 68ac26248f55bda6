"""What checks look at: one moment of the cluster, and the little history that some of them need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from lazycelery.model.beat import BeatEntry, SchedulerState
from lazycelery.model.cluster import SourceHealth
from lazycelery.model.facts import BrokerFacts, Chord, Flight, Flights, TaskFacts, TaskSeen, WorkerFacts
from lazycelery.model.limits import Limits
from lazycelery.model.queue import Queue
from lazycelery.model.reel import Replay
from lazycelery.model.relief import Relief
from lazycelery.model.sla import Objective
from lazycelery.store.habits import Habit

SAMPLE_EVERY = 5.0
"""Seconds between two samples of the history."""
SAMPLES = 120
FEW = 2
"""Samples before the last, at least, from which something is told."""
TRIED_AGAIN = 10.0
"""Seconds within which a link that was lost is tried again for sure."""
MOST = 5000
"""Queues, or workers, of which history is kept."""

SURELY = 5.0
"""Seconds between the clocks of workers and ours that decide nothing."""


class QueueSample(msgspec.Struct, gc=False):
    """A queue at a moment."""

    at: float
    messages: int
    taken: float | None
    """Messages taken a second, where known."""
    priorities: tuple[tuple[str, int], ...] = ()


class WorkerSample(msgspec.Struct, gc=False):
    """A worker at a moment."""

    at: float
    processed: int | None
    active: int | None


class Unmoved(msgspec.Struct, gc=False):
    """Messages of the priority that runs last, of which none was taken since a moment."""

    since: float
    priority: str
    messages: int
    ahead: int
    """Messages of other priorities."""


def last_priority(queue: Queue) -> str:
    """The priority that runs last of those of which messages wait."""
    numbers = [int(step) for step, number in queue.priorities.items() if number and step.isdigit()]
    if not numbers:
        return ""
    return str(min(numbers) if queue.first_priority not in (None, 0) else max(numbers))


def _unmoved(queue: Queue, before: Unmoved | None, now: float) -> Unmoved | None:
    if len(queue.priorities) < 2:
        return None
    last = last_priority(queue)
    messages = queue.priorities.get(last, 0)
    ahead = sum(number for step, number in queue.priorities.items() if step != last)
    if not messages or not ahead:
        return None
    goes_on = before is not None and before.priority == last and before.messages <= messages
    return Unmoved(before.since if before is not None and goes_on else now, last, messages, ahead)


class History:
    """The last ten minutes of queues and workers, bounded."""

    def __init__(self) -> None:
        self.queues: dict[str, deque[QueueSample]] = {}
        self.workers: dict[str, deque[WorkerSample]] = {}
        self.full: dict[str, float] = {}
        """Since when a queue was never seen empty, at each look."""
        self.empty: dict[str, float] = {}
        """Since when nothing was ever seen in it."""
        self.idle: dict[str, tuple[int | None, float]] = {}
        """What a worker has begun so far, and since when it has not begun, and does not run, anything."""
        self.unmoved: dict[str, Unmoved] = {}
        """Queues of which the priority that runs last does not move beside others."""
        self._last = 0.0

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        for samples in self.queues.values():
            for sample in samples:
                sample.at += by
        for kept in self.workers.values():
            for one in kept:
                one.at += by
        self.full = {name: at + by for name, at in self.full.items()}
        self.empty = {name: at + by for name, at in self.empty.items()}
        self.idle = {name: (begun, at + by) for name, (begun, at) in self.idle.items()}
        for each in self.unmoved.values():
            each.since += by
        self._last += by

    def note(self, now: float, queues: list[Queue], workers: list[WorkerFacts]) -> None:
        """Note what goes on, and take a sample when it is time for one."""
        self._note_lasting(now, queues, workers)
        if 0 <= now - self._last < SAMPLE_EVERY:
            return
        self._last = now
        for queue in queues[:MOST]:
            if queue.messages is None or (queue.age or 0.0) > 2 * SAMPLE_EVERY:
                continue
            sample = QueueSample(now, queue.messages, queue.out_rate, tuple(queue.priorities.items()))
            self.queues.setdefault(queue.name, deque(maxlen=SAMPLES)).append(sample)
        for facts in workers[:MOST]:
            one = WorkerSample(now, facts.worker.processed, facts.worker.active)
            self.workers.setdefault(facts.name, deque(maxlen=SAMPLES)).append(one)
        self._forget(self.queues, {queue.name for queue in queues})
        self._forget(self.workers, {facts.name for facts in workers})

    def _note_lasting(self, now: float, queues: list[Queue], workers: list[WorkerFacts]) -> None:
        full, empty, idle, unmoved = self.full, self.empty, self.idle, self.unmoved
        known = [queue for queue in queues[:MOST] if queue.messages is not None]
        self.full = {queue.name: full.get(queue.name, now) for queue in known if queue.messages}
        self.empty = {queue.name: empty.get(queue.name, now) for queue in known if not queue.messages}
        self.unmoved = {
            queue.name: each for queue in known if (each := _unmoved(queue, unmoved.get(queue.name), now))
        }
        self.idle = {}
        for facts in workers[:MOST]:
            if not facts.worker.active:
                before, since = idle.get(facts.name, (None, now))
                same = before == facts.worker.processed
                self.idle[facts.name] = (facts.worker.processed, since if same else now)

    def _forget(
        self, kept: dict[str, deque[QueueSample]] | dict[str, deque[WorkerSample]], known: set[str]
    ) -> None:
        for name in [name for name in kept if name not in known]:
            del kept[name]

    def queue(self, name: str, since: float) -> list[QueueSample]:
        """Samples of a queue from a moment on."""
        return [sample for sample in self.queues.get(name, ()) if sample.at >= since]

    def queue_over(self, name: str, since: float) -> list[QueueSample]:
        """Samples of a queue from the last one at or before a moment on, some at least; none where it was not
        known then."""
        since = min(since, self._last - FEW * SAMPLE_EVERY)
        kept = list(self.queues.get(name, ()))
        first = next((at for at in reversed(range(len(kept))) if kept[at].at <= since), len(kept))
        return kept[first:]

    def worker(self, name: str, since: float) -> list[WorkerSample]:
        """Samples of a worker from a moment on."""
        return [sample for sample in self.workers.get(name, ()) if sample.at >= since]


class Snapshot(msgspec.Struct, kw_only=True):
    """One moment. Nothing in it is written by a check."""

    now: float
    watched: float = 0.0
    """Seconds since control and queues had answered once."""
    settled: bool = True
    """They have."""
    replay: Replay = ""
    """Whether it is of a recording."""
    realm: str = "database number"
    """What parts applications on one server: a database number, a virtual host."""
    lacks: dict[str, str] = {}
    """What the transport does not have, and why."""
    sources: list[SourceHealth] = []
    workers: list[WorkerFacts] = []
    queues: list[Queue] = []
    tasks: TaskFacts = msgspec.field(default_factory=TaskFacts)
    flights: Flights | None = None
    broker: BrokerFacts | None = None
    chords: list[Chord] | None = None
    """Chords that are not complete; `None` where the result backend does not tell."""
    redelivers: bool = True
    """The broker delivers again what was not acknowledged in time."""
    gives_back: str = ""
    """What becomes of a message whose worker was lost, as the broker's source says it."""
    visibility_timeout: float = 3600.0
    """Seconds after which Redis transports deliver again what was not acknowledged: the profile's."""
    lag: float | None = None
    loss: float | None = None
    relief: Relief = msgspec.field(default_factory=Relief)
    """What the monitor lets go under load."""
    malformed: int = 0
    mailboxes: list[str] = []
    """Names of open mailboxes, beats among them."""
    schedule: list[BeatEntry] = []
    """What beat sends, of every scheduler; empty until it was read."""
    schedulers: list[SchedulerState] = []
    """Where its entries are kept."""
    periodic: dict[str, list[tuple[float, str]]] = {}
    """Sendings of periodic tasks: when, and by which process; by task name."""
    notes: list[str] = []
    """What the source says of its connection."""
    tls_unverified: bool = False
    """The connection is encrypted, and the certificate is not checked."""
    revoked: Callable[[str], bool] = lambda _id: False
    """Whether a task is known to be revoked: its worker lists it until its ETA. For the few that matter."""
    queue_of: Callable[[str], str | None] = lambda _name: None
    """The queue of the newest known task of a name, where it is known. For the few that matter."""
    habits: Sequence[Habit] = ()
    """What task names and queues do now and usually."""
    sla: Sequence[Objective] = ()
    """How the profile's targets are kept."""
    day_known: bool = False
    """Whether this hour of a day ago was watched."""
    history: History = msgspec.field(default_factory=History)
    limits: Limits = msgspec.field(default_factory=Limits)

    alive: list[WorkerFacts] = []
    """Workers that can still take messages; made from `workers`."""
    unheard: list[WorkerFacts] = []
    """Workers of which nobody tells whether they can: never called gone; made likewise."""
    taken_by: dict[str, list[WorkerFacts]] = {}
    """Who consumes a queue, by its name; made likewise."""
    lines: dict[str, Queue] = {}
    """Queues by name; made from `queues`."""
    held_by: dict[str, list[TaskSeen]] | None = None
    flown_to: dict[str, list[Flight]] | None = None
    """Held tasks and unacknowledged messages by worker; made when they are asked for."""
    halves: dict[str, float] | None = None
    """Half of the runs of a task name usually take longer, seconds; made when it is asked for."""

    def __post_init__(self) -> None:
        """What many checks look up is looked up once: workers times queues is a large number."""
        self.alive = [facts for facts in self.workers if facts.alive]
        self.taken_by = {}
        # While we are cut off nobody is seen: then it is as it was told last.
        self.unheard = [facts for facts in self.workers if facts.worker.state == "unknown"]
        for facts in (*self.alive, *(() if self.connected else self.unheard)):
            for name in dict.fromkeys(facts.queues or ()):
                self.taken_by.setdefault(name, []).append(facts)
        self.lines = {queue.name: queue for queue in self.queues}

    def source(self, name: str) -> SourceHealth:
        """The health of one source."""
        return next((one for one in self.sources if one.name == name), SourceHealth(name=name))

    @property
    def connected(self) -> bool:
        """Whether the broker answers."""
        return self.source("broker").state == "connected"

    def held_of(self, worker: str) -> list[TaskSeen]:
        """Tasks that a worker told to have received, and not to have started."""
        if self.held_by is None:
            self.held_by = {}
            for task in self.tasks.held:
                self.held_by.setdefault(task.worker or "", []).append(task)
        return self.held_by.get(worker, [])

    def outlived(self, flight: Flight) -> bool:
        """Whether a message was delivered before the broker started, so that all connections were lost since:
        a worker forgets then what it has not begun, also what it kept back for a rate limit."""
        began = None if self.broker is None else self.broker.began
        delivered = max(flight.delivered or 0.0, flight.since or 0.0)
        return began is not None and 0 < delivered < began - SURELY

    def flights_to(self, worker: str) -> list[Flight]:
        """Unacknowledged messages that a worker told to have received, or that nobody else can have taken."""
        if self.flown_to is None:
            self.flown_to = {}
            all_here = len(self.workers) == len(self.alive)
            for flight in self.flights.messages if self.flights is not None else ():
                takers = self.consumers(flight.queue) if flight.worker is None and all_here else ()
                taker = flight.worker or (takers[0].name if len(takers) == 1 else "")
                self.flown_to.setdefault(taker, []).append(flight)
        return self.flown_to.get(worker, [])

    def usual_half(self, name: str | None) -> float | None:
        """What half of the runs of a task usually take longer than, where enough was seen of it; seconds."""
        if self.halves is None:
            limits = self.limits
            self.halves = {
                habit.name: half
                for habit in self.habits
                if habit.kind == "task" and (usual := habit.usual) is not None
                if usual.runs >= limits.usual_runs and usual.seen >= limits.usual_seen
                if (half := usual.runtime[0]) is not None
            }
        return self.halves.get(name or "")

    def went_with_broker(self, name: str) -> bool:
        """Whether a source went before the broker came back just now, and may not have been tried again: its
        end is that of the broker."""
        source, broker = self.source(name), self.source("broker")
        if source.state != "lost" or source.since is None or broker.since is None:
            return False
        return source.since < broker.since and self.now - broker.since < TRIED_AGAIN

    @property
    def cut(self) -> float | None:
        """When the broker answered last, while it is lost."""
        broker = self.source("broker")
        return broker.last if broker.state == "lost" else None

    def consumers(self, queue: str) -> list[WorkerFacts]:
        """Living workers that said they consume a queue; while we are cut off, those that did before."""
        return self.taken_by.get(queue, [])

    def waiting(self, facts: WorkerFacts) -> list[Queue]:
        """Queues of a worker in which messages wait."""
        lines = [self.lines[name] for name in facts.queues or () if name in self.lines]
        return [queue for queue in lines if queue.messages]

    @property
    def told(self) -> bool:
        """Whether every living worker has told its queues: only then nobody else consumes one."""
        return all(facts.queues is not None for facts in self.alive)

    def visibility(self) -> float:
        """The shortest visibility timeout that a living worker has, or one not heard, else the profile's."""
        found = []
        for facts in self.alive or self.unheard:
            options = (facts.conf or {}).get("broker_transport_options")
            value = options.get("visibility_timeout") if isinstance(options, dict) else None
            if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                found.append(float(value))
        return min(found, default=self.visibility_timeout)
