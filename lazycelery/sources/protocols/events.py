"""Celery's events, as a transport brings them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from lazycelery.model.event import Event
from lazycelery.sources.protocols.status import TellStatus


class EventBatch(msgspec.Struct):
    """Events as they left the socket together, with what could not be read."""

    events: list[Event]
    malformed: int = 0
    began: float | None = None
    """When reading them began, monotonic; `None` where nothing can wait behind them."""
    more: bool = False
    """Others were waiting behind them already."""


Deliver = Callable[[EventBatch], None]


class EventStream(Protocol):
    """Celery events, in batches, for as long as it runs; reconnects by itself."""

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Read until cancelled. `deliver` must not wait; `status` tells each change of the link."""
