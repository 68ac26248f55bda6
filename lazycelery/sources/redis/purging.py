"""Emptying a queue so that no message can be lost on the way: rename, save, remove, count."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError, WatchError

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.queues import PurgeResult
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.depths import why_not
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.pages import MAX_PAGE, Pages
from lazycelery.sources.redis.refilling import CHANGED, HOLDING, give_back, watching
from lazycelery.sources.redis.scanning import Scan
from lazycelery.sources.redis.subscription import glob_escaped

PAGE_BYTES = 8 * 1024 * 1024
SCANS = 2000
TRIES = 20
"""Looks at what we hold, when somebody else changes it."""
Save = Callable[[Sequence[StoredMessage]], None]


class Purge:
    """One purge of one queue."""

    def __init__(self, server: Server, layout: Layout, queue: str) -> None:
        self._server, self._redis, self._queue = server, server.redis, queue
        self._keys = layout.keys(queue)
        self._mark = f"{HOLDING}{uuid.uuid4()}"
        self._held: dict[int, str] = {}
        """Holding keys by step."""
        self._pages: dict[int, Pages] = {}
        """What was saved of each of them."""
        self._drop = "UNLINK"
        self._removing = False
        """The order to remove was sent."""

    async def run(self, save: Save) -> PurgeResult:
        """Take all messages away, save them, remove them. On any failure they come back."""
        await self._refuse_others()
        try:
            before = await self._hold()
            return await self._emptied(before, save)
        except BaseException as error:
            aside = await asyncio.shield(self._undo())
            if not isinstance(error, (LazyCeleryError, *problems.FAILURES)):
                raise
            raise self._told(problems.explain(error, self._server.address), aside) from error

    async def _refuse_others(self) -> None:
        try:
            for key in self._keys.values():
                await self._redis.llen(key)
        except ResponseError as error:
            why = f"{self._queue} cannot be purged. {why_not(error)}"
            raise Refused(why, nothing_done=True) from None
        except problems.FAILURES as error:
            told = problems.explain(error, self._server.address)
            told.nothing_done = True
            raise told from None

    async def _hold(self) -> int:
        """Rename the lists away, atomically each: workers find the queue empty from here on."""
        for step, key in self._keys.items():
            self._held[step] = key + self._mark
            try:
                await self._redis.renamenx(key, key + self._mark)
            except ResponseError as error:
                if "no such key" not in str(error):
                    raise
                del self._held[step]  # Nothing waits at this priority.
        self._pages = {step: Pages(self._redis, key) for step, key in self._held.items()}
        return sum([int(await self._redis.llen(key)) for key in self._held.values()])

    async def _emptied(self, before: int, save: Save) -> PurgeResult:
        for _ in range(TRIES):
            for step in self._held:
                await self._save(step, save)
            try:
                with watching():
                    removed, after = await self._remove()
            except WatchError:
                continue  # Somebody touched what we hold: look again.
            except ResponseError:
                if self._removing or self._drop == "DEL":
                    raise
                self._drop = "DEL"  # An old server, or a user who may not UNLINK.
                continue
            return PurgeResult(before=before, removed=removed, after=after)
        raise LazyCeleryError(
            f"Somebody else changes the messages of {self._queue} while they are purged.",
            "Look for another purge or restore of this queue, and let it end first.",
        )

    async def _save(self, step: int, save: Save) -> None:
        pages = self._pages[step]
        while True:
            start = pages.position
            page = await pages.next(MAX_PAGE, PAGE_BYTES)
            if not page:
                return
            stored = [
                StoredMessage(queue=self._queue, priority=step, raw=raw, position=position)
                for position, raw in enumerate(page, start)
            ]
            await self._written(save, stored)

    async def _written(self, save: Save, stored: list[StoredMessage]) -> None:
        try:
            await asyncio.to_thread(save, stored)  # It waits for the disk.
        except OSError as error:
            raise LazyCeleryError(
                f"The messages of {self._queue} could not be saved: {error.strerror or 'disk error'}.",
            ) from None

    async def _remove(self) -> tuple[int, int]:
        """Remove what was saved, all or nothing; returns how many, and how many wait in the queue now.

        Raises `WatchError` when there is more, or what we hold changed: nothing is removed then.
        """
        async with self._redis.pipeline(transaction=True) as pipe:
            held = list(self._held.values())
            if held:
                await pipe.watch(*held)
            for step, key in self._held.items():
                if await pipe.llen(key) > self._pages[step].position:
                    raise WatchError(CHANGED)
            pipe.multi()  # type: ignore[no-untyped-call]
            for key in (*held, *self._keys.values()):
                pipe.llen(key)
            if held:
                pipe.execute_command(self._drop, *held)
            self._removing = bool(held)
            try:
                answers = await pipe.execute(raise_on_error=False)
            except (ResponseError, WatchError) as error:
                # Refused as a whole; a connection lost meanwhile is told as a `WatchError` as well.
                self._removing = isinstance(error, WatchError) and str(error) != CHANGED
                raise
        counts = [_number(answer) for answer in answers]
        return sum(counts[: len(held)]), sum(counts[len(held) : len(held) + len(self._keys)])

    async def _undo(self) -> list[str]:
        """Give all back, as far as it can be done; returns the holding keys that were not seen gone."""
        aside = []
        for key in self._held.values():
            try:
                await give_back(self._redis, key)
                there = bool(await self._redis.exists(key))
            except (LazyCeleryError, *problems.FAILURES):
                there = not await self._seen_gone(key)
            if there:
                aside.append(key)
        return aside

    async def _seen_gone(self, key: str) -> bool:
        try:
            return not await self._redis.exists(key)
        except problems.FAILURES:
            return False

    def _told(self, error: LazyCeleryError, aside: Sequence[str]) -> LazyCeleryError:
        """What became of the messages, as far as it is known."""
        hint = error.hint
        if aside:
            keys = ", ".join(aside)
            hint = (
                f"{hint} Messages of {self._queue} were not seen back: the broker has them aside in {keys}."
            )
        elif self._removing:
            hint = f"{hint} Whether the messages of {self._queue} were removed is not known."
        told = type(error)(error.title, hint.strip())
        told.nothing_done = not aside and not self._removing
        return told


def _number(answer: object) -> int:
    if isinstance(answer, Exception):
        raise answer
    return int(str(answer))


async def holding_keys(redis: Redis, layout: Layout) -> list[str]:
    """Holding keys of purges that were cut off."""
    scan = Scan(f"{glob_escaped(layout.prefix)}*{HOLDING}*")
    found = await scan.more(redis, SCANS)
    if not scan.complete:
        raise LazyCeleryError(
            "The broker has too many keys to look for what a purge left aside.",
            f"Look for keys whose names hold {HOLDING} with `redis-cli --scan`.",
        )
    return sorted(key.decode("utf-8", "replace") for key in found)
