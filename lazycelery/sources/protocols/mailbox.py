"""Celery's remote control (pidbox), as a transport carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Reply(msgspec.Struct):
    """One worker's answer to one control call."""

    worker: str
    value: Any
    elapsed: float
    """Seconds after the call was sent."""


class Replies(msgspec.Struct):
    """The answers to one control call."""

    expected: int | None
    """How many mailboxes received it, where the broker tells; `None` otherwise."""
    replies: list[Reply]
    complete: bool
    """All expected answers came before the time ran out."""
    listeners: list[str] | None = None
    """Names of all mailboxes that were open when it was sent; `None` where the broker does not name them."""
    received: int | None = None
    """Mailboxes that received it, those of beats too, where the broker counts them and names none."""
    asked: float | None = None
    """When it was asked, epoch seconds, where that was not now: in a recording."""

    def by_worker(self) -> dict[str, Any]:
        """Values by worker name."""
        return {reply.worker: reply.value for reply in self.replies}


class Mailbox(Protocol):
    """Celery's remote control (pidbox)."""

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Send a command and gather its replies.

        Returns as soon as all who received it (or `expect`, or all of `destination`) answered, or at
        `timeout` seconds with `complete` false.
        """

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Send a command that is not answered; returns the number of receivers where known."""

    async def workers(self) -> list[str]:
        """Names of the mailboxes that exist (may be stale after a kill; beats are included)."""
