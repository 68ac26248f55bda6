"""Reading lists in pages that stay small whatever the size of the messages in them."""

from __future__ import annotations

from redis.asyncio import Redis

from lazycelery.sources.redis.scanning import as_bytes

FIRST_PAGE, MAX_PAGE = 4, 200
"""Messages a page: a list does not tell the size of its items, so we begin with few."""
EASY = 256 * 1024
"""Bytes: a page below that may be followed by one twice as long."""


class Pages:
    """Walks a list in the order in which it is served: from the right end to the left."""

    def __init__(self, redis: Redis, key: str, start: int = 0) -> None:
        self._redis, self._key = redis, key
        self.position = start
        """Of the next message; 0 runs next."""
        self._size = FIRST_PAGE
        self._largest = 1

    async def next(self, most: int, budget: int) -> list[bytes]:
        """The next messages, at most `most`, aiming at less than `budget` bytes; empty at the end."""
        size = max(1, min(self._size, most, budget // self._largest))
        last = -1 - self.position
        page = [as_bytes(item) for item in await self._redis.lrange(self._key, last - size + 1, last)]
        page.reverse()
        self.position += len(page)
        self._largest = max(self._largest, *map(len, page), 1)
        grown = self._size * 2 if sum(map(len, page)) < EASY else self._size // 2
        self._size = min(max(grown, 1), MAX_PAGE)
        return page
