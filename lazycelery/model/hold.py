"""A queue that is held: who consumed it before."""

from __future__ import annotations

import msgspec

from lazycelery.model.reports import ActiveQueue


class HeldAt(msgspec.Struct, kw_only=True):
    """One worker that consumed the queue when it was held."""

    pid: int | None = None
    started: float | None = None
    """Epoch seconds."""
    queue: ActiveQueue
    """How it declared the queue."""


class Hold(msgspec.Struct, kw_only=True):
    """One held queue."""

    queue: str
    since: float
    user: str
    host: str
    workers: dict[str, HeldAt] = {}
