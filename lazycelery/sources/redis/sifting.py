"""Looking through a queue, and moving or removing some of its messages, each in one atomic step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import groupby

from redis.exceptions import ResponseError

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.pacing import Paced
from lazycelery.sources.protocols.sifting import GONE, Looked, Pace, Pick, Save, Settled, Shifted
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.depths import why_not
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.pages import MAX_PAGE
from lazycelery.sources.redis.steady import SteadyPages

MOST_BYTES = 256 * 1024 * 1024
"""Bytes of messages that one pass looks through."""
PAGE_BYTES = 4 * 1024 * 1024
BREATH = 48 * 1024
"""Bytes after which others have their turn."""
CHUNK, CHUNK_BYTES = 100, 1024 * 1024
"""Messages of one step at most: it holds up the server."""
STEP_SECONDS = 0.005
"""How long a step should take, there and back."""
Picked = tuple[StoredMessage, str]

# Without a `KEYS[2]` the message is removed. What this user may not push is not taken: so it is pushed first,
# and taken away again at that end when it was no longer there. Nobody sees what is between.
MOVE = """
if KEYS[2] then
  local kind = redis.call('TYPE', KEYS[2]).ok
  if kind ~= 'list' and kind ~= 'none' then return redis.error_reply('WRONGTYPE the target is no list') end
end
local done = {}
for place = 1, #ARGV do
  local pushed = KEYS[2] and redis.pcall('%s', KEYS[2], ARGV[place])
  if type(pushed) == 'table' and pushed.err then
    done[place] = -1
  else
    local taken = redis.pcall('LREM', KEYS[1], -1, ARGV[place])
    local refused = type(taken) == 'table' and taken.err
    if pushed and refused then
      redis.call('%s', KEYS[2])
    elseif pushed and taken == 0 then
      redis.call('LREM', KEYS[2], %d, ARGV[place])
    end
    if refused then return taken end
    done[place] = taken
  end
