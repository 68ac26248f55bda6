"""Putting messages into the lists of a queue: at the end that runs last, or back in front."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from lazycelery.errors import LazyCeleryError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout

HOLDING = ".lazycelery-purge-"
CHUNK = 4 * 1024 * 1024
"""Bytes sent in one round trip."""
MARGIN = 100
"""New messages that may arrive while we count them."""
TRIES = 50


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


async def give_back(redis: Redis, holding: str) -> int:
    """Rename a holding key back to its list; returns how many messages it held.

    What arrived in the list meanwhile is first moved behind the held messages, one atomic step each,
    and the rename is atomic too: a crash at any point leaves every message in one of the two keys.
    """
    key = holding.rpartition(HOLDING)[0]
    held = int(await redis.llen(holding))
    if not held or not key:
        return 0
    for _ in range(TRIES):
        arrived = int(await redis.llen(key))
        pipe = redis.pipeline(transaction=True)
        for _ in range(arrived + MARGIN if arrived else 0):
            pipe.rpoplpush(key, holding)
        pipe.renamenx(holding, key)
        try:
            if (await pipe.execute())[-1]:
                return held
        except ResponseError:
            break
    raise LazyCeleryError(
        f"The messages of {key} could not be put back in front.",
        f"They are safe in the key {holding}.",
    )
