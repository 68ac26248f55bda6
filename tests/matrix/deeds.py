"""Every action, one way on every broker: it is done, seen by others than us, and undone where that can be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery, chain
from kombu import Queue

from lazycelery.actions.backup import BackupWriter, Header, Line
from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, Refused
from lazycelery.model.action import Order, Outcome
from tests.matrix.places import Place, RabbitPlace
from tests.support.fleet import CeleryWorker

W1, W8, W9 = "w1@test", "w8@test", "w9@test"
BOX, OTHER, HOME, DEAD, MAIL = "box", "other", "home", "dead", "mail"
ENTRY = "nightly"
PATIENCE = 40.0


@dataclass
class Scene:
    """An engine at a place; where workers can be, `w1` consumes `celery`."""

    place: Place
    engine: Engine
    tool: Celery
    """Celery's own client."""
    dir: Path
    sent: dict[str, list[str]] = field(default_factory=dict)
    """What a deed put into a queue: when it is refused, it is there still."""

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
        return outcome

    async def undo(self, outcome: Outcome) -> Outcome:
        """As the key `u` does."""
        return await self.order(outcome.back or Order(action="restore", targets=[outcome.backup or ""]))

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
        """Wait until the broker's own tool counts so many messages in these queues."""

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


# ---- tasks


async def retry(at: Scene) -> None:
    """A failure is sent again, and runs: the worker's own count says so."""
    if not at.place.works:
        return await _retry_what_waits(at)
    flag = at.dir / "mended"
    id = await at.told(at.place.send, "shop.until_file", str(flag))

    async def failed() -> bool:
        return await at.state(id) == "failure"

    assert await until(failed)
    before = await _ran(at, "shop.until_file")
    flag.touch()
    outcome = await at.do("retry", id)
    assert outcome.done == 1 and outcome.items[0].new_id

    async def again() -> bool:
        return await _ran(at, "shop.until_file") == before + 1

    assert await until(again), outcome


async def _retry_what_waits(at: Scene) -> None:
    (id,) = await at.put(BOX, 1)
    outcome = await at.do("retry", id, force=True)
    await at.holds(box=2)
    assert await at.told(at.place.content, BOX) == [id, outcome.items[0].new_id]


async def _ran(at: Scene, name: str) -> int:
    return int((await at.ask("stats"))["total"].get(name, 0))


async def revoke(at: Scene) -> None:
    queue = "celery" if at.place.works else BOX
    id = await at.told(at.place.send, "shop.add", 1, 2, countdown=3000, queue=queue)
    outcome = await at.do("revoke", id, force=True)
    assert outcome.done == 1, outcome
    assert id in await at.ask("revoked")


async def terminate(at: Scene) -> None:
    queue = "celery" if at.place.works else BOX
    id = await at.told(at.place.send, "shop.wait_for", str(at.dir / "never"), queue=queue)

    async def started() -> bool:
        return await at.state(id) == "started"

    if at.place.works:
        assert await until(started)
        assert [job["id"] for job in await at.ask("active")] == [id]
    await at.do("terminate", id)

    async def over() -> bool:
        return not await at.ask("active")

    assert await until(over)


# ---- whole canvases


async def _chained(at: Scene, queue: str, name: str, *args: Any) -> list[str]:
    """Sends a chain: a task, then another in the queue of work. Their ids."""

    def sent() -> list[str]:
        with at.place.app() as app:
            whole = chain(app.signature(name, args=args), app.signature("shop.echo", args=("last",)))
            last = whole.apply_async(queue=Queue(queue, no_declare=True))
            return [last.parent.id, last.id]

    return list(await at.told(sent))


async def retry_canvas(at: Scene) -> None:
    """The first step fails; it is sent again, and the second one runs."""
    await at.told(at.place.content, BOX)
    flag = at.dir / "mended later"
    first, _ = await _chained(at, BOX, "shop.until_file", str(flag))
    await at.engine.peek(BOX, force=True) if at.place.kind != "memory" else None
    if at.place.works:
        await at.do("consumers", BOX, do="add", workers=[W1])

        async def failed() -> bool:
            return await at.state(first) == "failure"

        assert await until(failed)
    before = await _ran(at, "shop.echo") if at.place.works else 0
    flag.touch()
    outcome = await at.do("retry", first, canvas=True)
    assert outcome.done == 1, outcome

    async def on() -> bool:
        return await _ran(at, "shop.echo") == before + 1

    assert await until(on), outcome
    await at.do("consumers", BOX, do="cancel", workers=[W1])


