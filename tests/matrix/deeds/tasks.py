"""What is done to tasks."""

from __future__ import annotations

import time

from tests.matrix.scene import BOX, W1, Scene, until


async def retry(at: Scene) -> None:
    """A failure is sent again, and runs: the worker's own count says so."""
    if not at.place.works:
        return await _retry_what_waits(at)
    flag = at.dir / word("mended")
    id = await at.told(at.place.send, "shop.until_file", str(flag))
    await reached(at, "failure", id)
    before = await at.ran("shop.until_file")
    flag.touch()
    outcome = await at.do("retry", id)
    assert outcome.done == 1 and outcome.items[0].new_id
    await ran_again(at, "shop.until_file", before + 1)


async def retry_filter(at: Scene) -> None:
    """All that failed on one thing, and nothing else."""
    flag, other = at.dir / word("mended"), at.dir / word("other")
    ids = [await at.told(at.place.send, "shop.until_file", str(each)) for each in (flag, flag, other)]
    await reached(at, "failure", *ids)
    before = await at.ran("shop.until_file")
    flag.touch()
    outcome = await at.do("retry", filter=f"state:failure args:{flag.name}")
    assert outcome.done == 2 and {item.target for item in outcome.items} == {*ids[:2]}, outcome
    await ran_again(at, "shop.until_file", before + 2)


async def _retry_what_waits(at: Scene) -> None:
    (id,) = await at.put(BOX, 1)
    outcome = await at.do("retry", id, force=True)
    await at.holds(box=2)
    assert await at.told(at.place.content, BOX) == [id, outcome.items[0].new_id]


async def send(at: Scene) -> None:
    await at.told(at.place.content, BOX)
    outcome = await at.do("send", "shop.add", args=[20, 22], queue=BOX)
    assert outcome.done == 1, outcome
    await at.holds(box=1)
    assert await at.told(at.place.content, BOX) == [outcome.items[0].new_id]


async def send_edited(at: Scene) -> None:
    """An old task with other arguments: it failed with its own, and ends well with these."""
    there = at.dir / word("there")
    there.touch()
    id = await at.told(at.place.send, "shop.until_file", str(at.dir / word("never")))
    await reached(at, "failure", id)
    before = await at.ran("shop.until_file")
    outcome = await at.do("send", "shop.until_file", args=[str(there)], retry_of=id)
    assert outcome.done == 1, outcome
    await reached(at, "success", str(outcome.items[0].new_id))
    assert await at.ran("shop.until_file") == before + 1


async def revoke(at: Scene) -> None:
    queue = "celery" if at.place.works else BOX
    id = await at.told(at.place.send, "shop.add", 1, 2, countdown=3000, queue=queue)
    outcome = await at.do("revoke", id, force=True)
    assert outcome.done == 1, outcome
    assert id in await at.ask("revoked")


async def revoke_filter(at: Scene) -> None:
    """By name and argument; another of the name stays."""
    one, other = word("one"), word("other")
    ids = [await at.told(at.place.send, "shop.echo", each, countdown=3000) for each in (one, one, other)]
    for id in ids:
        await until(lambda id=id: known(at, id))
    outcome = await at.do("revoke", filter=f"name:shop.echo args:{one}")
    assert outcome.done == 2, outcome
    revoked = await at.ask("revoked")
    assert {*ids[:2]} <= {*revoked} and ids[2] not in revoked
    await at.do("revoke", ids[2])  # So that it does not stay at the worker.


async def revoke_stamp(at: Scene) -> None:
    """What carries it is discarded, also what is sent later; the worker's count stays."""
    tenant = word("tenant")
    outcome = await at.do("revoke", stamps={"tenant": [tenant]})
    assert outcome.done >= 1 and not outcome.failed, outcome
    before = await at.ran("shop.echo")
    stamped = {"stamped_headers": ["tenant"], "stamps": {"tenant": [tenant]}, "tenant": tenant}
    hit = await at.told(at.place.send, "shop.echo", "hit", headers=stamped)
    await at.told(at.place.send, "shop.echo", "other")
    await ran_again(at, "shop.echo", before + 1)
    await reached(at, "revoked", hit)
    assert await at.ran("shop.echo") == before + 1


async def terminate(at: Scene) -> None:
    queue = "celery" if at.place.works else BOX
    never = at.dir / word("never")
    id = await at.told(at.place.send, "shop.wait_for", str(never), queue=queue)
    try:
        if at.place.works:
            await begun(at, id)
        if at.pool != "solo" and at.place.works:  # A solo worker hears nothing now.
            assert [job["id"] for job in await at.ask("active")] == [id]
        await at.do("terminate", id)
        await idle(at)
    finally:
        never.touch()


async def terminate_filter(at: Scene) -> None:
    never = at.dir / word("never")
    id = await at.told(at.place.send, "shop.wait_for", str(never))
    try:
        await begun(at, id)
        outcome = await at.do("terminate", filter=f"name:shop.wait_for -state:success args:{never.name}")
        assert [item.target for item in outcome.items] == [id]
        await idle(at)
    finally:
        never.touch()


def word(start: str) -> str:
    """One that no other test has written."""
    return f"{start}-{time.monotonic_ns()}"


async def known(at: Scene, id: str) -> bool:
    return await at.state(id) != "nobody knows it"


async def reached(at: Scene, state: str, *ids: str) -> None:
    """Wait until all are in a state."""

    async def there() -> bool:
        return [await at.state(id) for id in ids] == [state] * len(ids)

    assert await until(there), [await at.state(id) for id in ids]


async def begun(at: Scene, id: str) -> None:
    """Wait until it runs. A solo worker sends its events when the task has ended: there it was taken."""
    if at.pool != "solo":
        await reached(at, "started", id)
        return

    async def taken() -> bool:
        if await at.state(id) in ("nobody knows it", "waiting"):
            return False
        return not await at.told(at.tool.control.ping, destination=[W1], timeout=1)

    assert await until(taken), await at.state(id)


async def ran_again(at: Scene, name: str, times: int) -> None:
    """Wait until the worker has begun so many of a name."""

    async def again() -> bool:
        return await at.ran(name) == times

    assert await until(again), await at.ran(name)


async def idle(at: Scene) -> None:
    async def over() -> bool:
        return not await at.ask("active")

    assert await until(over)
