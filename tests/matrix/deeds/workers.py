"""What is done to workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.matrix.deeds.tasks import ran_again
from tests.matrix.scene import MAIL, W1, W8, W9, Scene, until
from tests.support.fleet import CeleryWorker

ENDS_NONE = "end no task at its time limit"


@asynccontextmanager
async def another(at: Scene, *options: str) -> AsyncIterator[CeleryWorker]:
    """A worker of its own, known to the engine."""
    at.place.declare("quiet")
    one: CeleryWorker = at.place.worker("w8", queues="quiet", concurrency=1, pool=at.pool, options=options)
    await at.told(one.start)
    try:

        async def online() -> bool:
            return any(each.name == W8 and each.state == "online" for each in await at.engine.workers())

        assert await until(online)
        yield one
    finally:
        await at.told(one.kill)


async def events(at: Scene) -> None:
    await at.do("events", W1, on=False, stay=True)
    assert await at.ask("disable_events") == {"ok": "task events already disabled"}
    outcome = await at.do("events", W1, on=True, stay=True)
    assert outcome.done == 1 and outcome.undo, outcome
    assert await at.ask("enable_events") == {"ok": "task events already enabled"}


# ---- pools


async def _processes(at: Scene) -> list[int]:
    return list((await at.ask("stats"))["pool"]["processes"])


async def _resized(at: Scene, by: int, **params: Any) -> None:
    before = len(await _processes(at)) if at.place.works and at.pool == "prefork" else 0
    outcome = await at.do("pool", W1, **params)
    assert outcome.done == 1 and len(await _processes(at)) == before + by, outcome
    await at.undo(outcome)
    assert len(await _processes(at)) == before


async def pool(at: Scene) -> None:
    await _resized(at, 1, do="grow", n=1)


async def pool_shrink(at: Scene) -> None:
    await _resized(at, -1, do="shrink", n=1)


async def pool_size(at: Scene) -> None:
    await _resized(at, 2, do="size", n=4)


async def autoscale(at: Scene) -> None:
    async def bounds() -> tuple[int, int]:
        told = (await at.ask("stats", W8))["autoscaler"]
        return told["min"], told["max"]

    if at.pool != "prefork":
        await at.do("pool", W1, do="autoscale", max=4, min=1)
        return
    async with another(at, "--autoscale=3,1"):
        outcome = await at.do("pool", W8, do="autoscale", max=5, min=2)
        assert outcome.done == 1 and await bounds() == (2, 5), outcome
        await at.undo(outcome)
        assert await bounds() == (1, 3)


async def pool_restart(at: Scene) -> None:
    """The processes are others then; this cannot be undone."""
    old = {*await _processes(at)} if at.pool == "prefork" else set()
    outcome = await at.do("pool", W1, do="restart")
    assert outcome.done == 1, outcome
    before = await at.ran("shop.add")
    for n in range(8):  # An idle one is replaced once it has worked.
        await at.told(at.place.send, "shop.add", n, n)
    await ran_again(at, "shop.add", before + 8)

    async def renewed() -> bool:
        return {*await _processes(at)} != old

    assert await until(renewed)


# ---- consumers


async def _consumed(at: Scene) -> set[str]:
    return {each["name"] for each in await at.ask("active_queues")}


async def consumers(at: Scene) -> None:
    outcome = await at.do("consumers", MAIL, do="add", workers=[W1])
    assert outcome.done == 1 and await _consumed(at) == {"celery", MAIL}, outcome
    await at.undo(outcome)
    assert await _consumed(at) == {"celery"}


async def cancel(at: Scene) -> None:
    """A worker's last quorum queue cannot be given back: the plan says so."""
    told = await at.warned("consumers", "celery", do="cancel", workers=[W1])
    assert ("only a restart" in told) is (at.place.kind == "quorum"), told
    added = await at.do("consumers", MAIL, do="add", workers=[W1])
    outcome = await at.do("consumers", MAIL, do="cancel", workers=[W1])
    assert outcome.done == 1 and await _consumed(at) == {"celery"}, outcome
    await at.undo(outcome)
    assert await _consumed(at) == {"celery", MAIL}
    await at.undo(added)