async def revoke_canvas(at: Scene) -> None:
    """A chain that waits, with the step that is not sent yet."""
    await at.told(at.place.content, BOX)
    ids = await _chained(at, BOX, "shop.add", 1, 2)
    await at.engine.peek(BOX, force=True) if at.place.kind != "memory" else None
    outcome = await at.do("revoke", ids[0], canvas=True)
    assert outcome.done == 2, outcome
    assert {*ids} <= {*await at.ask("revoked")}
    await at.told(at.place.content, BOX)


async def terminate_canvas(at: Scene) -> None:
    queue = "celery" if at.place.works else BOX
    id, _ = await _chained(at, queue, "shop.wait_for", str(at.dir / "never"))

    async def started() -> bool:
        return await at.state(id) == "started"

    assert not at.place.works or await until(started)
    await at.do("terminate", id, canvas=True, signal="KILL")

    async def over() -> bool:
        return not await at.ask("active")

    assert await until(over)


async def send(at: Scene) -> None:
    await at.told(at.place.content, BOX)
    outcome = await at.do("send", "shop.add", args=[20, 22], queue=BOX)
    assert outcome.done == 1, outcome
    await at.holds(box=1)
    assert await at.told(at.place.content, BOX) == [outcome.items[0].new_id]


# ---- queues


async def purge(at: Scene) -> None:
    ids = await at.put(BOX)
    outcome = await at.do("purge", BOX)
    assert outcome.done == 3 and "3 removed, 0 left" in outcome.proof, outcome
    await at.holds(box=0)
    await at.undo(outcome)
    await at.holds(box=3)
    assert await at.taken(BOX, ids)


async def move(at: Scene) -> None:
    ids = await at.put(BOX)
    await at.told(at.place.content, OTHER)
    outcome = await at.do("move", BOX, OTHER)
    assert outcome.done == 3, outcome
    await at.holds(box=0, other=3)
    assert (await at.undo(outcome)).done == 3
    await at.holds(box=3, other=0)
    assert await at.taken(BOX, ids)


async def delete(at: Scene) -> None:
    ids = await at.put(BOX)
    outcome = await at.do("delete", BOX, filter="args.0:1", look=True)
    assert outcome.done == 1, outcome
    await at.holds(box=2)
    assert (await at.undo(outcome)).done == 1
    await at.holds(box=3)
    assert sorted(await at.told(at.place.content, BOX)) == sorted(ids)


async def requeue(at: Scene) -> None:
    """Dead letters, where the broker makes such."""
    if isinstance(at.place, RabbitPlace):
        ids = await at.put(HOME, 2)
        await at.told(at.place.reject, HOME, 2)
        await at.holds(home=0, dead=2)
        outcome = await at.do("requeue", DEAD)
        assert outcome.done == 2, outcome
        await at.holds(home=2, dead=0)
        assert (await at.undo(outcome)).done == 2
        await at.holds(home=0, dead=2)
        assert sorted(await at.told(at.place.content, DEAD)) == sorted(ids)
        return
    await at.put(BOX)
    await at.do("requeue", BOX)


async def export(at: Scene) -> None:
    ids = await at.put(BOX)
    file = at.dir / "export.ndjson"
    outcome = await at.do("export", BOX, file=str(file), look=True)
    assert outcome.done == 3, outcome
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert sorted(line["id"] for line in lines if line["line"] == "message") == sorted(ids)
    await at.holds(box=3)
    assert sorted(await at.told(at.place.content, BOX)) == sorted(ids)


async def restore(at: Scene) -> None:
    """From a file of which the broker knows nothing yet."""
    await at.told(at.place.content, BOX)
    codec = at.engine._broker.codec
    file, ids = at.dir / "made.ndjson", [f"made-{n}" for n in range(3)]
    if not file.exists():
        writer = BackupWriter(
            file, Header(time=time.time(), broker=at.place.url, transport=at.place.kind, queue=BOX)
        )
        for n, id in enumerate(ids):
            raw = codec.build(task="shop.add", args=[n, n], kwargs={}, queue=BOX, new_id=id, headers={})
            writer.add([Line(queue=BOX, priority=0, position=n, id=id, raw=raw)])
        writer.finish()
    outcome = await at.do("restore", str(file))
    assert outcome.done == 3, outcome
    await at.holds(box=3)
    assert await at.taken(BOX, ids)


