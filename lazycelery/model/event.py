"""One Celery event, decoded and typed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec


class Event(msgspec.Struct, gc=False):
    """An event as its sender wrote it, plus when it arrived here.

    Field names are those on the wire. `timestamp` is the sender's clock (epoch seconds), `received`
    ours, `utcoffset` hours, `runtime` seconds. `args`, `kwargs`, `result` and `exception` are repr
    texts that Celery cuts at 1024 characters by default. Events of a type we do not know keep their
    own fields in `extra`.
    """

    type: str
    hostname: str = ""
    timestamp: float = 0.0
    utcoffset: float = 0.0
    pid: int | None = None
    clock: int | None = None
    # task-*
    uuid: str | None = None
    name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    retries: int | None = None
    eta: str | None = None
    expires: str | None = None
    queue: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    result: str | None = None
    runtime: float | None = None
    exception: str | None = None
    traceback: str | None = None
    terminated: bool | None = None
    signum: int | str | None = None
    expired: bool | None = None
    requeue: bool | None = None
    # worker-*
    freq: float | None = None
    active: int | None = None
    processed: int | None = None
    loadavg: list[float] | None = None
    sw_ident: str | None = None
    sw_ver: str | None = None
    sw_sys: str | None = None
    # ours
    received: float = 0.0
    extra: dict[str, Any] | None = None


class LargeEvent(Event, gc=False):
    """One of a large message: who keeps many events cuts its texts."""


LARGE = 4096
"""Bytes of message an event, beyond which it is a large one: more than Celery's own limits let through."""


def large(events: Iterable[Event]) -> list[Event]:
    """The same events, marked as large ones."""
    return [LargeEvent(**{name: getattr(event, name) for name in _NAMES}) for event in events]


_NAMES = Event.__struct_fields__
