"""The workers' answers in a recording, as a `Mailbox`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from lazycelery.errors import Refused
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.replay.said import Said

CHANGES_NOTHING = "This is a recording: it can be looked at, and nothing in it can be changed."


async def _at_once() -> None:
    """Nothing is waited for."""


class LastAnswers:
    """What was answered last, once it is `ready` to say."""

    def __init__(self, said: Callable[[], Said], ready: Callable[[], Awaitable[None]] = _at_once) -> None:
        self._said, self._ready = said, ready

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """What was answered last to this question, and never anything that would tell a worker to act."""
        await self._ready()
        known = self._said().answers.get(method)
        if known is None:
            if method in ("ping", "stats", "active", "active_queues", "registered", "conf"):
                return Replies(expected=None, replies=[], complete=True)
            if method in ("reserved", "scheduled", "query_task"):
                return Replies(expected=None, replies=[], complete=True)
            raise Refused(CHANGES_NOTHING, nothing_done=True)
        wanted = None if destination is None else set(destination)
        # Copies: who asked may empty them, and the same is said again to the next one.
        replies = [
            msgspec.structs.replace(reply)
            for reply in known.replies
            if wanted is None or reply.worker in wanted
        ]
        return Replies(expected=known.expected, replies=replies, complete=True, asked=known.asked)

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Nobody hears it."""
        raise Refused(CHANGES_NOTHING, nothing_done=True)

    async def workers(self) -> list[str]:
        """The mailboxes that were there."""
        await self._ready()
        return self._said().mailboxes
