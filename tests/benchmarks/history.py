"""What the history and a recording cost, and how soon a million tasks are there again."""

from __future__ import annotations

import asyncio
import gc
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from lazycelery.engine.past import Past
from lazycelery.engine.recorder import Recorder
from lazycelery.model.event import Event
from lazycelery.model.history import HistoryQuery, HistoryStatus
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import TaskQuery
from lazycelery.sources.replay.tape import TapeWriter
from lazycelery.sources.replay.taping import Taping
from lazycelery.sources.replay.veiling import Veil
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local
from lazycelery.store.history.search import search
from lazycelery.store.history.storage import Storage
from lazycelery.store.store import Store
from tests.benchmarks.figure import Figure

RATE = 20_000
"""Events a second while the cost is measured."""
PACED = 200_000
"""Events for that."""
MANY = 1_000_000
"""Tasks in the history that is loaded."""
ROUNDS = 3
TRACE = 'Traceback (most recent call last):\n  File "shop.py", line 7, in send\nValueError: no {}\n'


def lives(tasks: int, start: float) -> Iterator[list[Event]]:
    """Four events a task, one in twenty fails, sixty names, sixteen workers."""
    for number in range(tasks):
        id, at = str(uuid.uuid4()), start + number / 5000
        told = {
            "name": f"shop.part{number % 60}.run",
            "args": f"({number}, 'order-{number}')",
            "kwargs": f"{{'region': 'eu', 'amount': {number}}}",
            "root_id": id,
            "retries": 0,
        }

        def event(type: str, after: float, worker: str, id: str = id, at: float = at, **own: object) -> Event:
            return Event(
                type=type,
                uuid=id,
                hostname=worker,
                timestamp=at + after,
                received=at + after + 0.001,
                **own,  # type: ignore[arg-type]
            )

        worker = f"celery@web-{number % 16}"
        if number % 20:
            end = event("task-succeeded", 0.03, worker, result=str(number) * 3, runtime=0.01)
        else:
            text = f"ValueError('no {number}')"
            end = event("task-failed", 0.03, worker, exception=text, traceback=TRACE.format(number))
        yield [
            event("task-sent", 0.0, "gen1@client", queue="celery", **told),
            event("task-received", 0.01, worker, **told),
            event("task-started", 0.02, worker),
            end,
        ]


