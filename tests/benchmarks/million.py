"""What is asked of a store of a million tasks: the first time, when nothing is prepared, and in slices.

CPU time of the thread, so that what else runs on the machine counts little.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from lazycelery.engine.load import resident
from lazycelery.model.event import Event
from lazycelery.model.task import TaskQuery
from lazycelery.store.store import Store
from tests.benchmarks.figure import Figure

TASKS = 1_000_000
NAMES, WORKERS = 60, 16
NOW = 1_800_000_000.0
SPAN = 7200.0
"""Seconds over which the tasks came."""
TRACES = [
    "Traceback (most recent call last):\n"
    + "".join(f'  File "/app/shop/part{n}.py", line {n + step}, in step{step}\n' for step in range(n % 6 + 3))
    for n in range(40)
]
ROUNDS = 5
Steps = Generator[None, None, Any]


class Cost(NamedTuple):
    """CPU seconds of a question, and of the longest hold in it."""

    whole: float
    longest: float
    answer: Any


def lives(tasks: int, start: float, span: float) -> Iterator[list[Event]]:
    """The events of one task after the other, with texts as long as those of real tasks."""
    chance = random.Random(5)
    for number in range(tasks):
        yield _life(chance, number, start + span * number / tasks)


def _life(chance: random.Random, number: int, at: float) -> list[Event]:
    id = f"{chance.getrandbits(32):08x}-{number >> 16 & 0xFFFF:04x}-4{number & 0xFFF:03x}-a000-{number:012x}"
    kind = min(int(chance.paretovariate(0.9)), NAMES) - 1
    worker = f"celery@web-{chance.randrange(WORKERS)}"
    args, kwargs, result = _texts(chance, kind % 4, number)
    runtime = chance.lognormvariate(-1 + kind % 5, 0.6)
    own: dict[str, Any] = {"uuid": id}
    told: dict[str, Any] = {
        "name": f"shop.part{kind}.run",
        "args": args,
        "kwargs": kwargs,
        "root_id": id,
        "retries": 0,
    }

    def event(type: str, after: float, host: str = worker, **more: Any) -> Event:
        return Event(
            type=type, hostname=host, timestamp=at + after, received=at + after + 0.002, **own, **more
        )

    if number % 20:
        end = event("task-succeeded", 0.02 + runtime, result=result, runtime=runtime)
    else:
        text = f"ValueError('could not process item {number}: upstream said {number % 5}')"
        trace = TRACES[chance.randrange(len(TRACES))] + text + "\n"
        end = event("task-failed", 0.02 + runtime, exception=text, traceback=trace)
    return [
        event("task-sent", 0.0, "gen1@client", queue="celery", **told),
        event("task-received", 0.01, **told),
        event("task-started", 0.02),
        end,
    ]


def _texts(chance: random.Random, kind: int, number: int) -> tuple[str, str, str]:
    """Arguments, keyword arguments and result."""
    if kind == 0:
        return f"({number},)", "{}", "None"
    if kind == 1:
        kwargs = "{'template': 'order_confirmed', 'locale': 'en_GB'}"
        sent = f"{{'status': 'sent', 'message_id': '<{chance.getrandbits(96):024x}@mail.example.com>'}}"
        return f"('user{number}@example.com', {chance.randrange(99999)})", kwargs, sent
    if kind == 2:
        lines = f"[{{'sku': 'SKU-{chance.randrange(99999):05d}', 'qty': {chance.randrange(9)}}}]"
        kwargs = (
            f"{{'order_id': {number}, 'customer': 'cus_{chance.getrandbits(48):012x}', 'lines': {lines}}}"
        )
        return "()", kwargs, f"{{'order_id': {number}, 'state': 'ok', 'total': '{chance.randrange(900)}.49'}}"
    kwargs = f"{{'force': True, 'batch_id': '{chance.getrandbits(64):016x}'}}"
    return f"({number}, 'https://api.example.com/v2/items/{number}?expand=all')", kwargs, str(number)


def filled(tasks: int = TASKS) -> Store:
    """A store with so many ended tasks, as its engine keeps it."""
    store = Store()
    gc.collect()
    gc.freeze()
    batch: list[Event] = []
    second = NOW - SPAN
    for life in lives(tasks, NOW - SPAN, SPAN):
        batch += life
        if len(batch) >= 500:
            store.apply_events(batch)
            while second < batch[-1].received:
                store.second(second)
                second += 1
                if second % 10 == 0:
                    cost(store.seal_steps())
            batch = []
    store.apply_events(batch)
    cost(store.seal_steps())
    cost(store.seal_steps())
    return store


def cost(steps: Steps) -> Cost:
    """Run all steps."""
    whole = longest = 0.0
    while True:
        began = time.thread_time()
        try:
            next(steps)
        except StopIteration as done:
            took = time.thread_time() - began
            return Cost(whole + took, max(longest, took), done.value)
        took = time.thread_time() - began
        whole, longest = whole + took, max(longest, took)


def questions() -> list[Figure]:
    before = resident() or 0
    store = filled()
    memory = ((resident() or 0) - before) / TASKS

    def ask(**query: Any) -> Cost:
        asked = TaskQuery(limit=200, **query)
        return least(store, lambda: store.query_steps(asked, NOW))

    def ask_soon(filter: str, hits: int) -> Cost:
        """Until so many hits are told, as the screen asks."""
        asked = TaskQuery(limit=hits, filter=filter)
        return least(store, lambda: store.query_steps(asked, NOW, lambda: False))

    named = ask(filter="name:shop.part7.run state:failure since:1h")
    top = ask(sort="runtime")
    whole = ask(sort="runtime", offset=TASKS // 2)
    words = {
        "in many": ask(filter="order_confirmed"),
        "in one": ask(filter=_rare(store)),
        "in none": ask(filter="nowhere-to-be-found"),
    }
    first = {"in many": ask_soon("order_confirmed", 200), "in one": ask_soon(_rare(store), 1)}
    told = least(store, lambda: store.statistics_steps("task", 3600.0, NOW))
    assert named.answer.matched and len(top.answer.rows) == len(words["in many"].answer.rows) == 200
    assert len(words["in one"].answer.rows) == 1 and not words["in none"].answer.rows
    assert [(len(each.answer.rows), each.answer.searched < 1) for each in first.values()] == [
        (200, True),
        (1, True),
    ]
    assert len(told.answer.rows) == NAMES
    longest = max(each.longest for each in (named, top, whole, told, *words.values(), *first.values()))
    name = f"{TASKS:,} tasks"
    return [
        Figure(f"{name}: memory a task, of the store", memory, "B", 500.0),
        Figure(f"{name}: filter by name, state and time, CPU", named.whole * 1000, "ms", 10.0, aim=5.0),
        *(
            Figure(
                f"{name}: a word {where} of all texts, CPU to its first hits", each.whole * 1000, "ms", 50.0
            )
            for where, each in first.items()
        ),
        *(
            Figure(f"{name}: a word {where} of all texts, CPU, all of it", each.whole * 1000, "ms", limit)
            for (where, each), limit in zip(words.items(), (250.0, 100.0, 100.0), strict=True)
        ),
        Figure(f"{name}: longest 200 by run time, CPU", top.whole * 1000, "ms", 10.0, aim=5.0),
        Figure(f"{name}: all in order of run time, CPU", whole.whole * 1000, "ms", 75.0, aim=50.0),
        Figure(f"{name}: percentiles of every task name, CPU", told.whole * 1000, "ms", 5.0),
        Figure(f"{name}: longest slice of all these, CPU", longest * 1000, "ms", 10.0),
    ]


def least(store: Store, question: Callable[[], Steps]) -> Cost:
    """The best of some rounds, in each of which nothing is prepared; of the slices the longest."""
    rounds = []
    for _ in range(ROUNDS):
        store._queries.orders._kept.clear()
        rounds.append(cost(question()))
    return min(rounds)._replace(longest=max(each.longest for each in rounds))


def _rare(store: Store) -> str:
    """A word that one task has, somewhere in the middle."""
    for slot in range(TASKS // 2, TASKS):
        args = store.columns.sealed.text("args", slot) or ""
        if args.startswith("('user"):
            return args[2:].partition("'")[0]
    raise AssertionError
