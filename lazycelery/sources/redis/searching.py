"""Looking for the messages of some tasks among all that wait, without holding anybody up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.queues import Found
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.pages import Pages
from lazycelery.sources.wire import task_id_of

MAX_FIND = 256 * 1024 * 1024
"""Bytes of messages that one search looks through."""
BREATH = 256 * 1024
"""Bytes that are read before others have their turn: about a millisecond."""


class _Headers(msgspec.Struct):
    id: str | None = None


class _Head(msgspec.Struct):
    headers: _Headers


_HEAD = msgspec.json.Decoder(_Head)


class Search:
    """One search for the messages of `ids`, through at most `limit` messages."""

    def __init__(self, ids: Sequence[str], limit: int) -> None:
        self.wanted = frozenset(ids)
        self.found = Found()
        self._left, self._bytes_left = limit, MAX_FIND
        self._limit = limit
        self._since = 0
        """Bytes read since others had their turn."""

    async def run(self, redis: Redis, layout: Layout, queues: Sequence[str]) -> None:
        """Look through these queues, next to run first, until all are found or the limit is reached."""
        for queue in queues:
            for step, key in layout.keys(queue).items():
                if await self._ended(Pages(redis, key), queue, step):
                    return

    async def _ended(self, pages: Pages, queue: str, step: int) -> bool:
        while len(self.found) < len(self.wanted):
            start, spent = pages.position, self._left <= 0 or self._bytes_left <= 0
            try:
                page = await pages.next(1 if spent else self._left, max(1, self._bytes_left))
            except ResponseError:
                return False  # It is no list.
            if not page:
                return False
            if spent:
                self.found.cut = self._limit - self._left
                return True
            self._left -= len(page)
            self._bytes_left -= sum(map(len, page))
            for position, raw in enumerate(page, start):
                self._match(StoredMessage(queue=queue, priority=step, raw=raw, position=position))
                await self._breathe(len(raw))
        return True

    def _match(self, message: StoredMessage) -> None:
        task_id = id_of(message.raw)
        if task_id in self.wanted:
            self.found.setdefault(str(task_id), message)

    async def _breathe(self, size: int) -> None:
        self._since += size
        if self._since >= BREATH:
            self._since = 0
            await asyncio.sleep(0)


def id_of(raw: bytes) -> str | None:
    """The id in the headers of a message; the rest of it is passed over, not decoded."""
    try:
        return _HEAD.decode(raw).headers.id
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return task_id_of(raw)
