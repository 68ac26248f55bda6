"""Results on Redis: read on demand, found by a bounded scan, heard as they are written."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from lazycelery.model.canvas import Counter
from lazycelery.model.facts import Chord
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.results import DeliverResults
from lazycelery.sources.protocols.status import TellStatus
from lazycelery.sources.redis.address import parse_address
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.scanning import Scan, as_bytes
from lazycelery.sources.redis.subscription import HEALTH_INTERVAL, Subscription, glob_escaped
from lazycelery.sources.results.chords import Chords
from lazycelery.sources.results.documents import HEAD, MAX_DOCUMENT, TAIL, read_cut, read_document

PAGE = 100
"""Documents fetched in one round trip."""
SCANS, SCAN_COUNT = 20, 500
CANDIDATES = 10_000


class RedisResults:
    """The `Results` of a Redis backend."""

    one_by_one = False

    def __init__(self, url: str, profile: Profile, health_interval: float = HEALTH_INTERVAL) -> None:
        address = parse_address(url.strip(), profile)
        self.url = address.label
        self._prefix = f"{key_prefix(profile.result_prefix)}celery-task-meta-"
        self._server = Server(address, profile.timeout)
        self._chords = Chords(self._server, key_prefix(profile.result_prefix))
        self._subscription = Subscription(
            self._server, lambda: [glob_escaped(self._prefix) + "*"], health_interval
        )

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out. Large ones are cut."""
        found: dict[str, ResultReport] = {}
        with self._server.explained():
            for start in range(0, len(ids), PAGE):
                for report in await self._page(list(dict.fromkeys(ids[start : start + PAGE]))):
                    found[report.id] = report
        return found

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """Of those that a bounded scan meets, the ones whose time to live is longest."""
        scan = Scan(glob_escaped(self._prefix) + "*", SCAN_COUNT)
        with self._server.explained():
            keys = list(await scan.more(self._server.redis, SCANS))[:CANDIDATES]
            lives = await self._lives(keys)
        newest = sorted(zip(lives, keys, strict=True), reverse=True)[:limit]
        reports = list((await self.get([self._id(key) for _, key in newest])).values())
        return sorted(reports, key=lambda report: report.date_done or 0.0, reverse=True)

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Deliver results as they are written, until cancelled."""

        def take(messages: list[tuple[bytes, bytes]], received: float, more: bool) -> None:
            read = (read_document(self._id(channel), payload) for channel, payload in messages)
            reports = [report for report in read if report is not None]
            if reports:
                deliver(reports)

        await self._subscription.run(take, status)

    async def chords(self) -> list[Chord]:
        """Chords that are not complete, as far as a slow walk has met them."""
        return await self._chords.look()

    async def counters(self, groups: Sequence[str]) -> dict[str, Counter]:
        """What is counted of these chords; one of which nothing is left is not among them."""
        return await self._chords.counters(groups)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._server.close()

    def commands_sent(self) -> int:
        """Commands sent since the start."""
        return self._server.commands

    def _id(self, key: bytes) -> str:
        return key.decode("utf-8", "replace").removeprefix(self._prefix)

    async def _lives(self, keys: list[bytes]) -> list[int]:
        pipe = self._server.redis.pipeline(transaction=False)
        for key in keys:
            pipe.pttl(key)
        return list(await pipe.execute()) if keys else []

    async def _page(self, ids: list[str]) -> list[ResultReport]:
        sizes = await self._sizes(ids)
        small = [task_id for task_id in ids if 0 < sizes[task_id] <= MAX_DOCUMENT]
        reports = [
            await self._large(task_id, sizes[task_id]) for task_id in ids if sizes[task_id] > MAX_DOCUMENT
        ]
        if small:
            values = await self._server.redis.mget([self._prefix + task_id for task_id in small])
            for task_id, value in zip(small, values, strict=True):
                reports.append(None if value is None else read_document(task_id, as_bytes(value)))
                await asyncio.sleep(0)  # A page of large documents must not hold up the loop.
        return [report for report in reports if report is not None]

    async def _sizes(self, ids: list[str]) -> dict[str, int]:
        pipe = self._server.redis.pipeline(transaction=False)
        for task_id in ids:
            pipe.strlen(self._prefix + task_id)
        sizes: list[Any] = await pipe.execute(raise_on_error=False) if ids else []
        # A key of another type is no result; anything else a failed command tells the next one tells too.
        return {
            task_id: size if isinstance(size, int) else 0 for task_id, size in zip(ids, sizes, strict=True)
        }

    async def _large(self, task_id: str, size: int) -> ResultReport | None:
        key = self._prefix + task_id
        head = as_bytes(await self._server.redis.getrange(key, 0, HEAD - 1))
        tail = as_bytes(await self._server.redis.getrange(key, -TAIL, -1))
        return read_cut(task_id, head, tail, size)


def key_prefix(prefix: str | None) -> str:
    """Celery appends "_" to a global_keyprefix of results that does not end in one of ":_-."."""
    if not prefix:
        return ""
    return prefix if prefix[-1] in ":_-." else prefix + "_"
