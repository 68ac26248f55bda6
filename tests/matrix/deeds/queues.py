"""What is done to waiting messages."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from lazycelery.actions.backup import BackupWriter, Header, Line
from lazycelery.errors import LazyCeleryError
from tests.matrix.places import RabbitPlace, RedisPlace
from tests.matrix.scene import BOX, DEAD, HOME, OTHER, Scene, until


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


async def move_filter(at: Scene) -> None:
    """What matches goes; the rest stays, in its order."""
    ids = await at.put(BOX)
    await at.told(at.place.content, OTHER)
    outcome = await at.do("move", BOX, OTHER, filter="args.0:1", look=True)
    assert outcome.done == 1, outcome
    await at.holds(box=2, other=1)
    assert (await at.undo(outcome)).done == 1
    await at.holds(box=3, other=0)
    assert sorted(await at.told(at.place.content, BOX)) == sorted(ids)


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
    await _requeue(at, 2)


async def requeue_filter(at: Scene) -> None:
    """Those that match; another one stays dead."""
    await _requeue(at, 1, filter="args.0:1", look=True)


async def _requeue(at: Scene, some: int, filter: str | None = None, **params: Any) -> None:
    if not isinstance(at.place, RabbitPlace):
        await at.put(BOX)
        await at.do("requeue", BOX)
        return
    ids = await at.put(HOME, 2)
    await at.told(at.place.reject, HOME, 2)
    await at.holds(home=0, dead=2)
    outcome = await at.do("requeue", DEAD, filter=filter, **params)
    assert outcome.done == some, outcome
    await at.holds(home=some, dead=2 - some)
    assert (await at.undo(outcome)).done == some
    await at.holds(home=0, dead=2)
    assert sorted(await at.told(at.place.content, DEAD)) == sorted(ids)


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


async def restore_orphans(at: Scene) -> None:
    """What a killed worker held waits again, as the broker's own tool counts; Redis alone leaves such."""
    if not isinstance(at.place, RedisPlace):
        await at.do("restore", orphans=True)
        return
    client = at.place.server.client()
    one = at.place.worker("w8", queues="quiet", concurrency=1, pool=at.pool)
    await at.told(one.start)
    try:
        id = await at.told(at.place.send, "shop.late", 60, queue="quiet")

        async def held() -> bool:
            return any(id.encode() in raw for raw in client.hvals("unacked"))  # type: ignore[union-attr]

        assert await until(held)
    finally:
        await at.told(one.kill)
    outcome = None
    for _ in range(60):  # A killed worker's last heartbeats count for a while.
        try:
            outcome = await at.do("restore", orphans=True)
            break
        except LazyCeleryError as error:
            why = error.title
            await asyncio.sleep(0.5)
    assert outcome is not None, why
    assert outcome.done == 1 and not await held(), outcome
    assert await at.told(at.place.content, "quiet") == [id]