end
return done
"""
LAST, NEXT = MOVE % ("LPUSH", "LPOP", 1), MOVE % ("RPUSH", "RPOP", -1)


class Sift:
    """One pass over one queue."""

    def __init__(self, server: Server, layout: Layout, queue: str, most: int) -> None:
        self._server, self._redis, self._layout, self._queue = server, server.redis, layout, queue
        self._most, self._bytes = most, MOST_BYTES
        self._since = 0
        self._chunk = 10
        self.told = Shifted(total=0, looked=0)

    async def look(self, show: Callable[[StoredMessage], None]) -> Looked:
        """Show all, up to the bounds."""

        def leave(message: StoredMessage) -> None:
            show(message)

        async for _, _, _ in self._walk(leave):
            pass
        return Looked(total=self.told.total, looked=self.told.looked, cut=self.told.cut)

    async def shift(
        self, pick: Pick, save: Save, settled: Settled, front: bool, pace: Pace | None = None
    ) -> Shifted:
        """Move or remove what is picked. Raises only when nothing was done."""
        aside: list[Picked] = []
        paced = Paced(self.told, pace)
        try:
            async for pages, page, picked in self._walk(pick):
                if front:
                    if picked:
                        await _written(save, [message for message, _ in picked])
                    aside += picked  # The last one goes first, so that the first one runs next.
                    continue
                gone = set[bytes]()
                async for part in paced.parts(picked):
                    gone |= await self._through(part, save, settled, paced)
                pages.removed([message in gone for message in page])
                if not await paced.goes_on():
                    break
            await _told(settled, (await self._moved(aside[::-1], NEXT))[::-1])
        except (LazyCeleryError, *problems.FAILURES) as error:
            told = problems.explain(error, self._server.address)
            told.nothing_done = not sum(self.told.done.values()) and not self.told.unknown
            if told.nothing_done:
                raise told from None
            self.told.problem = told.title
        return self.told

    async def _through(
        self, part: Sequence[Picked], save: Save, settled: Settled, paced: Paced
    ) -> set[bytes]:
        """Save and move some; returns those that are in their list no more."""
        await _written(save, [message for message, _ in part])
        answers = await self._moved(part, LAST)
        await _told(settled, answers)
        paced.sent(len(part), sum(answer < 0 for answer in answers), part[0][1] or self._queue)
        return {message.raw for (message, _), answer in zip(part, answers, strict=True) if answer >= 0}

    async def _walk(
        self, pick: Callable[[StoredMessage], str | None]
    ) -> AsyncIterator[tuple[SteadyPages, list[bytes], list[Picked]]]:
        """Pages of what waits now, with what of each was picked."""
        depths = await self._depths()
        self.told.total = sum(depths.values())
        for step, key in self._layout.keys(self._queue).items():
            pages, left = SteadyPages(self._redis, key), depths[step]
            while left > 0 and self._may_go_on():
                room = min(left, MAX_PAGE, self._most - self.told.looked)
                raws = await pages.next(room, min(PAGE_BYTES, self._bytes))
                if not raws:
                    break
                picked: list[Picked] = []
                start = depths[step] - left
                for position, raw in enumerate(raws, start):
                    message = StoredMessage(queue=self._queue, priority=step, raw=raw, position=position)
                    if (target := pick(message)) is not None:
                        picked.append((message, target))
                    await self._breathe(len(raw))
                left -= len(raws)
                self.told.looked += len(raws)
                yield pages, raws, picked

    async def _depths(self) -> dict[int, int]:
        found = {}
        for step, key in self._layout.keys(self._queue).items():
            try:
                found[step] = int(await self._redis.llen(key))
            except ResponseError as error:
                raise Refused(f"{self._queue} cannot be read. {why_not(error)}", nothing_done=True) from None
        return found

    def _may_go_on(self) -> bool:
        if self.told.looked >= self._most:
            self.told.cut = "that is as many as one pass looks at"
        elif self._bytes <= 0:
            self.told.cut = f"that is {size_text(MOST_BYTES)}, as much as one pass looks at"
        return not self.told.cut

    async def _breathe(self, size: int) -> None:
        self._bytes -= size
        self._since += size
        if self._since >= BREATH:
            self._since = 0
            await asyncio.sleep(0)

    async def _moved(self, picked: Sequence[Picked], script: str) -> list[int]:
        """Move or remove them, in steps; tells of each: 1 done, 0 no longer there, -1 not taken."""
        answers: list[int] = []
        for (target, priority), group in groupby(picked, lambda each: (each[1], each[0].priority)):
            raws, at = [message.raw for message, _ in group], 0
            while at < len(raws):
                chunk = [*_bounded(raws[at : at + self._chunk])]
                answers += await self._step(script, target, priority, chunk)
                at += len(chunk)
        return answers

    async def _step(self, script: str, target: str, priority: int, raws: Sequence[bytes]) -> list[int]:
        keys = [self._layout.key(self._queue, priority)]
        if target != GONE:
            keys.append(self._layout.key(target, priority))
        begun = time.monotonic()
        try:
            answers = await self._redis.eval(script, len(keys), *keys, *raws)
        except ResponseError as error:
            raise _refused(error, self._queue, target) from None
        except problems.FAILURES:
            self.told.unknown += len(raws)
            raise
        self._pace(time.monotonic() - begun)
        for answer in answers:
            if answer > 0:
                self.told.done[target] = self.told.done.get(target, 0) + 1
            elif answer < 0:
                self.told.rejected += 1
            else:
                self.told.missed += 1
        return [int(answer) for answer in answers]

    def _pace(self, seconds: float) -> None:
        """Messages far back in a long list cost the server more: fewer of them in a step."""
        if seconds > 2 * STEP_SECONDS:
            self._chunk = max(1, self._chunk // 2)
        elif seconds < STEP_SECONDS:
            self._chunk = min(CHUNK, self._chunk * 2)


def _bounded(raws: Sequence[bytes]) -> Iterator[bytes]:
    size = 0
    for raw in raws:
        if size and size + len(raw) > CHUNK_BYTES:
            return
        size += len(raw)
        yield raw


def _refused(error: ResponseError, queue: str, target: str) -> LazyCeleryError:
    text = str(error)
    if "WRONGTYPE" in text:
        return Refused(f"The key of {target} is no list.", "It is not a queue: choose another target.")
    if "NOPERM" in text.upper() or "unknown command" in text.lower() or "no permissions" in text:
        return Refused(
            f"Messages of {queue} cannot be moved safely: this user may not run scripts.",
            "Allow +eval (and lrem, lpush, rpush, type) to this user of Redis.",
        )
    return LazyCeleryError(f"Redis refuses: {text[:200]}.")


async def _told(settled: Settled, answers: Sequence[int]) -> None:
    if answers:
        await asyncio.to_thread(settled, [answer > 0 for answer in answers])


async def _written(save: Save, stored: list[StoredMessage]) -> None:
    try:
        await asyncio.to_thread(save, stored)  # It waits for the disk.
    except OSError as error:
        raise LazyCeleryError(
            f"The messages could not be saved: {error.strerror or 'disk error'}.",
            "Nothing of them was touched.",
        ) from None
