"""How far chords are, by the counters that Celery keeps of them on Redis. Reading only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import exceptions as redis_errors

from lazycelery.model.canvas import Counter, Part
from lazycelery.model.facts import Chord
from lazycelery.sources.jsontext import Unreadable, parse, plain
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.scanning import Scan, as_bytes
from lazycelery.sources.redis.subscription import glob_escaped

SCANS, SCAN_COUNT = 4, 500
"""Of one look: a walk through a large database goes on where it was."""
MOST = 100
"""Chords that are followed."""
SHOWN = 5
PAGE, MOST_PARTS, MOST_BYTES = 50, 1000, 8 * 1024 * 1024
"""Of one chord: its parts hold the results."""
FIRST = 5
"""Parts that are read first: how large they are tells how many go together then."""
MOST_OF_ALL = 4 * MOST_BYTES
"""Of all chords that are asked for together."""


class Chords:
    """Follows the chords that a slow walk through the keys meets."""

    def __init__(self, server: Server, prefix: str) -> None:
        self._server, self._prefix = server, f"{prefix}celery-taskset-meta-"
        self._scan = Scan(f"{glob_escaped(self._prefix)}*.j", SCAN_COUNT)
        self._known: dict[str, None] = {}

    async def look(self) -> list[Chord]:
        """Chords of which some members are done and some are not."""
        with self._server.explained():
            for key in await self._scan.more(self._server.redis, SCANS):
                group = key.decode("utf-8", "replace").removeprefix(self._prefix).removesuffix(".j")
                if len(self._known) < MOST:
                    self._known[group] = None
            told = await self._ask(list(self._known))
        chords = map(self._one, list(self._known), told)
        return [chord for chord in chords if chord is not None]

    async def counters(self, groups: Sequence[str]) -> dict[str, Counter]:
        """What is counted of these chords, their parts in order; a chord of which nothing is left is not
        among them."""
        with self._server.explained():
            found, left = list[Counter | None](), MOST_OF_ALL
            for group in groups[:MOST]:
                counter, size = await self._counter(group, min(MOST_BYTES, left))
                left -= size
                found.append(counter)
        return {each.group: each for each in found if each is not None}

    async def _counter(self, group: str, most: int) -> tuple[Counter | None, int]:
        """One, and the bytes that were read of it: about `most` at most."""
        key = self._prefix + group
        pipe = self._server.redis.pipeline(transaction=False)
        pipe.zcard(f"{key}.j")
        pipe.get(f"{key}.s")
        pipe.get(f"{key}.t")
        pipe.exists(key)
        done, size, more, saved = await pipe.execute(raise_on_error=False)
        if any(isinstance(each, redis_errors.ResponseError) for each in (done, size, more)):
            return None, 0  # A list, of an older Celery: it has no places.
        if not done and size is None:
            return None, 0
        counter = Counter(group=group, saved=bool(saved))
        if size is not None:
            counter.size = int(float(size)) + int(more or 0)
        counter.parts, counter.whole, read = await self._parts(f"{key}.j", int(done), most)
        return counter, read

    async def _parts(self, key: str, number: int, most: int) -> tuple[list[Part], bool, int]:
        """Page by page: the results of a large chord are not read at once. Also how many bytes were read."""
        parts: list[Part] = []
        start = size = 0
        while start < min(number, MOST_PARTS) and size < most:
            together = FIRST if not start else max(1, min(PAGE, (most - size) * start // max(1, size)))
            page: list[Any] = await self._server.redis.zrange(
                key, start, start + together - 1, withscores=True
            )
            if not page:
                break
            start += len(page)
            size += sum(len(as_bytes(entry)) for entry, _ in page)
            parts += [part for part in (_part(entry, score) for entry, score in page) if part is not None]
        return parts, len(parts) == number, size

    async def _ask(self, groups: list[str]) -> list[tuple[Any, Any, Any]]:
        """Members that are done, how many there are, and some of them; in one round trip."""
        pipe = self._server.redis.pipeline(transaction=False)
        for group in groups:
            key = self._prefix + group
            pipe.zcard(f"{key}.j")
            pipe.get(f"{key}.s")
            pipe.zrange(f"{key}.j", 0, SHOWN - 1)
        replies = iter(await pipe.execute(raise_on_error=False) if groups else ())
        return list(zip(replies, replies, replies, strict=True))

    def _one(self, group: str, told: tuple[Any, Any, Any]) -> Chord | None:
        done, size, some = told
        # An older Celery keeps a list: how many are missing is not told there.
        if any(isinstance(each, redis_errors.ResponseError) for each in told) or not done or size is None:
            self._known.pop(group, None)
            return None
        members = [member for member in map(_member, some) if member is not None]
        return Chord(group=group, done=int(done), size=int(float(size)), members=members)


def _member(entry: Any) -> str | None:
    try:
        told = parse(as_bytes(entry))
    except (Unreadable, ValueError):
        return None
    return told[1] if isinstance(told, list) and len(told) > 1 and isinstance(told[1], str) else None


def _part(entry: Any, score: float) -> Part | None:
    """`[1, id, status, result]`, and the place in the header as its score."""
    try:
        told = parse(as_bytes(entry))
        if (
            not isinstance(told, list)
            or len(told) < 4
            or not all(isinstance(each, str) for each in told[1:3])
        ):
            return None
        value = plain(told[3])
    except (Unreadable, ValueError):
        return None
    index = int(score) if score == score and abs(score) < 1e9 else None
    return Part(id=told[1], index=index, status=told[2], value=value.value, exact=value.exact)
