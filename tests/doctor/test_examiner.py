"""The doctor at work, without a cluster: what is told, and what is not."""

from __future__ import annotations

import asyncio
import math
import time

import pytest

from lazycelery.engine import snapshots
from lazycelery.engine.engine import Engine
from lazycelery.insight.doctor import MODES
from lazycelery.model.event import Event
from lazycelery.model.facts import Flight, Flights
from lazycelery.model.profile import Profile
from lazycelery.model.task import Task
from lazycelery.sources.protocols.queues import InFlight
from tests.sources.conftest import task_message


def engine(**profile: object) -> Engine:
    made = Engine(Profile(broker="redis://127.0.0.1:1/0", **profile))  # type: ignore[arg-type]
    made._links.up("broker")
    made._watch.first_truth.set()
    return made


def failures(error: str, number: int = 12, ago: float = 0.0) -> list[Event]:
    now = time.time() - ago
    return [
        event
        for one in range(number)
        for event in (
            Event("worker-heartbeat", "w1@a", now, freq=2.0, received=now),
            Event("task-received", "w1@a", now, uuid=f"id-{ago}-{one}", name="shop.charge", received=now),
            Event("task-failed", "w1@a", now, uuid=f"id-{ago}-{one}", exception=error, received=now),
        )
    ]


async def test_secrets_in_errors_are_hidden_in_findings() -> None:
    one = engine()
    one._store.apply_events(failures("ValueError('password=hunter2')"))
    [finding] = [found for found in (await one.doctor()).findings if found.code == "failure-spike"]
    told = "\n".join(fact.text for fact in finding.evidence)
    assert "ValueError" in told and "hunter2" not in told


async def test_what_goes_on_failing_stays_a_finding() -> None:
    one = engine()
    one._store.apply_events(failures("E()"))
    assert "failure-spike" in [found.code for found in (await one.doctor()).findings]
    # Ten minutes later, all of which it failed: this is not what is usual for it.
    for known in one._examiner._memory._kept.values():
        known.first, known.last = known.first - 600, known.last - 600
    one._store.apply_events([each for ago in (500, 400, 300, 200) for each in failures("E()", 30, ago)])
    [finding] = [found for found in (await one.doctor()).findings if found.code == "failure-spike"]
    assert not any("usually" in fact.text for fact in finding.evidence)