# ---- workers


async def events(at: Scene) -> None:
    await at.do("events", W1, on=False, stay=True)
    assert await at.ask("disable_events") == {"ok": "task events already disabled"}
    outcome = await at.do("events", W1, on=True, stay=True)
    assert outcome.done == 1 and outcome.undo, outcome
    assert await at.ask("enable_events") == {"ok": "task events already enabled"}


async def pool(at: Scene) -> None:
    async def processes() -> int:
        return len((await at.ask("stats"))["pool"]["processes"])

    before = await processes() if at.place.works else 0
    outcome = await at.do("pool", W1, do="grow", n=1)
    assert outcome.done == 1 and await processes() == before + 1, outcome
    await at.undo(outcome)
    assert await processes() == before


async def consumers(at: Scene) -> None:
    async def consumed() -> set[str]:
        return {each["name"] for each in await at.ask("active_queues")}

    outcome = await at.do("consumers", MAIL, do="add", workers=[W1])
    assert outcome.done == 1 and await consumed() == {"celery", MAIL}, outcome
    await at.undo(outcome)
    assert await consumed() == {"celery"}


async def limits(at: Scene) -> None:
    async def limited() -> str:
        said = await at.ask("registered", taskinfoitems=["rate_limit"])
        return str(next(line for line in said if line.startswith("shop.charge")))

    outcome = await at.do("limits", W1, do="rate", task="shop.charge", rate="10/m")
    assert outcome.done == 1 and await limited() == "shop.charge [rate_limit=10/m]", outcome
    await at.undo(outcome)
    assert await limited() == "shop.charge [rate_limit=0]"


async def shutdown(at: Scene) -> None:
    if not at.place.works:
        await at.do("shutdown", W8)
        return
    at.place.declare("quiet")
    one: CeleryWorker = at.place.worker("w8", queues="quiet", concurrency=1)
    await at.told(one.start)
    try:

        async def online() -> bool:
            return any(each.name == W8 and each.state == "online" for each in await at.engine.workers())

        assert await until(online)
        outcome = await at.do("shutdown", W8)
        assert outcome.done == 1, outcome
        assert one.process is not None and await at.told(one.process.wait, 20) == 0
    finally:
        await at.told(one.kill)


async def service(at: Scene) -> None:
    """By the commands of the profile; a stop undoes a start."""
    outcome = await at.do("service", W9, do="start")
    assert outcome.done == 1, outcome
    assert await at.ask("ping", W9) == {"ok": "pong"}
    outcome = await at.do("service", W9, do="stop")
    assert outcome.done == 1, outcome
    assert await at.told(at.tool.control.ping, destination=[W9], timeout=1) == []


async def beat(at: Scene) -> None:
    """An entry of django-celery-beat's database, switched off and on again."""

    def switched_on() -> bool:
        with sqlite3.connect(at.dir / "app.sqlite3") as database:
            query = "select enabled from django_celery_beat_periodictask where name = ?"
            return bool(database.execute(query, (ENTRY,)).fetchone()[0])

    assert await at.told(switched_on)
    outcome = await at.do("beat", ENTRY, do="disable")
    assert outcome.done == 1 and not await at.told(switched_on), outcome
    if outcome.back is not None:
        await at.undo(outcome)
    else:
        await at.do("beat", ENTRY, do="enable")
    assert await at.told(switched_on)


Deed = Callable[[Scene], Awaitable[None]]
DEEDS: dict[str, Deed] = {
    "retry": retry,
    "revoke": revoke,
    "terminate": terminate,
    "purge": purge,
    "move": move,
    "delete": delete,
    "requeue": requeue,
    "export": export,
    "restore": restore,
    "events": events,
    "pool": pool,
    "consumers": consumers,
    "limits": limits,
    "shutdown": shutdown,
    "service": service,
    "send": send,
    "beat": beat,
}
WHOLE: dict[str, Deed] = {
    "retry --canvas": retry_canvas,
    "revoke --canvas": revoke_canvas,
    "terminate --canvas": terminate_canvas,
}
"""Of whole chains."""
