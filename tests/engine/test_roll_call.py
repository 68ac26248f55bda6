"""Whose sign of life is overdue is asked at once: gone, held up, cut off for a moment, or only late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lazycelery.engine.links import Links
from lazycelery.engine.roll_call import PAUSE, SURE, SURE_OF_MANY, RollCall
from lazycelery.model.event import Event
from lazycelery.model.reports import WorkerReport, WorkerStats
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.store.store import Store

T0 = 1_790_000_000.0
LATE = 2.6


class Fleet:
    """Who answers a ping, and whose mailbox is open; `names`: the broker tells whose, and not how many."""

    def __init__(self, *workers: str, pool: str = "prefork", names: bool = False) -> None:
        self.now = T0
        self.names, self.asked = names, 0
        self.open, self.answering = set(workers), set(workers)
        self.store = Store(100)
        self.links = Links(lambda: self.now, lambda: None)
        self.links.up("broker")
        self.went: list[str] = []
        control = Control(self)  # type: ignore[arg-type]
        self.calls = RollCall(self.store, self.links, control, lambda: self.now, lambda: None)
        self.calls.found = self._found
        for name in workers:
            stats = WorkerStats(worker=name, pool=pool)
            self.beat(name, "worker-online")
            self.store.apply_worker(WorkerReport(worker=name, at=T0, ping=True, stats=stats))

    async def _found(self, names: list[str]) -> None:
        self.went += names

    async def call(
        self, method: str, *_: Any, destination: Sequence[str] | None = None, **__: Any
    ) -> Replies:
        assert method == "ping" and destination is None
        self.asked += 1
        replies = [Reply(name, {"ok": "pong"}, 0.01) for name in sorted(self.answering & self.open)]
        expected = None if self.names else len(self.open)
        return Replies(expected, replies, True, sorted(self.open) if self.names else None)

    def beat(self, name: str, kind: str = "worker-heartbeat") -> None:
        told = {"freq": 2.0, "active": 0, "processed": 0, "pid": 1}
        event = Event(type=kind, hostname=name, timestamp=self.now, received=self.now, clock=1, **told)  # type: ignore[arg-type]
        self.store.apply_events([event])

    async def after(self, seconds: float, *beating: str) -> dict[str, str]:
        """Time goes by, with heartbeats of some; the states of all."""
        ends = self.now + seconds
        while self.now < ends:
            self.now = min(self.now + 0.25, ends)
            for name in beating:
                self.beat(name)
            await self.calls.look()
        return {one.name: one.state for one in self.store.workers(self.now)}

    def kill(self, name: str) -> None:
        self.open.discard(name)


@pytest.mark.parametrize("names", [False, True])
async def test_a_killed_worker_is_lost_within_seconds_and_back_with_its_first_word(names: bool) -> None:
    fleet = Fleet("w1@a", "w2@a", names=names)
    fleet.kill("w1@a")
    assert (await fleet.after(LATE, "w2@a"))["w1@a"] != "offline"
    assert await fleet.after(SURE + 0.5, "w2@a") == {"w1@a": "offline", "w2@a": "online"}
    assert fleet.went == ["w1@a"] and fleet.asked <= 3
    worker = next(one for one in fleet.store.workers(fleet.now) if one.name == "w1@a")
    assert worker.lost and "its connection ended without goodbye" in (worker.why or "")
    fleet.beat("w1@a", "worker-online")
    assert (await fleet.after(0.25, "w2@a"))["w1@a"] == "online"


async def test_who_beats_is_never_asked_and_who_answers_is_only_late() -> None:
    fleet = Fleet("w1@a", "w2@a")
    await fleet.after(10, "w1@a", "w2@a")
    assert fleet.asked == 0
    assert set((await fleet.after(9, "w2@a")).values()) == {"online"}
    assert 1 <= fleet.asked <= 4


@pytest.mark.parametrize("names", [False, True])
async def test_a_stopped_process_keeps_its_mailbox_and_is_not_gone(names: bool) -> None:
    fleet = Fleet("w1@a", "w2@a", names=names)
    fleet.answering.discard("w1@a")
    assert await fleet.after(30, "w2@a") == {"w1@a": "busy", "w2@a": "online"}
    assert fleet.went == [] and fleet.asked < 14


async def test_beside_a_stopped_one_a_killed_one_is_known_only_where_the_broker_names_mailboxes() -> None:
    for names in (True, False):
        fleet = Fleet("w1@a", "w2@a", "w3@a", names=names)
        fleet.answering.discard("w1@a")
        fleet.kill("w2@a")
        await fleet.after(LATE + SURE + 1, "w3@a")
        assert fleet.went == (["w2@a"] if names else [])


async def test_a_connection_that_is_cut_for_a_moment_is_no_loss() -> None:
    fleet = Fleet("w1@a", "w2@a")
    fleet.kill("w1@a")
    await fleet.after(LATE + SURE - 0.5, "w2@a")
    fleet.open.add("w1@a")
    fleet.beat("w1@a", "worker-online")
    assert set((await fleet.after(5, "w1@a", "w2@a")).values()) == {"online"}
    assert fleet.went == []


async def test_a_second_cut_has_its_own_time_to_be_over() -> None:
    fleet = Fleet("w1@a", "w2@a")
    for _ in range(2):
        fleet.kill("w1@a")
        await fleet.after(LATE + 0.5, "w2@a")
        assert fleet.went == []
        fleet.open.add("w1@a")
        await fleet.after(30, "w1@a", "w2@a")
    assert fleet.went == [] and fleet.asked <= 4


async def test_a_clock_set_back_leaves_nobody_lost_who_is_heard_and_asks_no_more_often() -> None:
    fleet = Fleet("w1@a", "w2@a")
    fleet.kill("w1@a")
    await fleet.after(LATE + SURE + 0.5, "w2@a")
    assert fleet.went == ["w1@a"]
    fleet.now -= 3600
    fleet.open.add("w1@a")
    fleet.beat("w1@a", "worker-online")
    assert set((await fleet.after(1, "w1@a", "w2@a")).values()) == {"online"}
    asked = fleet.asked
    await fleet.after(10, "w1@a", "w2@a")
    assert fleet.asked == asked


async def test_half_of_the_fleet_at_once_is_rather_a_broken_way_to_it() -> None:
    fleet = Fleet(*(f"w{n}@a" for n in range(4)))
    fleet.kill("w0@a")
    fleet.kill("w1@a")
    await fleet.after(LATE + SURE + PAUSE + 1, "w2@a", "w3@a")
    assert fleet.went == []
    await fleet.after(SURE_OF_MANY - SURE, "w2@a", "w3@a")
    assert sorted(fleet.went) == ["w0@a", "w1@a"]


async def test_without_the_broker_or_its_events_nobody_is_asked() -> None:
    fleet = Fleet("w1@a")
    fleet.kill("w1@a")
    fleet.store.blind(T0)
    await fleet.after(20)
    assert fleet.asked == 0 and fleet.went == []
    fleet.store.gap(T0, fleet.now)
    await fleet.after(20)
    assert fleet.asked == 0, "it is yet to come back, as the others"


async def test_a_solo_worker_in_its_task_is_not_gone_with_an_idle_connection() -> None:
    fleet = Fleet("w1@a", "w2@a", pool="solo")
    fleet.kill("w1@a")
    assert (await fleet.after(LATE + SURE + 1, "w2@a"))["w1@a"] != "offline"
    assert fleet.went == []


async def test_whoever_never_answered_may_have_no_mailbox() -> None:
    fleet = Fleet("w1@a", "w2@a")
    fleet.kill("w1@a")
    fleet.beat("w1@a", "worker-online")
    await fleet.after(1, "w2@a")
    fleet.beat("w1@a", "worker-online")  # Another process, which nobody has asked yet.
    await fleet.after(8, "w2@a")
    assert fleet.went == []