async def test_what_was_seen_a_moment_ago_does_no_longer_where_the_clock_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As that of a recording which is held: it is shown as it is, not as it was on the way there."""
    monkeypatch.setattr(snapshots, "RECENT", 0.1)
    monkeypatch.setattr(snapshots, "SHARE", math.inf)
    one, now = engine(), time.time()
    own = one._examiner.snapshots
    monkeypatch.setattr(own, "_clock", lambda: now)
    before = await own.recent()
    assert before.workers == [] and (await own.recent()).workers is before.workers
    one._store.apply_events(failures("E()"))
    await asyncio.sleep(0.15)
    assert len((await own.recent()).workers) == 1


async def test_who_took_a_message_long_ago_may_be_known_to_the_history_alone() -> None:
    one, now, asked = engine(), time.time(), []

    async def remembered(id: str) -> Task | None:
        asked.append(id)
        return Task(
            id=id, state="received" if id != "ended" else "success", worker="w1@a", received=now - 900
        )

    one._examiner.snapshots.remembered = remembered
    flights = [
        Flight(id=id, task="shop.nap", queue="celery", delivered=now - 900)
        for id in ("held", "ended", *(f"more-{n}" for n in range(10)))
    ]
    flights[2].delivered = now - 100  # Not for the first time: the history tells of the time before.
    fresh = Flight(id="fresh", task="shop.nap", queue="celery", delivered=now)
    one._watch.looks.flights = Flights(at=now, messages=[*flights, fresh])
    await one._examiner.snapshots.now()
    assert asked == ["held", "ended", *(f"more-{n}" for n in range(6))], "a few at a time"
    for _ in range(2):
        seen = await one._examiner.snapshots.now()
    assert len(asked) == 12 and "fresh" not in asked, "each is asked for once"
    assert seen.flights is not None
    told = {each.id: (each.worker, each.since) for each in seen.flights.messages}
    assert told["held"] == told["more-9"] == ("w1@a", now - 900)
    assert told["ended"] == told["fresh"] == told["more-0"] == (None, None)
    # It is delivered again, and the one that takes it says so.
    one._store.apply_events(
        [
            Event("task-received", "w2@a", now - 50, uuid=id, name="shop.nap", received=now)
            for id in ("held", "ended")
        ]
    )
    seen = await one._examiner.snapshots.now()
    assert seen.flights is not None
    told = {each.id: (each.worker, each.since) for each in seen.flights.messages}
    assert told["held"][0] == told["ended"][0] == "w2@a"


async def test_a_history_that_hangs_or_breaks_stops_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "PATIENCE", 0.05)
    one, now, asked = engine(), time.time(), []
    free = asyncio.Event()

    async def remembered(id: str) -> Task | None:
        asked.append(id)
        await free.wait()
        raise OSError(5, "I/O error")

    one._examiner.snapshots.remembered = remembered
    flights = [Flight(id=id, task="t", queue="q", delivered=now - 900) for id in ("a", "b")]
    one._watch.looks.flights = Flights(at=now, messages=flights)
    for _ in range(3):
        await asyncio.wait_for(one._examiner.snapshots.now(), 5)
    assert asked == ["a"], "one at a time"
    free.set()
    await asyncio.sleep(0)
    for _ in range(2):
        await asyncio.wait_for(one._examiner.snapshots.now(), 5)
    assert asked == ["a", "a", "b"]
    await one._examiner.snapshots.close()


async def test_a_message_that_the_store_has_seen_tells_of_nobody_who_took_it() -> None:
    one, now, asked = engine(), time.time(), []

    async def remembered(id: str) -> Task | None:
        asked.append(id)
        return Task(id=id, state="received", worker="w1@a", received=now - 900)

    one._examiner.snapshots.remembered = remembered
    one._store.apply_events(
        [
            Event("task-received", "w2@a", now - 800, uuid="told", name="shop.nap", received=now - 800),
            Event("task-succeeded", "w2@a", now - 800, uuid="ended", name="shop.nap", received=now - 800),
        ]
    )
    one._watch.looks._keep(
        InFlight(tag=id, id=id, task="shop.nap", queue="q", delivered=now - 900, raw=task_message(id))
        for id in ("held", "told", "ended")
    )
    seen = await one._examiner.snapshots.now()
    assert asked == ["held"] and seen.flights is not None
    told = {each.id: each.worker for each in seen.flights.messages}
    assert told == {"held": "w1@a", "told": "w2@a", "ended": None}


async def test_a_look_at_messages_while_the_history_is_asked_leaves_no_holder_untold() -> None:
    one, now = engine(), time.time()

    def look() -> None:
        flights = [Flight(id=id, task="shop.nap", queue="q", delivered=now - 900) for id in ("held", "told")]
        one._watch.looks.flights = Flights(at=now, messages=flights)

    async def remembered(id: str) -> Task | None:
        look()
        return Task(id=id, state="received", worker="w1@a", received=now - 900)

    one._examiner.snapshots.remembered = remembered
    one._store.apply_events(
        [Event("task-received", "w2@a", now - 800, uuid="told", name="shop.nap", received=now - 800)]
    )
    look()
    seen = await one._examiner.snapshots.now()
    assert seen.flights is not None
    assert {each.id: each.worker for each in seen.flights.messages} == {"held": "w1@a", "told": "w2@a"}


async def test_everything_is_looked_for_or_said_not_to_be() -> None:
    examination = await engine().doctor()
    told = [*examination.checked, *(one.code for one in examination.unchecked)]
    assert sorted(told) == sorted(MODES)
    assert all(one.why for one in examination.unchecked)


async def test_a_check_that_breaks_harms_no_other(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    import dataclasses

    def broken(seen: object) -> list[object]:
        raise ZeroDivisionError

    mode = dataclasses.replace(MODES["no-workers"], check=broken)  # type: ignore[arg-type]
    monkeypatch.setitem(MODES, "no-workers", mode)
    examination = await engine().doctor()
    assert "no-workers" in [one.code for one in examination.unchecked]
    assert "auth-failed" in examination.checked


async def test_a_profile_changes_single_limits() -> None:
    one = engine(doctor={"failures": 100})
    one._store.apply_events(failures("E()"))
    assert "failure-spike" not in [found.code for found in (await one.doctor()).findings]
