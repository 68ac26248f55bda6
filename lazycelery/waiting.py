"""Waiting for an event, at most so long."""

from __future__ import annotations

import asyncio


async def came(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether an event was set within so many seconds; `None` waits as long as it takes.

    Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes with the event: whoever waits in
    a loop would then never end.
    """
    waiter = asyncio.ensure_future(event.wait())
    try:
        done, _ = await asyncio.wait((waiter,), timeout=seconds)
    finally:
        waiter.cancel()
    return bool(done)
