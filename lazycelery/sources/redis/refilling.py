"""Putting messages into the lists of a queue: at the end that runs last, or back in front."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.exceptions import ResponseError, WatchError

from lazycelery.errors import LazyCeleryError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout

HOLDING = ".lazycelery-purge-"
STEP = 1000
"""Messages moved in one transaction: a longer one would hold up the server."""
MARGIN = 100
"""New messages that may arrive while we count them."""
TRIES = 50
CHANGED = "Watched variable changed."
"""What redis-py says when the server refused a transaction because a watched key changed."""


async def append(server: Server, layout: Layout, messages: Sequence[StoredMessage]) -> int:
    """LPUSH in order: the first of them runs before the others. All or nothing."""
    pushes = [(layout.key(message.queue, message.priority), message.raw) for message in messages]
    await _pushed(server, "LPUSH", pushes)
    return len(messages)


async def put_in_front(server: Server, layout: Layout, messages: Sequence[StoredMessage]) -> int:
    """RPUSH, so that position 0 of each list runs next again. All or nothing."""
    ordered = sorted(messages, key=lambda message: message.position, reverse=True)
    pushes = [(layout.key(message.queue, message.priority), message.raw) for message in ordered]
    await _pushed(server, "RPUSH", pushes)
    return len(messages)


async def _pushed(server: Server, command: str, pushes: Sequence[tuple[str, bytes]]) -> None:
    """One transaction. Errors before its end was sent, and refusals, say `nothing_done`."""
    lists: dict[str, list[bytes]] = {}
    for key, raw in pushes:
        lists.setdefault(key, []).append(raw)
    try:
        for key in lists:
            await server.redis.llen(key)  # A transaction is not undone when one of them is no list.
    except problems.FAILURES as error:
        raise _nothing_done(server, error) from None
    pipe = server.redis.pipeline(transaction=True)
    for key, raws in lists.items():
        pipe.execute_command(command, key, *raws)
    try:
        answers = await pipe.execute(raise_on_error=False)
    except ResponseError as error:
        raise _nothing_done(server, error) from None
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer


def _nothing_done(server: Server, error: Exception) -> LazyCeleryError:
    told = problems.explain(error, server.address)
    told.nothing_done = True
    return told


def list_of(holding: str) -> str:
    """The list whose messages a holding key has; "" for any other key."""
    return holding.rpartition(HOLDING)[0]


async def give_back(redis: Redis, holding: str) -> int:
    """Rename a holding key back to its list; returns how many messages it held.

    What arrived in the list meanwhile is first moved behind the held messages, one atomic step each,
    and the rename is atomic too: a crash at any point leaves every message in one of the two keys.
    """
    key = list_of(holding)
    held = int(await redis.llen(holding))
    if not held or not key:
        return 0
    steps = TRIES + int(await redis.llen(key)) // STEP
    for _ in range(steps):
        arrived = int(await redis.llen(key))
        try:
            if await _moved(redis, key, holding, arrived):
                return held
        except WatchError:
            if not await redis.exists(holding):
                return held  # Somebody else gave it back.
        except ResponseError:
            break
    raise LazyCeleryError(
        f"The messages of {key} could not be put back in front.",
        f"They are safe in the key {holding}.",
    )


@contextmanager
def watching() -> Iterator[None]:
    """Lets `WatchError` mean what the server says: redis-py calls a connection lost meanwhile so too."""
    try:
        yield
    except WatchError as error:
        if str(error) != CHANGED:
            raise redis_errors.ConnectionError(str(error)) from error
        raise


async def _moved(redis: Redis, key: str, holding: str, arrived: int) -> bool:
    """Move some of what arrived behind the held messages; when that is all, rename. Whether it did."""
    with watching():
        return await _step(redis, key, holding, arrived)


async def _step(redis: Redis, key: str, holding: str, arrived: int) -> bool:
    async with redis.pipeline(transaction=True) as pipe:
        # Were the holding key gone, moving would take messages out of their queue.
        await pipe.watch(holding)
        if not await pipe.exists(holding):
            raise WatchError(CHANGED)
        pipe.multi()  # type: ignore[no-untyped-call]
        last = arrived <= STEP
        for _ in range(0 if not arrived else arrived + MARGIN if last else STEP):
            pipe.rpoplpush(key, holding)
        if last:
            pipe.renamenx(holding, key)
        answers = await pipe.execute()
        return last and bool(answers[-1])
