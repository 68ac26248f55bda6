# ruff: noqa: E501 - messages as they are
"""What it costs to put 100,000 failures into groups, and to ask again."""

from __future__ import annotations

import gc
import time

from lazycelery.model.faults import ErrorQuery
from lazycelery.model.redaction import Redactor
from lazycelery.model.states import State
from lazycelery.store.store import Store
from tests.benchmarks.figure import Figure

FAILURES = 100_000
T0 = 1_800_000_000.0
TRACE = """Traceback (most recent call last):
  File "/srv/venv/lib/python3.11/site-packages/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/shop/tasks.py", line {line}, in charge
    return gateway.charge(order)
  File "/srv/venv/lib/python3.11/site-packages/requests/api.py", line 59, in request
    return session.request(method=method, url=url, **kwargs)
"""
ERRORS = (
    "ValueError('card declined for order {n}')",
    "KeyError('user_{n}')",
    "UniqueViolation('duplicate key value violates \"orders_pkey\"\\nDETAIL:  Key (id)=({n}) already exists.\\n')",
    "ConnectionError(MaxRetryError(\"HTTPSConnectionPool(host='api{n}', port=443): Max retries exceeded with url: "
    "/v1/orders/{n} (Caused by NewConnectionError('<urllib3.connection.HTTPSConnection object at 0x{n:x}7f>: "
    "[Errno 111] Connection refused'))\"))",
    "TypeError('{word} is not what was meant')",
)  # fmt: skip
"""The last one says another word nearly each time: nothing can be remembered of it."""


def failures() -> list[Figure]:
    store = Store(FAILURES)
    store.errors.veil(Redactor().text)
    columns = store.columns
    for n in range(FAILURES):
        slot = columns.add(f"t{n}", T0 + n / 100)
        word = "".join(chr(97 + n // 26**place % 26) for place in range(3))
        columns.error[slot] = ERRORS[n % len(ERRORS)].format(n=n, word=word)
        columns.traceback[slot] = TRACE.format(line=n % 40)
        columns.name[slot] = columns.names.code(f"shop.{n % 50}")
        columns.worker[slot] = columns.workers.code(f"w{n % 20}@h")
        columns.set_state(slot, State.FAILURE, T0 + n / 100)
        columns.touch(slot)
    gc.collect()
    gc.freeze()  # What was filled in here stands for what an engine has had for long.
    first, longest, groups = _asked(store)
    again, _, _ = _asked(store)
    return [
        Figure("100,000 failures into groups, CPU", first * 1000, "ms", 10_000.0, f"{groups:,} groups"),
        Figure("longest slice of it, CPU", longest * 1000, "ms", 10.0),
        Figure("the same again, CPU", again * 1000, "ms", 500.0),
    ]


def _asked(store: Store) -> tuple[float, float, int]:
    """CPU seconds in all, of the longest slice, and the groups."""
    steps = store.errors.page(ErrorQuery(), None, T0 + FAILURES / 100)
    began, longest = time.process_time(), 0.0
    while True:
        before = time.process_time()
        try:
            next(steps)
        except StopIteration as end:
            return time.process_time() - began, longest, len(end.value.groups)
        longest = max(longest, time.process_time() - before)
