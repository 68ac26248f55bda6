"""What a full examination costs: 200 workers, 500 queues, a million tasks."""

from __future__ import annotations

import asyncio
import time

from lazycelery.engine.engine import Engine
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ActiveQueue, QueueReport, TaskReport, WorkerReport, WorkerStats
from lazycelery.store.rings import Cell
from tests.benchmarks.figure import Figure

WORKERS, QUEUES, TASKS = 200, 500, 1_000_000
NAMES, SLOTS, RESERVED = 300, 8, 32
NOW = 1_800_000_000.0
REPEATS = 5


def examination() -> list[Figure]:
    return asyncio.run(_measure())


async def _measure() -> list[Figure]:
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0"), clock=lambda: NOW)
    _fill(engine)
    _rings(engine)
    engine._links.up("broker")
    engine._watch.first_truth.set()
    costs, held = [], 0.0
    for _ in range(REPEATS):
        began = time.process_time()
        examination = await engine._examiner.examine()
        costs.append(time.process_time() - began)
        held = max(held, await _longest_hold(engine))
    note = f"{len(examination.checked)} checks, {len(examination.findings)} findings"
    return [
        Figure("full examination of 1,000,000 tasks, CPU", min(costs) * 1000, "ms", 100.0, note),
        Figure("longest hold of the loop meanwhile", held * 1000, "ms", 25.0),
    ]


async def _longest_hold(engine: Engine) -> float:
    worst, last = 0.0, time.perf_counter()

    async def pulse() -> None:
        nonlocal worst, last
        while True:
            now = time.perf_counter()
            worst, last = max(worst, now - last), now
            await asyncio.sleep(0)

    beating = asyncio.ensure_future(pulse())
    await asyncio.sleep(0)
    await engine._examiner.examine()
    beating.cancel()
    return worst


def _fill(engine: Engine) -> None:
    store = engine._store
    for number in range(WORKERS):
        store.apply_worker(_worker(number))
    reports = [
        QueueReport(name=f"q{number}", at=NOW, messages=number % 7 * 10, priorities={"0": 3, "9": number})
        for number in range(QUEUES)
    ]
    store.apply_queues(reports)
    batch: list[Event] = []
    for number in range(TASKS):
        batch += _life(number)
        if len(batch) > 3000:
            store.apply_events(batch)
            batch = []
    store.apply_events(batch)


def _rings(engine: Engine) -> None:
    """Two days of hours and two hours of minutes of every name and queue."""
    figures = engine._store.figures
    names = [3 * figures.words("task").code(f"t{number}") for number in range(NAMES)]
    keys = names + [3 * figures.words("queue").code(f"q{number}") + 2 for number in range(QUEUES)]
    for ago in range(1, 49):
        figures.put_before(NOW - NOW % 3600 - 3600 * ago, {key: _cell(key) for key in keys})
    for at in range(900, 0, -5):
        # Fifteen minutes in steps of five seconds, each name and queue in all of them.
        figures.seconds.step = {key: _cell(key) for key in keys}
        engine._store.second(NOW - at)


def _cell(key: int) -> Cell:
    cell = Cell()
    cell.counts[2:4] = [60, 60]
    cell.runtime = {100 + (key + step) % 40: 3 for step in range(20)}
    cell.wait = {50 + (key + step) % 40: 3 for step in range(20)}
    return cell


def _worker(number: int) -> WorkerReport:
    name = f"celery@w{number}"
    stats = WorkerStats(worker=name, pool="prefork", concurrency=SLOTS, processes=list(range(SLOTS)))
    return WorkerReport(
        worker=name,
        at=NOW,
        ping=True,
        stats=stats,
        queues=[ActiveQueue(name=f"q{(number * 3 + step) % QUEUES}") for step in range(3)],
        registered=[f"t{task}" for task in range(NAMES)],
        conf={"result_backend": "redis://b/0", "task_acks_late": True},
        active=[_held(name, "active", f"a{number}-{slot}") for slot in range(SLOTS)],
        reserved=[_held(name, "reserved", f"r{number}-{slot}") for slot in range(RESERVED)],
        scheduled=[],
    )


def _held(worker: str, phase: str, id: str) -> TaskReport:
    start = NOW - 100 if phase == "active" else None
    return TaskReport(id=id, phase=phase, worker=worker, name="t1", time_start=start)  # type: ignore[arg-type]


def _life(number: int) -> list[Event]:
    at = NOW - 600 + 600 * number / TASKS
    own = {"hostname": f"celery@w{number % WORKERS}", "uuid": f"{number:08x}-task"}
    failed = number % 20 == 0
    name = f"t{number % NAMES}"
    received = Event("task-received", timestamp=at, received=at, name=name, args="(1,)", retries=0, **own)  # type: ignore[arg-type]
    if number % 50 == 0:
        return [received]
    end = "task-failed" if failed else "task-succeeded"
    return [
        received,
        Event("task-started", timestamp=at + 0.1, received=at + 0.1, **own),  # type: ignore[arg-type]
        Event(end, timestamp=at + 0.3, received=at + 0.3, runtime=0.2, exception="E()", **own),  # type: ignore[arg-type]
    ]
