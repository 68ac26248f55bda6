"""Messages that went from one queue to another are found there, with few looks; without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from lazycelery.engine.astray import LOOK_EVERY, Astray
from lazycelery.model.event import Event
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.reports import QueueReport
from lazycelery.store.store import Store

NOW = 1_000_000.0


class Queues:
    """Queues by name, with the ids that wait in them."""

    free_looks = True

    def __init__(self) -> None:
        self.now = NOW
        self.held: dict[str, list[str]] = {"celrey": ["moved"], "celery": [], "deep": ["x"] * 500}
        self.looks: list[tuple[str, int]] = []

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, **_: Any) -> PeekPage:
        self.looks.append((queue, offset))
        ids: Sequence[str] = self.held[queue][offset : offset + limit]
        return PeekPage(
            queue=queue,
            at=self.now,
            total=len(self.held[queue]),
            messages=[Message(position=offset + n, id=id, task="n") for n, id in enumerate(ids)],
        )


def state(store: Store) -> str | None:
    task = store.task("moved", NOW)
    return task.state if task is not None else None


async def test_a_moved_message_waits_where_it_is_now() -> None:
    store, queues = Store(), Queues()
    astray = Astray(store, cast(Any, queues), lambda: queues.now)

    async def round_at(at: float) -> None:
        queues.now = at
        reports = [QueueReport(name=name, at=at, messages=len(ids)) for name, ids in queues.held.items()]
        store.apply_queues(reports)
        await astray.look(reports)

    store.apply_events(
        [Event(type="task-sent", uuid="moved", name="n", queue="celrey", hostname="g@h", timestamp=NOW)]
    )
    await round_at(NOW + 10)
    assert queues.looks == [] and state(store) == "waiting"
    queues.held["celrey"], taken = [], queues.held["celrey"]
    await round_at(NOW + 20)
    assert state(store) == "unknown"  # On the way: in neither queue.
    queues.held["deep"] += taken
    queues.looks.clear()
    await round_at(NOW + 20 + LOOK_EVERY / 2)
    assert queues.looks == []
    await round_at(NOW + 20 + LOOK_EVERY)
    assert queues.looks == [("deep", 401)]
    task = store.task("moved", queues.now)
    assert task is not None and (task.state, task.queue, task.marks) == ("waiting", "deep", [])
    await round_at(NOW + 60)
    assert queues.looks == [("deep", 401)] and state(store) == "waiting"