def history_figures(home: Path) -> list[Figure]:
    made = list(lives(PACED // 4, time.time()))
    extra = min(cost(made, Local(Files(home / str(n)))) for n in range(ROUNDS)) - min(
        cost(made, None) for n in range(ROUNDS)
    )
    files = Local(Files(home / "many"))
    fill(files, MANY)
    size = files.files.bytes()
    return [
        Figure("history: CPU an event more, at 20,000 events a second", extra * 1e6, "us", 3.0),
        Figure("history: bytes a task on disk, events with it", size / MANY, "B", 450.0),
        *restart(files, MANY),
        *searches(files, MANY),
        *recording(made, home),
    ]


def cost(made: list[list[Event]], storage: Storage | None) -> float:
    """CPU seconds an event, all threads, paced."""
    store = Store()
    gc.collect()
    gc.freeze()
    recorder = None
    if storage is not None:
        recorder = Recorder(store.columns, storage, Redactor())
        recorder.start()
    cpu, began, done = time.process_time(), time.perf_counter(), 0
    while done < len(made):
        due = min(len(made), int((time.perf_counter() - began) * RATE / 4) + 1)
        for start in range(done, due, 25):
            batch = [event for life in made[start : min(due, start + 25)] for event in life]
            store.apply_events(batch)
            if recorder is not None:
                recorder.hand_over(store.told)
        done = due
        time.sleep(0.003)
    if recorder is not None:
        recorder.stop()
        assert recorder.status.state == "writing" and not recorder.status.dropped, recorder.status
    return (time.process_time() - cpu) / (4 * len(made))


def recording(made: list[list[Event]], home: Path) -> list[Figure]:
    """`--record`: all threads, and the part of it that the engine's loop does."""
    costs = [taped(made, home / f"{n}.tape") for n in range(ROUNDS)]
    name = "recording: CPU an event more, at 20,000 events a second"
    return [
        Figure(name, min(whole for whole, _ in costs) * 1e6, "us", 4.0),
        Figure("recording: CPU of it on the engine's loop", min(loop for _, loop in costs) * 1e6, "us", 1.0),
    ]


def taped(made: list[list[Event]], path: Path) -> tuple[float, float]:
    """CPU seconds an event of a recording that is made at that pace."""
    taping = Taping(TapeWriter(path), Veil(Redactor()))
    loop, began, done = 0.0, time.perf_counter(), 0
    idle, cpu = 0.0, time.process_time()
    while done < len(made):
        before = time.thread_time()
        due = min(len(made), int((time.perf_counter() - began) * RATE / 4) + 1)
        batches = [
            [event for life in made[start : min(due, start + 25)] for event in life]
            for start in range(done, due, 25)
        ]
        ready = time.thread_time()
        for batch in batches:
            taping.events(time.time(), batch)
        loop += time.thread_time() - ready
        idle += ready - before
        done = due
        time.sleep(0.003)
    taping.close()
    assert not taping.missing and not taping.problem
    events = 4 * len(made)
    return (time.process_time() - cpu - idle) / events, loop / events


def fill(storage: Storage, many: int) -> None:
    """Record so many tasks."""
    store = Store(200_000)
    recorder = Recorder(store.columns, storage, Redactor())
    recorder.start()
    for number, life in enumerate(lives(many, time.time() - many / 5000)):
        store.apply_events(life)
        recorder.hand_over(store.told)
        if number % 500 == 0:
            time.sleep(0.001)
            while recorder.status.behind > 100_000:
                time.sleep(0.01)
    recorder.stop()
    assert recorder.status.state == "writing" and not recorder.status.dropped, recorder.status


def restart(storage: Storage, many: int, where: str = "") -> list[Figure]:
    store, status = Store(), HistoryStatus()
    gc.collect()
    gc.freeze()
    past = Past(store, storage, status, time.time, lambda: None)
    late = [0.0]
    moments: dict[str, float] = {}

    async def watch() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - before - 0.001)

    async def run() -> None:
        began = time.perf_counter()
        await past.survey()
        watching = asyncio.create_task(watch())
        loading = asyncio.create_task(past.load(many))
        while not (page := store.query(TaskQuery(limit=50), time.time())).rows:
            await asyncio.sleep(0.002)  # Nobody asks without a pause.
        moments["shown"] = time.perf_counter() - began
        assert len(page.rows) == 50
        await past.first.wait()
        moments["first"] = time.perf_counter() - began
        await loading
        moments["all"] = time.perf_counter() - began
        watching.cancel()

    asyncio.run(run())
    assert status.loaded == many
    late.sort()
    return [
        Figure(
            f"restart{where}: the newest of {many:,} tasks on screen", moments["shown"] * 1000, "ms", 1000.0
        ),
        Figure(f"restart{where}: the newest 20,000 in every order", moments["first"] * 1000, "ms", 1000.0),
        Figure(f"restart{where}: all {many:,}, while it is used", moments["all"], "s", 30.0),
        Figure(f"restart{where}: engine's loop late by, p99", late[len(late) * 99 // 100] * 1000, "ms", 16.0),
    ]


def searches(storage: Storage, many: int, where: str = "") -> list[Figure]:
    found = []
    # Where a server does the work, our CPU tells nothing of it.
    clock, by = (time.perf_counter, "") if where else (time.process_time, ", CPU")
    for name, filter in (
        ("a failed order by name", "state:failure name:shop.part40.run"),
        ("a rare word in all texts", f"order-{many // 2}"),
    ):
        began = clock()
        page = search(storage, HistoryQuery(filter=filter, limit=50), time.time())
        assert page.tasks
        took = (clock() - began) * 1000
        found.append(Figure(f"history{where}: {name}, {many:,} tasks{by}", took, "ms", 2000.0))
    return found
