"""Walking a list in the order in which it is served, while workers take from it and we remove from it."""

from __future__ import annotations

from collections.abc import Sequence

from redis.asyncio import Redis

from lazycelery.sources.redis.pages import EASY, FIRST_PAGE, MAX_PAGE
from lazycelery.sources.redis.scanning import as_bytes

OVERLAP = 32
"""Messages before the page that are read again, to see how far the list moved on meanwhile."""


class SteadyPages:
    """Each page begins behind the last message that was seen, wherever that is by then."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis, self._key = redis, key
        self._position = 0
        """Messages before the next page, as far as we know."""
        self._last: bytes | None = None
        """The one right before the next page; `None` at the beginning."""
        self._before: bytes | None = None
        """The one right before the present page."""
        self._page: list[bytes] = []
        self._size = FIRST_PAGE
        self._largest = 1

    async def next(self, most: int, budget: int) -> list[bytes]:
        """The next messages, at most `most`, aiming at less than `budget` bytes; empty at the end."""
        size = max(1, min(self._size, most, budget // self._largest))
        self._before, self._page = self._last, await self._behind(self._last, size)
        self._position += len(self._page)
        if self._page:
            self._last = self._page[-1]
        self._largest = max(self._largest, *map(len, self._page), 1)
        grown = self._size * 2 if sum(map(len, self._page)) < EASY else self._size // 2
        self._size = min(max(grown, 1), MAX_PAGE)
        return self._page

    async def _behind(self, last: bytes | None, size: int) -> list[bytes]:
        """Up to `size` messages behind the last one; all, when that one is gone: then all before it are."""
        while last is not None and self._position > 0:
            back = min(OVERLAP, size, self._position)
            read = await self._read(self._position - back, back + size)
            if last in read:
                place = read.index(last) + 1
                self._position += place - back
                return read[place:]
            self._position -= back
        self._position = 0
        return await self._read(0, size)

    async def _read(self, start: int, number: int) -> list[bytes]:
        found = await self._redis.lrange(self._key, -start - number, -start - 1)
        return [as_bytes(item) for item in reversed(found)]

    def removed(self, gone: Sequence[bool]) -> None:
        """Which messages of the present page were removed, one flag each."""
        left = [raw for raw, away in zip(self._page, gone, strict=True) if not away]
        self._position = max(0, self._position - sum(gone))
        self._last = left[-1] if left else self._before
