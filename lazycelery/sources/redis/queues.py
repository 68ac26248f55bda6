"""Queues on Redis: who is there, how deep, what waits, what is in flight. Reading only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from lazycelery.errors import UsageError
from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import InFlight, QueueReport
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.protocols.queues import Found, PurgeResult
from lazycelery.sources.protocols.sifting import Looked, Pace, Pick, Save, Settled, Shifted
from lazycelery.sources.redis import leases, orphans, refilling
from lazycelery.sources.redis.bindings import Bindings
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.depths import Depths
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.pages import Pages
from lazycelery.sources.redis.purging import Purge, holding_keys
from lazycelery.sources.redis.searching import Search
from lazycelery.sources.redis.sifting import Sift
from lazycelery.sources.redis.unacked import Unacked
from lazycelery.sources.wire import read_message

MAX_PEEK = 16 * 1024 * 1024
"""Bytes of messages that one peek fetches."""
MAX_SENT_TO = 100
MAX_UNBOUND = 50
PROBED_IN_FLIGHT = 200
"""Up to so many messages in flight are told by queue."""


class RedisQueues:
    """The `QueueOps` of Redis. Priorities are lists; within one, the right end runs next."""

    free_looks = True
    may_double = False
    fills_front = True

    def __init__(self, server: Server, layout: Layout, profile: Profile, bindings: Bindings) -> None:
        self._server, self._layout, self._bindings = server, layout, bindings
        self._unacked = Unacked(server, layout, bindings)
        self._depths = Depths(server, layout)
        self._shown = profile.queues
        self._unbound: list[str] = []
        """Queues that were asked for and that no binding named: their exchange may be called like them."""
        self._sent_to: dict[str, None] = {}
        """Queues we sent to, perhaps bound to nothing: what was sent is looked for there first."""

    async def names(self) -> list[str]:
        """Queues that bindings or the profile name, sorted."""
        with self._server.explained():
            bound = await self._bindings.refresh([*self._shown, *self._unbound])
        return sorted({*bound, *self._shown})

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths by priority. Two commands when all of them are empty and nothing is in flight."""
        with self._server.explained():
            at = time.time()
            self._unbound = [name for name in names if name not in self._bindings.queues][:MAX_UNBOUND]
            depths, in_flight = await self._depths.read(names)
            by_queue = None
            if in_flight is not None:
                by_queue = await self._unacked.by_queue(in_flight, PROBED_IN_FLIGHT)
        return [self._report(name, at, depths[name], by_queue) for name in dict.fromkeys(names)]

    def _report(
        self,
        name: str,
        at: float,
        depths: dict[int, int] | str,
        by_queue: dict[str, tuple[int, float | None]] | None,
    ) -> QueueReport:
        report = QueueReport(name=name, at=at, type="list", bound=name in self._bindings.queues)
        if isinstance(depths, str):
            report.error = depths
        else:
            report.messages = sum(depths.values())
            report.priorities = {str(step): count for step, count in depths.items() if count}
        if by_queue is not None:
            report.unacked, oldest = by_queue.get(name, (0, None))
            report.unacked_age = None if oldest is None else max(0.0, at - oldest)
        return report

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages, next to run first, in pages bounded in bytes."""
        with self._server.explained():
            at = time.time()
            depths = (await self._depths.read([queue]))[0][queue]
            if isinstance(depths, str):
                return PeekPage(queue=queue, at=at, total=0, note=depths)
            page = PeekPage(queue=queue, at=at, total=sum(depths.values()))
            raws, cut = await self._waiting(queue, depths, offset, limit)
        for number, raw in enumerate(raws):
            message = read_message(raw, offset + number)
            page.messages.append(message)
            page.stored.append(StoredMessage(queue=queue, priority=message.priority or 0, raw=raw))
            await asyncio.sleep(0)  # Decoding a large page must not hold up the loop.
        if cut:
            page.note = f"Stopped after {size_text(sum(map(len, raws)))}: the messages are large."
        return page

    async def _waiting(
        self, queue: str, depths: dict[int, int], offset: int, limit: int
    ) -> tuple[list[bytes], bool]:
        """Raw messages from `offset` on, and whether bytes ended it before `limit` did."""
        raws: list[bytes] = []
        left = MAX_PEEK
        for step, depth in depths.items():
            pages = Pages(self._server.redis, self._layout.key(queue, step), min(offset, depth))
            offset -= pages.position
            while pages.position < depth and len(raws) < limit:
                page = await pages.next(limit - len(raws), left)
                if not page:
                    break
                raws += page
                left -= sum(map(len, page))
                if left <= 0 and len(raws) < limit:
                    return raws, True
        return raws, False

    async def in_flight(self, limit: int = 200) -> list[InFlight]:
        """Delivered and not acknowledged messages, oldest first."""
        with self._server.explained():
            return await self._unacked.read(limit)

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> Found:
        """True messages of these tasks: first those in flight, then at most `limit` waiting ones."""
        search = Search(ids, limit)
        with self._server.explained():
            for entry in await self._unacked.read(min(limit, 1000)):
                if entry.id in search.wanted:
                    search.found[str(entry.id)] = self._stored(entry.queue, entry.raw)
            if search.wanted - search.found.keys():
                bound = await self._bindings.refresh(self._shown)
                names = [*self._sent_to, *sorted({*bound, *self._shown})]
                await search.run(self._server.redis, self._layout, list(dict.fromkeys(names)))
        return search.found

    def _stored(self, queue: str, raw: bytes) -> StoredMessage:
        priority = read_message(raw).priority
        return StoredMessage(queue=queue, priority=self._layout.step(priority), raw=raw)

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages at the end that runs last, in order."""
        for queue in {message.queue for message in messages}:
            self._sent_to.pop(queue, None)
            self._sent_to[queue] = None
        while len(self._sent_to) > MAX_SENT_TO:
            del self._sent_to[next(iter(self._sent_to))]
        with self._server.explained():
            return await refilling.append(self._server, self._layout, messages)

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """Put messages in front, by their positions. Several calls for one list: last positions first."""
        with self._server.explained():
            return await refilling.put_in_front(self._server, self._layout, messages)

    async def purge(self, queue: str, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        """Empty all priorities. Messages are renamed away, saved, and only then removed."""
        with self._server.explained():
            return await Purge(self._server, self._layout, queue).run(save)

    async def cost(self, queue: str) -> list[str]:
        """Nothing: Redis shows messages without touching them."""
        return []

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        """Show waiting messages, next to run first, in pages."""
        with self._server.explained():
            return await Sift(self._server, self._layout, queue, most).look(show)

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        """Move or remove the messages that are picked, each in one atomic step."""
        with self._server.explained():
            return await Sift(self._server, self._layout, queue, most).shift(pick, save, settled, front, pace)

    async def give_back(self, entries: Sequence[InFlight]) -> list[bool]:
        """Put unacknowledged messages, oldest first, in front of their queues, each in one atomic step."""
        with self._server.explained():
            return await orphans.give_back(self._server, self._layout, entries)

    async def lease(self, name: str, holder: str, seconds: float) -> str:
        """A key that expires, taken only where there is none."""
        with self._server.explained():
            return await leases.lease(self._server.redis, self._layout.prefix + name, holder, seconds)

    async def give_up(self, name: str, holder: str) -> None:
        """Remove the key, if it is ours."""
        with self._server.explained():
            await leases.give_up(self._server.redis, self._layout.prefix + name, holder)

    async def leftovers(self) -> list[str]:
        """Keys in which purges that were cut off left messages; found by a bounded scan."""
        with self._server.explained():
            return await holding_keys(self._server.redis, self._layout)

    def left_of(self, key: str, queue: str) -> bool:
        """Whether a leftover holds messages of this queue, at any priority."""
        return refilling.list_of(key) in self._layout.keys(queue).values()

    async def recover(self, key: str) -> int:
        """Put the messages of a leftover back in front of their queue; returns how many."""
        if refilling.HOLDING not in key:
            raise UsageError(f"{key} is no leftover of a purge.")
        with self._server.explained():
            return await refilling.give_back(self._server.redis, key)
