"""Floods of events on RabbitMQ: what is lost is counted and said, and neither the broker nor its senders feel
a monitor that is slow, or stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from lazycelery.engine.client import EngineProcess, spawn
from lazycelery.model.cluster import Overview
from lazycelery.model.profile import Profile
from lazycelery.sources.amqp import events
from tests.amqp.conftest import Vhost
from tests.matrix.places import rabbitmqctl
from tests.support.rabbit_flood import RabbitFlood, Sent

pytestmark = pytest.mark.broker


class Monitor:
    """An engine as a process of its own."""

    def __init__(self, process: EngineProcess, api: Any, vhost: Vhost) -> None:
        self.api, self.vhost = api, vhost
        self.os = psutil.Process(process._process.pid)

    def depth(self) -> int:
        """Messages in its queue, as RabbitMQ counts them now."""
        lines = rabbitmqctl(self.vhost.server, "list_queues", "-p", self.vhost.name, "name", "messages")
        return sum(int(number) for name, number in lines if name.startswith("celeryev.lazycelery-"))

    def cpu(self) -> float:
        times = self.os.cpu_times()
        return float(times.user + times.system)

    async def once(self, look: Callable[[Overview], bool], within: float) -> Overview:
        """The overview, once it is so; the last one when time runs out."""
        deadline = time.monotonic() + within
        while True:
            found: Overview = await self.api.overview()
            if look(found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.2)


@pytest.fixture
async def monitor(vhost: Vhost, tmp_path: Path) -> AsyncIterator[Monitor]:
    vhost.declare_events()
    process = spawn()
    profile = Profile(broker=vhost.url, management=vhost.server.management, history_dir=str(tmp_path))
    client = await process.connect(profile)
    await client.api.ready(15)
    yield Monitor(process, client.api, vhost)
    await client.close()


async def flood(
    vhost: Vhost, rate: int, seconds: float, together: int, meanwhile: Callable[[], Awaitable[None]]
) -> Sent:
    sender = RabbitFlood(vhost.url, rate, seconds, together)
    try:
        await meanwhile()
        return await asyncio.to_thread(sender.sent, seconds + 60)
    finally:
        sender.stop()


async def nothing() -> None:
    return


async def test_what_a_monitor_can_take_is_seen_whole(vhost: Vhost, monitor: Monitor) -> None:
    sent = await flood(vhost, 5_000, 3, 3, nothing)
    seen = await monitor.once(lambda now: now.events_seen >= sent.events, 30)
    assert seen.events_seen >= sent.events and not seen.loss
    assert await asyncio.to_thread(monitor.depth) == 0


@pytest.mark.soak
async def test_twenty_thousand_events_a_second_are_taken_with_bounded_cpu(
    vhost: Vhost, monitor: Monitor
) -> None:
    before, began = monitor.cpu(), time.monotonic()
    deepest = 0

    async def look() -> None:
        nonlocal deepest
        for _ in range(5):
            await asyncio.sleep(3)
            deepest = max(deepest, await asyncio.to_thread(monitor.depth))

    sent = await flood(vhost, 20_000, 20, 3, look)
    used, took = monitor.cpu() - before, time.monotonic() - began
    print(sent, f"deepest {deepest}, CPU {used / took:.0%}")
    assert sent.late < 2 and deepest <= events.MAX_LENGTH
    assert used < 1.2 * took  # One core, and the thread that writes history.
    seen = await monitor.once(lambda now: now.events_seen >= sent.events, 60)
    # Taken, or counted as lost.
    missing = max(0, sent.events - seen.events_seen) / sent.events
    assert abs((seen.loss or 0.0) - missing) < 0.1
    await flood(vhost, 300, 3, 3, nothing)
    calm = await monitor.once(lambda now: (now.lag or 0.0) < 1 and not now.relief.active, 60)
    assert (calm.lag or 0.0) < 1 and not calm.relief.active
    before = monitor.cpu()
    await asyncio.sleep(5)
    assert monitor.cpu() - before < 2.5


@pytest.mark.soak
async def test_a_monitor_that_stands_still_costs_nobody_anything_and_says_what_it_lost(
    vhost: Vhost, monitor: Monitor
) -> None:
    deepest = 0

    async def stand_still() -> None:
        nonlocal deepest
        await asyncio.sleep(3)
        os.kill(monitor.os.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(9)
            deepest = await asyncio.to_thread(monitor.depth)
        finally:
            os.kill(monitor.os.pid, signal.SIGCONT)

    sent = await flood(vhost, 9_000, 17, 1, stand_still)
    print(sent, f"deepest {deepest}")
    assert deepest == events.MAX_LENGTH  # So much was waiting, and never more.
    assert sent.late < 2  # Nobody who publishes was held back.
    seen = await monitor.once(lambda now: bool(now.loss) and not now.relief.active, 90)
    missing = 1 - seen.events_seen / sent.events
    print(f"{missing:.0%} missing, {seen.loss} said", seen.sources[1])
    assert missing > 0.1 and seen.loss is not None  # It is measured from the second heartbeat on.
    assert abs(seen.loss - missing) < 0.15
    said = await monitor.once(lambda now: any(one.code == "monitor-behind" for one in now.findings), 30)
    [finding] = [one for one in said.findings if one.code == "monitor-behind"]
    assert any("sent no event that came here" in fact.text for fact in finding.evidence)
    again = await flood(vhost, 300, 3, 3, nothing)
    before = seen.events_seen
    back = await monitor.once(lambda now: now.events_seen >= before + again.events, 20)
    assert back.events_seen >= before + again.events and (back.lag or 0.0) < 1
