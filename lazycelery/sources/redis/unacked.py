"""Messages that were delivered and not acknowledged: `unacked` and its index."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from lazycelery.model.reports import InFlight
from lazycelery.sources.jsontext import Unreadable, parse, text_or_none
from lazycelery.sources.redis.bindings import Bindings
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.scanning import as_bytes
from lazycelery.sources.wire import read_envelope

MAX_ENTRY = 4 * 1024 * 1024
"""Bytes of an entry that are fetched; of larger ones only the tag and the time are told."""
UNKNOWN = ""
"""The queue of an entry that cannot be read, or is too large to."""
MAX_BYTES = 16 * 1024 * 1024
"""Bytes of all entries of one page."""

BREATH = 256 * 1024
"""Bytes of entries that are fetched and taken apart before others have their turn."""
FEW = 100
"""Entries, likewise."""

_ENTRY = msgspec.json.Decoder(tuple[msgspec.Raw, str, str])


class Unacked:
    """Reads entries, and remembers to whom those that stay belong."""

    def __init__(self, server: Server, layout: Layout, bindings: Bindings) -> None:
        self._server, self._layout, self._bindings = server, layout, bindings
        self._queues: dict[str, str] = {}

    async def read(self, limit: int) -> list[InFlight]:
        """At most `limit` entries, oldest first."""
        times = await self._tags(limit)
        entries = await self._entries(list(times))
        found = []
        for tag in times:
            if tag in self._queues:
                found.append(self._in_flight(tag, entries.get(tag), times[tag]))
                if len(entries.get(tag, b"")) > BREATH or len(found) % FEW == 0:
                    await asyncio.sleep(0)  # Decoding many, or large ones, must not hold up the loop.
        return found

    async def by_queue(self, total: int, limit: int) -> dict[str, tuple[int, float | None]] | None:
        """Number of entries and oldest delivery by queue; `None` when there are too many, or too large
        ones, to tell. Fetches only entries that it has not seen before."""
        if total > limit:
            return None
        times = await self._tags(limit) if total else {}
        await self._entries([tag for tag in times if tag not in self._queues])
        self._queues = {tag: queue for tag, queue in self._queues.items() if tag in times}
        if UNKNOWN in self._queues.values():
            return None
        found: dict[str, tuple[int, float | None]] = {}
        for tag, queue in self._queues.items():
            count, oldest = found.get(queue, (0, None))
            delivered = times[tag]
            older = delivered if oldest is None or (delivered is not None and delivered < oldest) else oldest
            found[queue] = (count + 1, older)
        return found

    async def _tags(self, limit: int) -> dict[str, float | None]:
        """Tags and when they were delivered, oldest first."""
        redis, layout = self._server.redis, self._layout
        scored: Any = await redis.zrange(layout.unacked_index, 0, limit - 1, withscores=True)
        if scored:
            return {_text(tag): float(score) for tag, score in scored}
        tags: Any = await redis.hrandfield(layout.unacked, limit)
        return {_text(tag): None for tag in tags or ()}

    async def _entries(self, tags: list[str]) -> dict[str, bytes]:
        """The entries of these tags, as long as they are not too large."""
        pipe = self._server.redis.pipeline(transaction=False)
        for tag in tags:
            pipe.hstrlen(self._layout.unacked, tag)
        sizes: list[int] = await pipe.execute() if tags else []
        left = MAX_BYTES
        portions: list[list[str]] = []
        room = 0
        for tag, size in zip(tags, sizes, strict=True):
            if 0 < size <= min(MAX_ENTRY, left):
                if size > room or len(portions[-1]) >= FEW:
                    portions.append([])
                    room = BREATH
                portions[-1].append(tag)
                room -= size
                left -= size
            elif size:
                self._queues[tag] = UNKNOWN
        found: dict[str, bytes] = {}
        for portion in portions:
            found |= await self._fetch(portion)
            await asyncio.sleep(0)
        return found

    async def _fetch(self, tags: list[str]) -> dict[str, bytes]:
        if not tags:
            return {}
        values = await self._server.redis.hmget(self._layout.unacked, tags)
        found = {tag: as_bytes(value) for tag, value in zip(tags, values, strict=True) if value is not None}
        for tag, entry in found.items():
            _, exchange, routing_key = _taken_apart(entry)
            self._queues[tag] = self._bindings.queue_of(exchange, routing_key)
        return found

    def _in_flight(self, tag: str, entry: bytes | None, delivered: float | None) -> InFlight:
        raw = b"" if entry is None else _taken_apart(entry)[0]
        headers = _headers(raw)
        return InFlight(
            tag=tag,
            id=text_or_none(headers.get("id")),
            task=text_or_none(headers.get("task")),
            queue=self._queues[tag],
            delivered=delivered,
            raw=raw,
        )


def _text(tag: Any) -> str:
    return as_bytes(tag).decode("utf-8", "replace")


def _headers(raw: bytes) -> dict[str, Any]:
    try:
        return read_envelope(raw).headers if raw else {}
    except Unreadable:
        return {}


def _taken_apart(entry: bytes) -> tuple[bytes, str, str]:
    """The message alone, byte for byte, its exchange and its routing key."""
    try:
        raw, exchange, routing_key = _ENTRY.decode(entry)
        return bytes(raw), exchange, routing_key
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        _, odd_exchange, odd_key = parse(entry)
    except (Unreadable, ValueError, TypeError):
        return entry, "", UNKNOWN
    return entry, text_or_none(odd_exchange) or "", text_or_none(odd_key) or UNKNOWN
