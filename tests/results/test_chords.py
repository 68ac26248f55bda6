"""Chords on a real server: a look, and a count, read so many bytes of results and no more."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import redis

from lazycelery.model.profile import Profile
from lazycelery.sources.results import chords
from lazycelery.sources.results.redis import RedisResults
from tests.support.broker import RedisServer

pytestmark = pytest.mark.broker
KEY = "celery-taskset-meta-"


class Backend:
    """Chords as Celery's counters keep them, and what was sent to whoever looked."""

    def __init__(self, server: RedisServer) -> None:
        self.client: redis.Redis = server.client()
        self.client.flushall()
        self.results = RedisResults(server.url, Profile())

    def chord(self, group: str, parts: int, size: int, of: int = 500) -> None:
        for number in range(parts):
            part = json.dumps([1, f"{group}-{number}", "SUCCESS", "x" * size])
            self.client.zadd(f"{KEY}{group}.j", {part: number})
        self.client.set(f"{KEY}{group}.s", of)

    def sent(self) -> int:
        return int(self.client.info("stats")["total_net_output_bytes"])


@pytest.fixture
async def at(shared_broker: RedisServer) -> AsyncIterator[Backend]:
    one = Backend(shared_broker)
    yield one
    await one.results.close()


async def found(at: Backend) -> dict[str, tuple[int, int, list[str]]]:
    return {each.group: (each.done, each.size, each.members) for each in await at.results.chords()}


async def test_a_look_reads_no_large_result_and_no_result_twice(at: Backend) -> None:
    at.chord("small", 7, 10)
    at.chord("large", 5, 2 * chords.SHOWN_BYTES)
    at.chord("late", 0, 10)
    before = at.sent()
    told = await found(at)
    assert told["small"] == (7, 500, [f"small-{n}" for n in range(5)])
    assert told["large"] == (5, 500, []) and "late" not in told
    assert at.sent() - before < chords.SHOWN_BYTES
    at.chord("late", 2, 1000)
    assert (await found(at))["late"] == (2, 500, ["late-0", "late-1"])
    quiet = at.client.info("commandstats")["cmdstat_zrange"]["calls"]
    assert (await found(at))["late"][2] == ["late-0", "late-1"]
    assert at.client.info("commandstats")["cmdstat_zrange"]["calls"] == quiet
    at.chord("late", 4, 1000)
    assert (await found(at))["late"] == (4, 500, [f"late-{n}" for n in range(4)])
    at.client.delete(f"{KEY}late.j", f"{KEY}late.s")
    at.client.rpush(f"{KEY}small.j.old.j", "a list, of an older Celery")
    assert set(await found(at)) == {"small", "large"}


async def test_many_chords_share_what_a_look_may_read(at: Backend) -> None:
    for number in range(30):
        at.chord(f"g{number:02}", 5, 20_000)
    before = at.sent()
    known = [sum(bool(members) for _, _, members in (await found(at)).values())]
    assert at.sent() - before < chords.SHOWN_OF_ALL + 100_000
    for _ in range(5):
        known.append(sum(bool(members) for _, _, members in (await found(at)).values()))
    assert 5 <= known[0] < 30 and known == sorted(known) and known[-1] == 30, known


async def test_a_server_that_tells_no_sizes_is_read_one_part_of_each(
    at: Backend, shared_broker: RedisServer
) -> None:
    at.chord("g", 5, 10)
    at.client.acl_setuser("blind", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-memory"])
    try:
        url = shared_broker.url.replace("redis://", "redis://blind:any@")
        results = RedisResults(url, Profile())
        told = await results.chords()
        assert [(each.done, each.members) for each in told] == [(5, ["g-0"])]
        await results.close()
    finally:
        at.client.acl_deluser("blind")


async def test_a_count_of_several_chords_ends_at_their_sum(
    at: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chords, "MOST_BYTES", 200_000)
    monkeypatch.setattr(chords, "MOST_OF_ALL", 500_000)
    groups = [f"g{number}" for number in range(6)]
    for group in groups:
        at.chord(group, 100, 1900, of=100)
    at.chord("over", 300, 1900, of=300)
    (alone,) = (await at.results.counters(["over"])).values()
    assert not alone.whole and 80 <= len(alone.parts) <= 110, "its own bound"
    before = at.sent()
    counted = await at.results.counters(groups)
    assert at.sent() - before < 600_000
    assert [counted[group].whole for group in groups] == [True, True, False, False, False, False]
    read = [len(counted[group].parts) for group in groups]
    assert read[:2] == [100, 100] and 20 <= read[2] < 80 and read[3:] == [0, 0, 0], read
    # What is not known is not said: it knows how many there are, and that it has not read them all.
    assert {counted[group].size for group in groups} == {100}
