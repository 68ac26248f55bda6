"""Replies that lie there unread when a call's time is over are waited for, and nothing else is."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.redis import mailbox
from lazycelery.sources.redis.mailbox import PAGE, RedisMailbox, _Call
from lazycelery.waiting import SLICE

TIMEOUT = 0.05
SLOW = SLICE * 1.5
"""Seconds that a reply takes, so that others have their turn after each."""


class List:
    """One list of a Redis, newest first, as far as a mailbox reads it."""

    def __init__(self, items: list[bytes]) -> None:
        self.items = items[::-1]
        self.commands: list[tuple[Any, ...]] = []

    async def brpop(self, keys: list[str], timeout: float) -> tuple[str, bytes] | None:
        if not self.items:
            await asyncio.sleep(timeout)
            return None
        return keys[0], self.items.pop()

    def pipeline(self, **_: Any) -> List:
        return self

    def __getattr__(self, command: str) -> Any:
        return lambda *given: self.commands.append((command, *given))

    async def execute(self) -> list[Any]:
        (_, _, start, end), (_, _, first, last), _ = self.commands
        self.commands.clear()
        assert (end, first) == (-1, 0)
        found = self.items[start:]
        self.items = self.items[: len(self.items) + last + 1] if -last <= len(self.items) else []
        return [found, True, True]


class Reader(RedisMailbox):
    """Takes its time for each reply."""

    def __init__(self, names: list[str], seconds: float) -> None:
        self.list, self.seconds = List([name.encode() for name in names]), seconds
        super().__init__(
            cast("Any", SimpleNamespace(redis=self.list)),
            cast("Any", SimpleNamespace(prefix="", pidbox="celery.pidbox")),
        )

    def _take(self, raw: bytes) -> None:
        time.sleep(self.seconds)
        self._calls["ticket"].take({raw.decode(): {"ok": "pong"}})

    async def ask(self, workers: list[str]) -> Replies:
        """A call to these workers, of whom those answer that are in the list."""
        self._calls["ticket"] = call = _Call(workers, None, None, TIMEOUT)
        call.receivers = len(workers)
        self._read()
        await self._wait(call, TIMEOUT)
        assert self._reader is not None
        self._reader.cancel()
        return call.result()


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "OVERTIME", 1000)


def names(number: int) -> list[str]:
    return [f"celery@node-{one:05}" for one in range(number)]


@pytest.mark.parametrize("number", [PAGE // 4, PAGE + 40])
@pytest.mark.parametrize("most", [1, 1 << 20])
async def test_no_reply_that_is_there_is_left_when_the_time_is_over(
    number: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of the last page, nor where replies are so long that a page grows no larger."""
    monkeypatch.setattr(mailbox, "PAGE_BYTES", most)
    reader = Reader(names(number), SLOW)
    replies = await asyncio.wait_for(reader.ask(names(number)), 20)
    assert replies.complete and [each.worker for each in replies.replies] == names(number)
    assert not reader.list.items


@pytest.mark.parametrize("answering", [0, 1, PAGE, PAGE + 1, PAGE + 2])
async def test_who_is_silent_is_not_waited_for_longer_when_all_is_read(answering: int) -> None:
    """A page that was just full is no sign of more."""
    reader = Reader(names(answering), 0.0)
    replies = await asyncio.wait_for(reader.ask(names(answering + 1)), 20)
    assert not replies.complete and len(replies.replies) == answering
