"""Which queues there are: the union of Kombu's binding sets, found slowly and kept."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from redis import exceptions as redis_errors

from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.scanning import COUNT, Scan, as_bytes, members

MARK = "_kombu.binding."
FIRST_CALLS, LATER_CALLS = 200, 40
"""SCANs of a first look and of each later one: a walk through a large database goes on where it was."""
RESCAN = 30.0
"""Seconds between looks for new bindings."""
RESCAN_SMALL = 3.0
"""The same in a database that one or two SCANs walk through."""
SMALL = 2
MAX_SETS = 2000
"""Binding sets that are read."""
FEW_SETS = 20
"""So many are read at every look; of more each one now and then: a set that was new is read at once."""
REREAD = 30.0
PAGE = 100
"""Sets read in one round trip."""


class Bindings:
    """Queues by exchange and routing key, and the key prefixes of other applications."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server, self._layout = server, layout
        self._scan = Scan(f"*{MARK}*")
        self._exchanges: set[str] = {"celery"}
        self._sets: dict[str, tuple[float, set[str]]] = {}
        """By exchange: when its set was read, and the queues in it."""
        self._routes: dict[tuple[str, str], str] = {}
        self._scanned_at: float | None = None
        self.queues: set[str] = set()
        self.other_prefixes: set[str] = set()
        """Prefixes under which another application keeps its mailboxes."""
        self.may_scan = True
        """False when the broker does not permit us SCAN."""

    async def refresh(self, known: Sequence[str] = ()) -> set[str]:
        """Queues that bindings name. `known` queues may have exchanges of the same name."""
        await self._look_for_sets()
        await self._read_sets(sorted({*self._exchanges, *known})[:MAX_SETS])
        return self.queues

    def queue_of(self, exchange: str, routing_key: str) -> str:
        """Where an exchange sends a routing key; without an exchange they are the same."""
        return self._routes.get((exchange, routing_key), routing_key)

    async def _look_for_sets(self) -> None:
        now = time.monotonic()
        small = self._scan.complete and self._scan.calls <= SMALL
        if self._scanned_at is not None and now - self._scanned_at < (RESCAN_SMALL if small else RESCAN):
            return
        calls = FIRST_CALLS if self._scanned_at is None else LATER_CALLS
        self._scanned_at = now
        try:
            found = await self._scan.more(self._server.redis, calls)
        except redis_errors.NoPermissionError:
            self.may_scan = False
            return
        for key in found:
            prefix, _, exchange = key.decode("utf-8", "replace").partition(MARK)
            if prefix == self._layout.prefix:
                self._exchanges.add(exchange)
            elif exchange == self._layout.pidbox:
                self.other_prefixes.add(prefix)

    async def _read_sets(self, exchanges: Sequence[str]) -> None:
        wanted = [
            exchange
            for exchange in exchanges
            if not exchange.endswith(self._layout.pidbox) and exchange != self._layout.event_exchange
        ]
        now = time.monotonic()
        due = [each for each in wanted if len(wanted) <= FEW_SETS or now - self._read_at(each) >= REREAD]
        for start in range(0, len(due), PAGE):
            page = due[start : start + PAGE]
            for exchange, found in zip(page, await self._members(page), strict=True):
                self._sets[exchange] = (now, self._bound(exchange, found))
        self._sets = {exchange: self._sets[exchange] for exchange in wanted}
        self.queues = {queue for _, queues in self._sets.values() for queue in queues}

    def _read_at(self, exchange: str) -> float:
        return self._sets[exchange][0] if exchange in self._sets else -math.inf

    async def _members(self, exchanges: Sequence[str]) -> list[set[bytes]]:
        """Members of the sets of some exchanges, in one round trip unless they are large."""
        keys = [self._layout.binding(exchange) for exchange in exchanges]
        pipe = self._server.redis.pipeline(transaction=False)
        for key in keys:
            pipe.sscan(key, 0, count=COUNT)
        found: list[set[bytes]] = []
        for key, answer in zip(keys, await pipe.execute(raise_on_error=False), strict=True):
            if isinstance(answer, redis_errors.ResponseError):
                found.append(set())  # Not permitted, or not a set.
            elif isinstance(answer, Exception):
                raise answer
            elif answer[0]:
                found.append(await members(self._server.redis, key))
            else:
                found.append(set(map(as_bytes, answer[1])))
        return found

    def _bound(self, exchange: str, found: set[bytes]) -> set[str]:
        queues = set()
        for member in found:
            routing_key, _, queue = self._layout.bound(member)
            if not self._layout.is_internal(queue):
                queues.add(queue)
                self._routes[(exchange, routing_key)] = queue
        return queues
