"""Waiting for events: what comes at the same moment as a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from lazycelery.waiting import came


async def test_an_event_comes_or_does_not() -> None:
    event = asyncio.Event()
    assert not await came(event, 0.01)
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await came(event, 30) and await came(event, None)


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_that_comes_with_the_event_is_not_swallowed(steps: int) -> None:
    event = asyncio.Event()
    waiting = asyncio.ensure_future(came(event, 30))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    done = waiting.done()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled() or done
