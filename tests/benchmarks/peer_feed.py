"""Feeds recorded event messages to one consumer and prints what it cost, as JSON.

    python peer_feed.py state|flower|ours|ours-history FILE

A program of its own, as each consumer is measured in a process of its own; the first two run in an
environment with Celery and Flower, and load nothing of ours.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import os
import resource
import shelve
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

WANTED = {"name": "shop.order.send", "state": "FAILURE"}
WORD = "1760"
TOGETHER = 100
"""Messages that our reader hands over together at 20,000 events a second, about."""
RATE = 50_000
"""Events that count as a second's. With history no more are fed in one, else a batch of it would be larger
than any engine's; without, ours is fed without a pause, as the others are."""
REST = 0.01
"""Seconds that it is ahead of the rate before it rests: what our reader rests where many events come."""
Feed = Callable[[bytes], None]
Queries = dict[str, Callable[[], int]]


def messages(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while head := file.read(4):
            yield file.read(int.from_bytes(head, "big"))


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def celery_consumer(kind: str) -> tuple[Feed, Queries]:
    """What `celery.events.Receiver` does with a message, without the network."""
    from celery import Celery

    app = Celery("peer", broker="memory://")
    if kind == "flower":
        from flower.events import EventsState

        state = EventsState(max_tasks_in_memory=10_000_000, max_workers_in_memory=5000)
    else:
        state = app.events.State(max_tasks_in_memory=10_000_000)
    receiver = app.events.Receiver(app.connection(), handlers={"*": state.event})

    def feed(payload: bytes) -> None:
        envelope = json.loads(payload)
        receiver._receive(json.loads(base64.b64decode(envelope["body"])), None)

    class Events:
        pass

    events = Events()
    events.state = state  # type: ignore[attr-defined]

    def by_name_and_state() -> int:
        if kind == "flower":
            from flower.utils.tasks import iter_tasks

            found = iter_tasks(events, type=WANTED["name"], state=WANTED["state"], limit=200)
        else:
            found = (
                task
                for task in state.tasks_by_time()
                if task[1].name == WANTED["name"] and task[1].state == WANTED["state"]
            )
        return len([task for task, _ in zip(found, range(200), strict=False)])

    def by_word() -> int:
        if kind == "flower":
            from flower.utils.tasks import iter_tasks

            return len(list(iter_tasks(events, search=WORD)))
        texts = ("args", "kwargs", "result", "exception")
        return sum(
            any(WORD in str(getattr(task, name) or "") for name in texts) for _, task in state.tasks_by_time()
        )

    def by_runtime() -> int:
        tasks = sorted((task for _, task in state.tasks_by_time()), key=lambda task: task.runtime or 0.0)
        return len(tasks[-200:])

    queries: Queries = {"filter": by_name_and_state, "search": by_word, "sort": by_runtime}
    if kind == "flower":
        # As `flower --persistent=True` does at its end, and at its next start.
        database = tempfile.mkdtemp() + "/flower"

        def end() -> None:
            with shelve.open(database, flag="n") as shelf:
                shelf["events"] = state

        def start() -> int:
            with shelve.open(database) as shelf:
                return len(shelf["events"].tasks)

        queries |= {"save": lambda: end() or 1, "start": start}
    return feed, queries


def our_consumer(history: bool) -> tuple[Feed, Queries, Callable[[], None]]:
    """What our engine does with a message: store, statistics, log, and the history."""
    from pathlib import Path

    from lazycelery.engine.log import EventLog
    from lazycelery.engine.past import Past
    from lazycelery.engine.recorder import Recorder
    from lazycelery.model.history import HistoryStatus
    from lazycelery.model.redaction import Redactor
    from lazycelery.model.task import TaskQuery
    from lazycelery.sources.event_wire import decode_events
    from lazycelery.store.history.files import Files
    from lazycelery.store.history.local import Local
    from lazycelery.store.store import Store

    store = Store()
    log = EventLog(Redactor(), store.name)
    recorder: Recorder | None = None
    files = Local(Files(Path(tempfile.mkdtemp()) / "history"))
    if history:
        recorder = Recorder(store.columns, files, Redactor())
        recorder.start()

    waiting: list[bytes] = []
    this_second, fed, began = 0, 0, time.perf_counter()

    def feed(payload: bytes) -> None:
        nonlocal this_second, fed
        waiting.append(payload)
        if len(waiting) < TOGETHER:
            return
        events: list = []  # type: ignore[type-arg]
        decode_events(waiting, time.time(), events)
        waiting.clear()
        store.apply_events(events)
        log.add(events)
        if recorder is not None:
            recorder.hand_over(store.told)
        this_second, fed = this_second + len(events), fed + len(events)
        if this_second >= RATE:
            # What the engine does once a second is charged as well.
            this_second = 0
            store.second(time.time())
            for _ in store.seal_steps():
                pass
        ahead = fed / RATE - (time.perf_counter() - began)
        if recorder is not None and ahead > REST:
            time.sleep(ahead)

    def ask(**query: object) -> Callable[[], int]:
        asked = TaskQuery(limit=200, **query)  # type: ignore[arg-type]
        return lambda: len(store.query(asked, time.time()).rows)

    def start() -> int:
        again, status = Store(), HistoryStatus()
        past = Past(again, files, status, time.time, lambda: None)

        async def load() -> None:
            await past.survey()
            await past.load(again.columns.max_tasks)

        asyncio.run(load())
        return status.loaded

    wanted = f"name:{WANTED['name']} state:failure"
    queries = {"filter": ask(filter=wanted), "search": ask(filter=WORD), "sort": ask(sort="runtime")}
    if recorder is None:
        return feed, queries, lambda: None
    return feed, queries | {"start": start}, recorder.stop


def main() -> None:
    kind, path = sys.argv[1:]
    end: Callable[[], None] = lambda: None  # noqa: E731
    if kind.startswith("ours"):
        feed, queries, end = our_consumer(kind == "ours-history")
        gc.collect()
        gc.freeze()
    else:
        feed, queries = celery_consumer(kind)
    before, cpu = resident(), time.process_time()
    left, at_half = os.path.getsize(path) // 2, 0
    for payload in messages(path):
        feed(payload)
        left -= len(payload) + 4
        if left <= 0 and not at_half:
            at_half = resident()
    end()
    took = time.process_time() - cpu
    told = {"cpu": took, "bytes": resident() - before, "more": 2 * (resident() - at_half)}
    for name, query in queries.items():
        began = time.process_time()
        assert query() > 0, (kind, name)
        told[name] = time.process_time() - began
    print(json.dumps(told))


if __name__ == "__main__":
    main()
