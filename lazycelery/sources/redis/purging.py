"""Emptying a queue so that no message can be lost on the way: rename, save, remove, count."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols import PurgeResult
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.depths import why_not
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.pages import MAX_PAGE, Pages
from lazycelery.sources.redis.refilling import HOLDING, give_back
from lazycelery.sources.redis.scanning import Scan
from lazycelery.sources.redis.subscription import glob_escaped

PAGE_BYTES = 8 * 1024 * 1024
SCANS = 200


class Purge:
    """One purge of one queue."""

    def __init__(self, server: Server, layout: Layout, queue: str) -> None:
        self._redis, self._queue = server.redis, queue
        self._keys = layout.keys(queue)
        self._mark = f"{HOLDING}{uuid.uuid4()}"
        self._held: dict[int, str] = {}
        """Holding keys by step."""

    async def run(self, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        """Take all messages away, save them, remove them. On any failure they come back."""
        await self._refuse_others()
        try:
            before = await self._hold()
            saved = await self._save(save)
        except BaseException:
            await asyncio.shield(self._undo())
            raise
        removed = await self._remove(saved)
        after = sum([int(await self._redis.llen(key)) for key in self._keys.values()])
        return PurgeResult(before=before, removed=removed, after=after)

    async def _refuse_others(self) -> None:
        try:
            for key in self._keys.values():
                await self._redis.llen(key)
        except ResponseError as error:
            raise Refused(f"{self._queue} cannot be purged. {why_not(error)}") from None

    async def _hold(self) -> int:
        """Rename the lists away, atomically each: workers find the queue empty from here on."""
        for step, key in self._keys.items():
            self._held[step] = key + self._mark
            try:
                await self._redis.renamenx(key, key + self._mark)
            except ResponseError as error:
                if "no such key" not in str(error):  # Nothing waits at this priority.
                    raise
        return sum([int(await self._redis.llen(key)) for key in self._held.values()])

    async def _save(self, save: Callable[[Sequence[StoredMessage]], None]) -> int:
        saved = 0
        for step, key in self._held.items():
            pages = Pages(self._redis, key)
            while True:
                start = pages.position
                page = await pages.next(MAX_PAGE, PAGE_BYTES)
                if not page:
                    break
                stored = [
                    StoredMessage(queue=self._queue, priority=step, raw=raw, position=position)
                    for position, raw in enumerate(page, start)
                ]
                await self._written(save, stored)
                saved += len(page)
        return saved

    async def _written(
        self, save: Callable[[Sequence[StoredMessage]], None], stored: list[StoredMessage]
    ) -> None:
        try:
            await asyncio.to_thread(save, stored)  # It waits for the disk.
        except OSError as error:
            raise LazyCeleryError(
                f"The messages of {self._queue} could not be saved: {error.strerror or 'disk error'}.",
                "Nothing was removed; they are back in the queue.",
            ) from None

    async def _remove(self, saved: int) -> int:
        for key in self._held.values():
            try:
                await self._redis.unlink(key)
            except ResponseError:
                await self._redis.delete(key)
        left = sum([int(await self._redis.llen(key)) for key in self._held.values()])
        return saved - left

    async def _undo(self) -> None:
        for key in self._held.values():
            with suppress(*problems.FAILURES):
                await give_back(self._redis, key)


async def holding_keys(redis: Redis, layout: Layout) -> list[str]:
    """Holding keys of purges that were cut off."""
    scan = Scan(f"{glob_escaped(layout.prefix)}*{HOLDING}*")
    return sorted(key.decode("utf-8", "replace") for key in await scan.more(redis, SCANS))
