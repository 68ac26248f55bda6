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
SHOWN_BYTES, SHOWN_OF_ALL = 256 * 1024, 1024 * 1024
"""Of the results in whose parts the ids of a chord's members are found: of one chord, and of one look."""
PAGE, MOST_PARTS, MOST_BYTES = 50, 1000, 8 * 1024 * 1024
"""Of one chord: its parts hold the results."""
FIRST = 5
"""Parts that are read first: how large they are tells how many go together then."""
MOST_OF_ALL = 4 * MOST_BYTES
"""Of all chords that are asked for together."""


class _Members:
    """Ids that were found in a chord's first parts."""

    __slots__ = ("ids", "read")

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.read = 0
        """Parts that were read for them."""


class Chords:
    """Follows the chords that a slow walk through the keys meets."""

    def __init__(self, server: Server, prefix: str) -> None:
        self._server, self._prefix = server, f"{prefix}celery-taskset-meta-"
        self._scan = Scan(f"{glob_escaped(self._prefix)}*.j", SCAN_COUNT)
        self._known: dict[str, _Members] = {}

    async def look(self) -> list[Chord]:
        """Chords of which some members are done and some are not."""
        with self._server.explained():
            for key in await self._scan.more(self._server.redis, SCANS):
                group = key.decode("utf-8", "replace").removeprefix(self._prefix).removesuffix(".j")
                if len(self._known) < MOST:
                    self._known.setdefault(group, _Members())
            told = await self._ask()
            await self._look_for_members(told)
        return [
            Chord(group=group, done=done, size=size, members=list(self._known[group].ids))
            for group, (done, size, _) in told.items()
        ]

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

    async def _ask(self) -> dict[str, tuple[int, int, int | None]]:
        """Members that are done, how many there are, and about how many bytes a part has, as its first five
        tell; in one round trip. Chords that are over, or never had a count, are forgotten."""
        pipe = self._server.redis.pipeline(transaction=False)
        for group in self._known:
            key = self._prefix + group
            pipe.zcard(f"{key}.j")
            pipe.get(f"{key}.s")
            pipe.memory_usage(f"{key}.j", samples=SHOWN)
        replies = iter(await pipe.execute(raise_on_error=False) if self._known else ())
        found: dict[str, tuple[int, int, int | None]] = {}
        for group, done, size, held in list(zip(self._known, replies, replies, replies, strict=True)):
            # An older Celery keeps a list: how many are missing is not told there.
            if any(isinstance(each, redis_errors.ResponseError) for each in (done, size)):
                done = 0
            if not done or size is None:
                del self._known[group]
                continue
            each = held // int(done) if isinstance(held, int) else None
            found[group] = int(done), int(float(size)), each
        return found

    async def _look_for_members(self, told: dict[str, tuple[int, int, int | None]]) -> None:
        """Read the first parts of chords, once as long as no more of these are there. Large ones are left: a
        part holds a whole result. Where nobody tells how large they are, one is read."""
        left, asked = SHOWN_OF_ALL, list[str]()
        pipe = self._server.redis.pipeline(transaction=False)
        for group, (done, _, each) in told.items():
            number = min(SHOWN, done) if each is not None else 1
            cost = number * (each if each is not None else SHOWN_OF_ALL // MOST)
            if self._known[group].read >= number or cost > min(left, SHOWN_BYTES):
                continue
            left -= cost
            asked.append(group)
            pipe.zrange(f"{self._prefix}{group}.j", 0, number - 1)
        replies = await pipe.execute(raise_on_error=False) if asked else []
        for group, some in zip(asked, replies, strict=True):
            if isinstance(some, list):
                members = self._known[group]
                members.ids = [member for member in map(_member, some) if member is not None]
                members.read = len(some)


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
