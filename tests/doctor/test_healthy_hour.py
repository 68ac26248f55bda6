"""No finding in an hour of a healthy fleet at changing load: the real engine with its default settings.

    HEALTHY_SECONDS=600 pytest tests/doctor/test_healthy_hour.py    # ten minutes

Every finding that shows up is printed with its moment, and all of them are in the failure.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.insight.doctor import MODES
from lazycelery.model.profile import Profile
from tests.doctor.healthy import healthy_fleet
from tests.support.broker import RedisServer
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.broker, pytest.mark.soak, pytest.mark.hour]
SECONDS = float(os.environ.get("HEALTHY_SECONDS", "3600"))
WHOLE = 3600.0
"""`SECONDS` from which on every check must have been made, but for those that need more."""
NEED_DAYS = ("waiting-long", "throughput-drop", "task-silent")
"""What is usual at an hour is known a day later: `test_usual` has days, on a fake clock."""
SLA = {"shop.*": {"success": 0.9}}


async def watched(profile: Profile, seconds: float, backend: str, *unseen: str) -> dict[tuple[str, str], str]:
    """All that the doctor finds in a healthy fleet, each with its moment and its evidence."""
    found: dict[tuple[str, str], str] = {}
    async with healthy_fleet(profile.broker, backend, seconds) as fleet:
        engine = Engine(profile)
        await engine.start()
        try:
            await engine.ready(10)
            began = time.monotonic()
            load = asyncio.ensure_future(fleet.live(seconds))
            looked = set()
            while not load.done():
                examination = await engine.doctor()
                looked |= set(examination.checked)
                for one in examination.findings:
                    if (one.code, one.subject) not in found:
                        text = f"{time.monotonic() - began:.0f} s: {one.severity} {one.code}: {one.title} "
                        text += str([fact.text for fact in one.evidence])
                        found[one.code, one.subject] = text
                        print(text, flush=True)
                await asyncio.sleep(0.5)
            await load
            assert fleet.sent > seconds / 4 and fleet.restarts
            if SECONDS >= WHOLE:
                assert set(MODES) - looked <= set(unseen), "silence of what was not looked for says nothing"
        finally:
            await engine.close()
    return found


async def test_an_hour_of_a_healthy_fleet_on_redis_is_silent(broker: RedisServer, tmp_path: Path) -> None:
    profile = Profile(broker=broker.url, sla=SLA, history_dir=str(tmp_path), recorder=True)
    unseen = (*NEED_DAYS, "dead-letters-lost", "event-queue-backlog")
    assert await watched(profile, SECONDS, broker.url, *unseen) == {}


async def test_a_third_of_an_hour_on_rabbitmq_is_silent(
    rabbit: RabbitServer, broker: RedisServer, tmp_path: Path
) -> None:
    rabbit.add_vhost("healthy")
    profile = Profile(
        broker=rabbit.url("healthy"),
        backend=broker.url,
        management=rabbit.management,
        history_dir=str(tmp_path),
        recorder=True,
        sla=SLA,
    )
    unseen = (*NEED_DAYS, "task-slow", "reply-queue-leak")
    assert await watched(profile, SECONDS / 3, broker.url, *unseen) == {}