async def hold(at: Scene) -> None:
    outcome = await at.do("consumers", "celery", do="hold")
    assert outcome.done == 1 and await _consumed(at) == set(), outcome
    await at.undo(outcome)
    assert await _consumed(at) == {"celery"}


async def turn(at: Scene) -> None:
    """What the screen's key does: hold it, or resume it when it is held."""
    outcome = await at.do("consumers", "celery", do="turn")
    assert await _consumed(at) == set(), outcome
    at.owed.remove(outcome)  # The same key undoes it.
    back = await at.do("consumers", "celery", do="turn")
    assert await _consumed(at) == {"celery"}, back
    at.owed.clear()


async def resume(at: Scene) -> None:
    """What waited meanwhile is run."""
    held = await at.do("consumers", "celery", do="hold")
    before = await at.ran("shop.echo")
    await at.told(at.place.send, "shop.echo", "held")
    await asyncio.sleep(0.5)
    assert await at.ran("shop.echo") == before
    outcome = await at.do("consumers", "celery", do="resume")
    assert outcome.done == 1 and await _consumed(at) == {"celery"}, outcome
    await ran_again(at, "shop.echo", before + 1)
    assert held in at.owed
    at.owed.clear()  # It was resumed.


# ---- limits


async def _limits(at: Scene, task: str, *kinds: str) -> str:
    """As a worker says them: `shop.nap [time_limit=30.0]`."""
    said = await at.ask("registered", taskinfoitems=[*kinds])
    return str(next(line for line in said if line.partition(" ")[0] == task))


async def limits(at: Scene) -> None:
    outcome = await at.do("limits", W1, do="rate", task="shop.charge", rate="10/m")
    assert outcome.done == 1, outcome
    assert await _limits(at, "shop.charge", "rate_limit") == "shop.charge [rate_limit=10/m]"
    await at.undo(outcome)
    assert await _limits(at, "shop.charge", "rate_limit") == "shop.charge [rate_limit=0]"


async def time_limit(at: Scene) -> None:
    """Pools that end no task at its limit take it all the same: the plan says so."""
    params = {"do": "time", "task": "shop.nap", "soft": "20", "hard": "30"}
    before = await _limits(at, "shop.nap", "soft_time_limit", "time_limit")
    told = await at.warned("limits", W1, **params)
    assert (ENDS_NONE in told) is (at.pool != "prefork"), told
    outcome = await at.do("limits", W1, **params)
    now = await _limits(at, "shop.nap", "soft_time_limit", "time_limit")
    assert outcome.done == 1 and now == "shop.nap [soft_time_limit=20.0 time_limit=30.0]", outcome
    await at.undo(outcome)
    assert await _limits(at, "shop.nap", "soft_time_limit", "time_limit") == before


# ---- their lives


async def shutdown(at: Scene) -> None:
    if not at.place.works:
        await at.do("shutdown", W8)
        return
    async with another(at) as one:
        outcome = await at.do("shutdown", W8)
        assert outcome.done == 1, outcome
        assert one.process is not None and await at.told(one.process.wait, 20) == 0


async def service(at: Scene) -> None:
    """By the commands of the profile; a stop undoes a start."""
    outcome = await at.do("service", W9, do="start")
    assert outcome.done == 1, outcome
    assert await at.ask("ping", W9) == {"ok": "pong"}
    outcome = await at.do("service", W9, do="stop")
    assert outcome.done == 1, outcome
    assert await at.told(at.tool.control.ping, destination=[W9], timeout=1) == []


async def service_restart(at: Scene) -> None:
    """Another process answers under the name."""
    await at.do("service", W9, do="start")
    try:
        before = (await at.ask("stats", W9))["pid"]
        outcome = await at.do("service", W9, do="restart")
        assert outcome.done == 1 and (await at.ask("stats", W9))["pid"] != before, outcome
    finally:
        await at.do("service", W9, do="stop")
