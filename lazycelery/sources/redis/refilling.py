"""Putting messages into the lists of a queue: at the end that runs last, or back in front."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.exceptions import ResponseError, WatchError

from lazycelery.errors import LazyCeleryError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout

HOLDING = ".lazycelery-purge-"
CHUNK = 4 * 1024 * 1024
"""Bytes sent in one round trip."""
STEP = 1000
"""Messages moved in one transaction: a longer one would hold up the server."""
MARGIN = 100
"""New messages that may arrive while we count them."""
TRIES = 50
CHANGED = "Watched variable changed."
"""What redis-py says when the server refused a transaction because a watched key changed."""


async def append(server: Server, layout: Layout, messages: Sequence[StoredMessage]) -> int:
    """LPUSH in order: the first of them runs before the others."""
    sent = 0
    for chunk in _chunks(messages):
        pipe = server.redis.pipeline(transaction=True)
        for message in chunk:
            pipe.lpush(layout.key(message.queue, message.priority), message.raw)
        sent += len(await pipe.execute())
    return sent


async def put_in_front(server: Server, layout: Layout, messages: Sequence[StoredMessage]) -> int:
    """RPUSH, so that position 0 of each list runs next again."""
    lists: dict[str, list[StoredMessage]] = defaultdict(list)
    for message in messages:
        lists[layout.key(message.queue, message.priority)].append(message)
    sent = 0
    for key, stored in lists.items():
        stored.sort(key=lambda message: message.position, reverse=True)
        for chunk in _chunks(stored):
            sent += len(chunk)
            await server.redis.rpush(key, *(message.raw for message in chunk))
    return sent


def _chunks(messages: Sequence[StoredMessage]) -> list[list[StoredMessage]]:
    chunks: list[list[StoredMessage]] = []
    size = CHUNK
    for message in messages:
        size += len(message.raw)
        if size > CHUNK or len(chunks[-1]) >= 1000:
            chunks.append([])
            size = len(message.raw)
        chunks[-1].append(message)
    return chunks


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
