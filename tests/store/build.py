"""Events as workers write them, in few words."""

from __future__ import annotations

from typing import Any

from lazycelery.model.event import Event
from lazycelery.store.store import Store

T0 = 1_790_000_000.0


def event(kind: str, at: float, uuid: str = "t1", worker: str = "w1@h", **fields: Any) -> Event:
    """`at`: seconds after T0, for both clocks."""
    hostname = "gen1@client" if kind == "sent" else worker
    return Event(
        type=f"task-{kind}",
        uuid=uuid,
        hostname=hostname,
        timestamp=T0 + at,
        received=T0 + at + 0.01,
        clock=int(at * 1000) + 1,
        **fields,
    )


def beat(at: float, worker: str = "w1@h", kind: str = "heartbeat", **fields: Any) -> Event:
    told = {"freq": 2.0, "active": 0, "processed": 0, **fields}
    return Event(type=f"worker-{kind}", hostname=worker, timestamp=T0 + at, received=T0 + at, clock=1, **told)


def sent(at: float, uuid: str = "t1", retries: int = 0, **fields: Any) -> Event:
    told = {
        "name": "shop.add",
        "args": "(1, 2)",
        "kwargs": "{}",
        "queue": "celery",
        "root_id": uuid,
        **fields,
    }
    return event("sent", at, uuid, retries=retries, **told)


def received(at: float, uuid: str = "t1", retries: int = 0, worker: str = "w1@h", **fields: Any) -> Event:
    told = {"name": "shop.add", "args": "(1, 2)", "kwargs": "{}", "root_id": uuid, **fields}
    return event("received", at, uuid, worker, retries=retries, **told)


def started(at: float, uuid: str = "t1", worker: str = "w1@h") -> Event:
    return event("started", at, uuid, worker)


def succeeded(at: float, uuid: str = "t1", worker: str = "w1@h", **fields: Any) -> Event:
    return event("succeeded", at, uuid, worker, **{"result": "3", "runtime": 1.0, **fields})


def failed(at: float, uuid: str = "t1", worker: str = "w1@h") -> Event:
    return event(
        "failed", at, uuid, worker, exception="ValueError('x')", traceback="Traceback\nValueError: x\n"
    )


def retried(at: float, uuid: str = "t1", worker: str = "w1@h") -> Event:
    return event("retried", at, uuid, worker, exception="Timeout()", traceback="Traceback\nTimeout\n")


def store_of(*events: Event, max_tasks: int = 10_000) -> Store:
    """A store that saw these events one by one."""
    store = Store(max_tasks)
    for one in events:
        store.apply_events([one])
    return store


def task(store: Store, uuid: str = "t1") -> Any:
    found = store.task(uuid, T0)
    assert found is not None
    return found
