"""Plain events are written in one pass: what comes of it must be what the careful way makes of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from lazycelery.model.event import Event
from lazycelery.model.reports import QueueReport, TaskReport, WorkerReport
from lazycelery.model.statistics import Statistics
from lazycelery.store.columns import NUMBERS
from lazycelery.store.store import Store
from tests.store.build import T0, beat, received, sent, started, succeeded

TEXTS = ("args", "kwargs", "result", "error", "root_id", "parent_id", "id")
WORKERS = ("celery@a", "celery@b", "gen7@laptop")


def life(source: random.Random, number: int, at: float) -> list[Event]:
    """What workers may tell of one task, with its oddities."""
    name, worker = f"shop.task{number % 7}", WORKERS[number % 2]
    own = f"{number:08d}-{source.randrange(1 << 32):08x}"
    odd = source.random()
    text = source.choice(["()", "(1,)", "('x" + "y" * 300 + "',)", "[1, ...]", "(" + "9, " * 400 + ")"])
    more: dict[str, object] = {
        "name": name,
        "args": text,
        "kwargs": source.choice(["{}", "{'region': 'eu'}"]),
        "root_id": own,
    }
    if odd < 0.1:
        more |= {"eta": "2030-01-01T00:00:00+00:00", "expires": "2031-01-01T00:00:00+00:00"}
    elif odd < 0.2:
        more |= {"root_id": "somebody", "parent_id": source.choice([own, "another"])}
    elif odd < 0.3:
        more |= {"queue": "mail", "retries": 0, "expires": "2031-01-01T00:00:00+00:00"}

    def event(type: str, after: float, **fields: object) -> Event:
        host = WORKERS[2] if type == "task-sent" else fields.pop("hostname", worker)
        moment = at + after
        return Event(type, str(host), moment, uuid=own, received=moment + 0.02, **fields)  # type: ignore[arg-type]

    told = [
        event("task-received", 0.1, **more),
        event("task-started", 0.2 if odd < 0.9 else 0.05, pid=7),
        event("task-succeeded", 0.5, result=text, runtime=source.choice([0.3, None, 0.0])),
    ]
    if source.random() < 0.5:
        told.insert(0, event("task-sent", 0.0, **{**more, "queue": f"queue{number % 3}"}))
    if odd < 0.15:
        told[-1] = event(
            "task-failed", 0.5, exception="ValueError('no')", traceback="Traceback\nValueError: no"
        )
    elif odd < 0.2:
        told[-1] = event("task-retried", 0.5, exception="Retry()", traceback="Traceback\nRetry")
        told += [
            event(kind, 1 + step, retries=1) for step, kind in enumerate(("task-received", "task-started"))
        ]
        told.append(event("task-failed", 4.0, exception="KeyError('x')"))
    elif odd < 0.24:
        told.append(event("task-revoked", 0.6, terminated=True))
    elif odd < 0.27:
        told.append(event("task-started", 0.7, hostname=WORKERS[1 - number % 2]))
    elif odd < 0.3:
        told.insert(2, event("task-progress", 0.3, extra={"percent": 10}))
    elif odd < 0.33:
        told.append(source.choice(told))
    elif odd < 0.36:
        source.shuffle(told)
    elif odd < 0.38:
        told.remove(source.choice(told))
    return told


def batches(seed: int, tasks: int) -> Iterator[list[Event]]:
    source = random.Random(seed)
    under_way = [life(source, number, T0 + number / 50) for number in range(tasks)]
    while under_way:
        batch = []
        for _ in range(source.randrange(1, 40)):
            mine = source.choice(under_way[:30])
            batch.append(mine.pop(0))
            if not mine:
                under_way.remove(mine)
                if not under_way:
                    break
        if source.random() < 0.1:
            at = batch[-1].received
            batch.append(
                Event("worker-heartbeat", WORKERS[0], at, received=at, freq=2.0, processed=len(batch))
            )
        if source.random() < 0.02:
            batch.append(Event("task-started", WORKERS[0], float("nan"), uuid="x", received=T0))
            batch.append(Event("task-received", WORKERS[0], T0, uuid=["x"], received=T0))  # type: ignore[arg-type]
            batch.append(Event("task-received", WORKERS[0], T0, uuid="y", name=["x"], received=T0))  # type: ignore[arg-type]
        if source.random() < 0.7:  # As they come off the wire: one arrival, and those of a host together.
            batch.sort(key=lambda event: event.hostname)
            for event in batch:
                event.received = batch[-1].received
        yield batch


def others(store: Store, source: random.Random, at: float) -> None:
    """What sources besides the events tell meanwhile."""
    columns = store.columns
    alive = [slot for slot in range(columns.used) if columns.row[slot]]
    some = [columns.id[slot] for slot in source.sample(alive, min(2, len(alive)))]
    kind = source.randrange(4)
    if kind == 0:
        store.apply_tasks(
            [TaskReport(id=one, worker=WORKERS[0], phase="active", time_start=at) for one in some], at
        )
    elif kind == 1:
        store.apply_worker(WorkerReport(worker=WORKERS[1], at=at, ping=True, active=[]))
    elif kind == 2:
        store.apply_queues([QueueReport(name="queue1", at=at, messages=0)])
    else:
        store.note_tags(dict.fromkeys(some, "bulk"))


def fed(seed: int, room: int, carefully: bool, also: bool) -> Store:
    store, source = Store(room), random.Random(seed)
    if carefully:

        def take(events: Sequence[Event], told: list[float], each: Callable[[Event], None]) -> None:
            for event in events:
                each(event)

        setattr(store._intake.plain, "take", take)  # noqa: B010
    for number, batch in enumerate(batches(seed, 300)):
        store.apply_events(batch)
        if also and number % 3 == 0:
            others(store, source, batch[-1].received or T0)
        if number % 10 == 0:
            store.second(T0 + number)
    return store


def statistics(store: Store, kind: str) -> Statistics:
    steps = store.statistics_steps(kind, 3600.0, T0 + 100)  # type: ignore[arg-type]
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


@pytest.mark.parametrize("also", [False, True])
@pytest.mark.parametrize("room", [10_000, 64])
@pytest.mark.parametrize("seed", range(4))
def test_one_pass_makes_what_the_careful_way_makes(seed: int, room: int, also: bool) -> None:
    quick, careful = (fed(seed, room, carefully, also).columns for carefully in (False, True))
    assert quick.used == careful.used
    for name in NUMBERS:
        if name != "head":
            np.testing.assert_array_equal(quick.vector(name), careful.vector(name), name)
    for name in TEXTS:
        assert getattr(quick, name) == getattr(careful, name), name
    slots = range(quick.used)
    for name in ("traceback", "eta", "expires", "extra"):
        assert repr(getattr(quick, name).many(slots)) == repr(getattr(careful, name).many(slots)), name
    assert (quick.by_state, quick.changes) == (careful.by_state, careful.changes)
    ids = [one for one in quick.id if one]
    assert all(quick.beginning(one[:12], 5) == [one] for one in ids)


@pytest.mark.parametrize("room", [10_000, 64])
def test_one_pass_counts_what_the_careful_way_counts(room: int) -> None:
    quick, careful = (fed(3, room, carefully, True) for carefully in (False, True))
    for kind in ("task", "worker", "queue"):
        assert statistics(quick, kind) == statistics(careful, kind)
    assert vars_of(quick.counted()) == vars_of(careful.counted())
    now = T0 + 1000
    assert quick.workers(now) == careful.workers(now)
    assert quick.queues(now) == careful.queues(now)
    assert quick.loss() == careful.loss()
    assert (quick.events_seen(), quick.events_malformed()) == (
        careful.events_seen(),
        careful.events_malformed(),
    )


def test_few_names_are_counted_as_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    few = fed(5, 10_000, False, True)
    monkeypatch.setattr("lazycelery.store.statistics.DENSE", 0)
    many = fed(5, 10_000, False, True)
    for kind in ("task", "worker", "queue"):
        assert statistics(few, kind).rows
        assert statistics(few, kind) == statistics(many, kind)


def vars_of(cell: object) -> list[object]:
    return [getattr(cell, name) for name in ("counts", "runtime", "wait")]


def test_most_events_go_the_short_way() -> None:
    """Else the tests above would prove nothing."""
    store = Store()
    careful: list[Event] = []
    before = store._intake._carefully

    def carefully(event: Event) -> None:
        careful.append(event)
        before(event)

    setattr(store._intake, "_carefully", carefully)  # noqa: B010
    total = 0
    for batch in batches(1, 300):
        store.apply_events(batch)
        total += len(batch)
    assert len(careful) < total / 2


def test_a_batch_is_told_once() -> None:
    """What could not be read comes as a batch without events."""
    store = Store()
    store.apply_events(
        [beat(0), received(0), started(1), Event("shop-paid", "w1@h", T0, uuid="t1", received=T0)]
    )
    told = store.told
    assert told.numbers[:, 0].tolist() == [1.0, 2.0, 255.0] and told.rows.tolist() == [1, 1, 1]
    assert [event.type for event in told.signs] == ["worker-heartbeat"] and list(told.others) == [2]
    store.apply_events([])
    assert not len(store.told.rows) and not store.told.signs and not store.told.events


@pytest.mark.parametrize("room", [64, 10_000])
def test_whose_an_event_was_is_told_though_another_task_has_its_slot_by_then(room: int) -> None:
    store = Store(room)
    owners: dict[int, str] = {}
    told = 0
    for number in range(20):
        batch = []
        for each in range(100):
            own, at = f"{number}-{each}", number + each / 1000
            batch += [received(at, own), started(at, own), succeeded(at, own)]
        store.apply_events(batch)
        columns = store.columns
        now = {columns.row[slot]: columns.id[slot] for slot in range(columns.used) if columns.row[slot]}
        for event, row in zip(batch, store.told.rows.tolist(), strict=True):
            assert row and owners.setdefault(row, event.uuid or "") == event.uuid
            assert now.get(row, event.uuid) == event.uuid
            told += row in now
    assert told >= 64


def test_a_slot_has_its_stamp_before_the_count_says_so() -> None:
    """Who reads in another thread takes everything up to the count as looked at."""
    store = Store()
    columns = store.columns
    late: list[bool] = []

    class Stamps:
        def __init__(self, own: memoryview) -> None:
            self.own = own

        def __setitem__(self, slot: int, stamp: int) -> None:
            late.append(columns.changes >= stamp)
            self.own[slot] = stamp

        def __getitem__(self, slot: int) -> int:
            return self.own[slot]

    setattr(columns, "stamp", Stamps(columns.stamp))  # noqa: B010
    store.apply_events([received(0), started(1), succeeded(2), succeeded(2), received(3, "t2", retries=1)])
    assert len(late) == 5 and not any(late)


@pytest.mark.parametrize("number", [10**400, -(10**400)], ids=["huge", "tiny"])
def test_a_number_that_no_column_holds_costs_its_own_event_alone(number: int) -> None:
    store = Store()
    store.apply_events(
        [
            Event("task-received", "w1@h", number, uuid="t1", received=T0),
            Event("task-received", "w1@h", T0, uuid="t2", received=T0, name=["x"], runtime=number),  # type: ignore[arg-type]
            received(0, "t3"),
        ]
    )
    assert store.events_malformed() == 1 and store.knows("t3")


def test_spans_that_no_calendar_knows_end_no_statistics() -> None:
    store = Store()
    store.apply_events([sent(0), received(0), Event("task-started", "w1@h", 1e300, uuid="t1", received=T0)])
    store.apply_events([received(5, "t2"), started(6, "t2"), succeeded(7, "t2", runtime=1e300)])
    [row] = statistics(store, "task").rows
    assert (row.started, row.succeeded, row.wait_p50, row.runtime_p50) == (2, 1, None, None)


def test_a_batch_whose_first_event_makes_room_is_told_whole() -> None:
    store = Store(2_000)
    for start in range(0, 6_000, 50):
        store.apply_events([received(T0 + number, f"t{number}") for number in range(start, start + 50)])
        assert len(store.told.numbers) == len(store.told.rows) == 50, start
