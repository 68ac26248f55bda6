"""A waiting message, seen without being consumed."""

from __future__ import annotations

from typing import Any

import msgspec


class Death(msgspec.Struct, kw_only=True):
    """Why a message was dead-lettered the last time (`x-death`)."""

    queue: str
    """The queue in which it died."""
    reason: str
    """rejected, expired, maxlen, delivery_limit."""
    count: int | None = None
    """How often it died there so."""
    exchange: str | None = None
    """Where it had been published to before."""
    at: float | None = None
    """The first time, epoch seconds."""


class Message(msgspec.Struct, kw_only=True):
    """One message in a queue. Field names are the JSON contract of `lazycelery peek`.

    `position` 0 runs next. `args` and `kwargs` are decoded values for JSON bodies, and a safe
    description (strings of a pickle, a size) for others: `decoded` says which.
    """

    position: int
    id: str | None = None
    task: str | None = None
    args: Any = None
    kwargs: Any = None
    priority: int | None = None
    eta: str | None = None
    expires: str | None = None
    retries: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    headers: dict[str, Any] = {}
    content_type: str | None = None
    size: int = 0
    redelivered: bool | None = None
    age: float | None = None
    decoded: bool = True
    problem: str | None = None
    """Why it could not be decoded, in plain words."""
    death: Death | None = None
    """Its last death, where it was dead-lettered."""
    embed: dict[str, Any] | None = None
    """callbacks, errbacks, chain, chord of the body, where there are any."""


class StoredMessage(msgspec.Struct, kw_only=True):
    """Exact bytes of a message with the place it was taken from: what backups hold."""

    queue: str
    priority: int
    """The priority list (Redis step) or the message's priority (AMQP)."""
    raw: bytes
    position: int = 0
    """0 ran next in its priority list."""


class PeekPage(msgspec.Struct, kw_only=True):
    """Some waiting messages of a queue, next to run first."""

    queue: str
    at: float
    total: int
    messages: list[Message] = []
    note: str | None = None
    """What was cut or could not be seen."""
    stored: list[StoredMessage] = []
    """The same messages to the byte, where the broker cannot find them again. Stays in the engine."""
