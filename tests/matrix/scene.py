"""An engine at a place, and the ways to do, undo and look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, Refused
from lazycelery.model.action import Order, Outcome
from tests.matrix.places import Place

W1, W8, W9 = "w1@test", "w8@test", "w9@test"
BOX, OTHER, HOME, DEAD, MAIL = "box", "other", "home", "dead", "mail"
ENTRY = "nightly"
PATIENCE = 40.0


@dataclass
class Scene:
    """An engine at a place; where workers can be, `w1` consumes `celery`."""

    place: Place
    pool: str
    """The kind of pool of all its workers."""
    engine: Engine
    tool: Celery
    """Celery's own client."""
    dir: Path
    sent: dict[str, list[str]] = field(default_factory=dict)
    """What a deed put into a queue: when it is refused, it is there still."""
    owed: list[Outcome] = field(default_factory=list)
    """What can be undone and was not yet: a deed leaves none."""

    async def do(self, action: Any, *targets: str, filter: str | None = None, **params: Any) -> Outcome:
        """Plan and act. Raises what refuses it."""
        return await self.order(Order(action=action, targets=list(targets), filter=filter, params=params))

    async def order(self, order: Order) -> Outcome:
        plan = await self.engine.plan(order)
        if plan.refused is not None:
            raise Refused(plan.refused, plan.hint)
        outcome = await self.engine.act(plan.id, plan.word)
        if not outcome.done:
            raise Refused(outcome.proof)
        if outcome.back is not None or (outcome.backup and outcome.action not in ("restore", "export")):
            self.owed.append(outcome)
        return outcome

    async def undo(self, outcome: Outcome) -> Outcome:
        """As the key `u` does."""
        self.owed.remove(outcome)
        back = await self.order(outcome.back or Order(action="restore", targets=[outcome.backup or ""]))
        if back in self.owed:  # An undo could be undone, for ever.
            self.owed.remove(back)
        return back

    async def told(self, question: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A question to the independent tool, beside our loop."""
        return await asyncio.to_thread(question, *args, **options)

    async def put(self, queue: str, count: int = 3) -> list[str]:
        """Fill an empty queue."""
        await self.told(self.place.content, queue)
        self.sent[queue] = await self.told(self.place.put, queue, count)
        await self.holds(**{queue: count})  # Nobody confirmed them.
        return self.sent[queue]

    async def holds(self, **depths: int) -> None:
        """Wait until the broker itself counts so many messages in these queues."""

        async def counted() -> bool:
            return bool(await self.told(self.place.depths, *depths) == [*depths.values()])

        assert await until(counted), depths

    async def taken(self, queue: str, ids: list[str]) -> bool:
        """Whether these wait in a queue, in this order; files of one millisecond have none. Takes them."""
        found = await self.told(self.place.content, queue)
        return bool(found == ids or (self.place.kind == "filesystem" and sorted(found) == sorted(ids)))

    async def ask(self, method: str, worker: str = W1, **arguments: Any) -> Any:
        """What a worker says, by Celery's own client; `None` when it is silent."""
        options = {"arguments": arguments, "destination": [worker], "limit": 1}
        for _ in range(5):
            replies = await self.told(self.tool.control.broadcast, method, reply=True, timeout=2, **options)
            if replies:
                return replies[0][worker]
        return None

    async def ran(self, name: str) -> int:
        """How many tasks of a name `w1` has begun, by its own count."""
        return int((await self.ask("stats"))["total"].get(name, 0))

    async def warned(self, action: Any, *targets: str, **params: Any) -> str:
        """What the plan of an action warns of."""
        plan = await self.engine.plan(Order(action=action, targets=list(targets), params=params))
        return " ".join(plan.warnings)

    async def state(self, id: str) -> str:
        try:
            return str((await self.engine.task(id, fetch=False)).state)
        except NothingFound:
            return "nobody knows it"


async def until(look: Callable[[], Awaitable[Any]], within: float = PATIENCE) -> Any:
    """The first true answer; the last one when time runs out."""
    deadline = time.monotonic() + within
    while not (found := await look()) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return found
