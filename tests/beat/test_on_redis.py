"""A real beat with RedBeat, a real worker, and what is told of both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome
from lazycelery.model.beat import Beat, BeatEntry
from lazycelery.model.profile import Profile
from tests.cli.program import lazycelery
from tests.support.beat import REDBEAT, CeleryBeat, conf
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

pytestmark = pytest.mark.broker

SCHEDULE = {
    "often": {"task": "shop.add", "schedule": 1.0, "args": [1, 2], "options": {"expires": 30}},
    "nightly": {
        "task": "shop.echo",
        "schedule": "30 2 1 1 *",
        "kwargs": {"password": "hunter2"},
        "options": {"queue": "celery", "priority": 3},
    },
    "other": {"task": "shop.late", "schedule": 1.0, "args": [0]},
    "\x1b[31mred": {"task": "shop.ignored", "schedule": 86400.0},
}


def settings(broker: RedisServer) -> dict[str, str]:
    """One application, RedBeat's schedule in a database of its own."""
    url = broker.url.replace("/0", "/2")
    return conf(beat_schedule=SCHEDULE, timezone="Europe/Berlin", redbeat_redis_url=url)


@pytest.fixture(scope="module")
def beat(shared_broker: RedisServer) -> Iterator[CeleryBeat]:
    one = CeleryBeat(shared_broker.url, scheduler=REDBEAT, env=settings(shared_broker)).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer, beat: CeleryBeat) -> Iterator[RedisServer]:
    """A worker and a beat."""
    worker = CeleryWorker(shared_broker.url, "w1", pool="solo", env=settings(shared_broker)).start()
    yield shared_broker
    worker.kill()


@asynccontextmanager
async def engine_on(broker: RedisServer, **profile: Any) -> AsyncIterator[Engine]:
    engine = Engine(Profile(broker=broker.url, **profile))
    await engine.start()
    try:
        await engine.ready(20)
        yield engine
    finally:
        await engine.close()


async def until(ask: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.2)
    return answer


def named(beat: Beat, name: str) -> BeatEntry:
    return next(entry for entry in beat.entries if entry.name == name)


async def test_redbeat_tells_last_and_next_run(fleet: RedisServer) -> None:
    async with engine_on(fleet) as engine:

        async def ran() -> Beat | None:
            beat = await engine.beat()
            return beat if beat.entries and named(beat, "often").runs else None

        beat = await until(ran)
        often, nightly = named(beat, "often"), named(beat, "nightly")
        assert (often.task, often.schedule, often.enabled) == ("shop.add", "every 1 s", True)
        assert often.scheduler == "redbeat" and often.static and often.options == {"expires": 30}
        assert often.last_run is not None and abs(often.last_run - beat.at) < 60
        assert often.next_run is not None and often.next_run > often.last_run - 1
        assert (
            nightly.schedule == "at 02:30 on day 1 of the month in month 1"
            and nightly.timing.zone == "Europe/Berlin"
        )
        assert nightly.last_run is None and "not sent it yet" in nightly.unknown["last_run"]
        assert nightly.next_run is not None and nightly.next_run % 60 == 0 and nightly.next_run > beat.at
        assert nightly.kwargs == {"password": "[redacted]"}
        redbeat = next(one for one in beat.schedulers if one.name == "redbeat")
        assert (redbeat.state, redbeat.entries, redbeat.switches) == ("connected", 4, True)
        assert redbeat.locked is not None and redbeat.locked > 0  # the beat that runs holds it


async def test_without_redbeat_the_settings_and_events_tell(fleet: RedisServer) -> None:
    async with engine_on(fleet, beat_prefix="nobodys:") as engine:

        async def seen() -> Beat | None:
            beat = await engine.beat()
            return beat if beat.entries and named(beat, "often").last_run else None

        beat = await until(seen)
        often = named(beat, "often")
        assert often.scheduler == "conf" and often.enabled is None
        assert often.sources == {"last_run": "event", "next_run": "computed"}
        assert often.next_run == pytest.approx(often.last_run + 1.0)
        nightly = named(beat, "nightly")
        assert nightly.last_run is None and "task_send_sent_event" in nightly.unknown["last_run"]
        assert nightly.next_run is not None and nightly.sources["next_run"] == "computed"
        assert nightly.kwargs == {"password": "[redacted]"}
        assert "beat_prefix" in beat.notes[0] and "'nobodys:'" in beat.notes[0]


def test_the_command_prints_a_table_and_json(fleet: RedisServer) -> None:
    done = lazycelery(fleet.url, "beat")
    assert done.code == 0, done.err
    assert "often" in done.out and "at 02:30 on day 1 of the month in month 1 (Europe/Berlin)" in done.out
    assert "\x1b" not in done.out and "hunter2" not in done.out + done.err
    told = lazycelery(fleet.url, "beat", "--json")
    assert [entry["name"] for entry in told.json] == ["\x1b[31mred", "nightly", "often", "other"]
    assert "hunter2" not in told.out


def test_nothing_scheduled_ends_with_1(broker: RedisServer) -> None:
    done = lazycelery(broker.url, "beat")
    assert done.code == 1 and "Nothing is scheduled" in done.err


async def test_what_is_no_schedule_is_said_and_hides_nothing(broker: RedisServer) -> None:
    client = broker.client()
    good = {"name": "good", "task": "shop.add", "schedule": {"__type__": "interval", "every": 60}}
    client.hset("redbeat:good", "definition", json.dumps(good))
    client.hset("redbeat:good", "meta", "]")
    client.hset("redbeat:huge", "definition", "x" * 400_000)
    client.set("redbeat:text", "no hash")
    now = time.time()
    client.zadd("redbeat::schedule", {"redbeat:good": now - 500, "redbeat:huge": now, "redbeat:text": -1,
                                      "redbeat:gone": now + 50, b"redbeat:\xff\x1b": now})  # fmt: skip
    async with engine_on(broker) as engine:
        beat = await engine.beat()
        assert len(beat.entries) == 5
        good_one = named(beat, "good")
        assert good_one.task == "shop.add" and good_one.late is not None and 499 < good_one.late < 600
        for name in ("huge", "text", "gone"):
            assert "cannot be read" in named(beat, name).unknown["task"]


async def test_a_set_of_another_kind_is_refused_when_it_was_named(broker: RedisServer) -> None:
    broker.client().set("redbeat::schedule", "no sorted set")
    async with engine_on(broker, beat=broker.url) as engine:
        state = (await engine.beat()).schedulers[0]
        assert state.state == "refused" and "WRONGTYPE" in state.reason


async def test_a_wrong_password_is_never_shown() -> None:
    locked, broker = RedisServer("--requirepass", "right-one").start(), RedisServer().start()
    try:
        url = f"redis://:s3cretwrong@127.0.0.1:{locked.port}/0"
        async with engine_on(broker, beat=url) as engine:
            beat = await engine.beat()
            assert beat.schedulers[0].state == "refused" and beat.schedulers[0].reason
            assert "s3cretwrong" not in str(beat)
        done = lazycelery(broker.url, "beat", "--beat", url)
        assert done.code == 1 and "Not seen: entries of redbeat" in done.err
        assert "s3cretwrong" not in done.out + done.err
    finally:
        locked.remove()
        broker.remove()


async def test_many_entries_are_cut_and_it_is_said(broker: RedisServer) -> None:
    pipe = broker.client().pipeline()
    for number in range(1100):
        pipe.zadd("redbeat::schedule", {f"redbeat:{number}": number})
    pipe.execute()
    async with engine_on(broker) as engine:
        beat = await engine.beat()
        assert len(beat.entries) == 1000 and beat.schedulers[0].cut


# ---- what can be done


async def carry_out(engine: Engine, action: Any, *targets: str, **params: Any) -> Outcome:
    plan = await engine.plan(Order(action=action, targets=list(targets), params=params))
    assert plan.refused is None, plan.refused
    return await engine.act(plan.id, plan.word)


async def rests(beat: CeleryBeat, name: str, other: str) -> None:
    """Beat looks again and again, and sends one entry only."""
    other_sent = beat.sent(other)
    await until(lambda: when(beat.sent(other) >= other_sent + 1))
    sent, other_sent = beat.sent(name), beat.sent(other)
    await until(lambda: when(beat.sent(other) >= other_sent + 3))
    assert beat.sent(name) == sent


async def when(true: bool) -> bool:
    return true


async def test_a_disabled_entry_is_sent_no_more_and_an_enabled_one_again(
    fleet: RedisServer, beat: CeleryBeat
) -> None:
    client = fleet.client(db=2)
    before = json.loads(client.hget("redbeat:often", "definition") or "")
    async with engine_on(fleet, allow=["beat"]) as engine:
        plan = await engine.plan(Order(action="beat", targets=["often"], params={"do": "disable"}))
        assert plan.title == "Disable often in beat's schedule" and plan.level == "letter"
        assert any("enables it again at each start of beat" in told for told in plan.warnings)
        outcome = await carry_out(engine, "beat", "often", do="disable")
        assert (outcome.done, outcome.undo) == (1, "lazycelery beat enable often --allow beat")
        assert json.loads(client.hget("redbeat:often", "definition") or "") == {**before, "enabled": False}
        entry = named(await engine.beat(), "often")
        assert entry.enabled is False and entry.next_run is None
        await rests(beat, "often", "other")
        sent = beat.sent("often")
        assert outcome.back is not None
        back = await engine.plan(outcome.back)
        assert any("beat sends it at once" in told for told in back.warnings)
        assert (await engine.act(back.id, back.word)).done == 1
        await until(lambda: when(beat.sent("often") > sent))
        assert json.loads(client.hget("redbeat:often", "definition") or "") == before
        told = [one.title for one in await engine.audit(10)]
        assert told[0] == "Enable often in beat's schedule"


async def test_run_now_sends_what_beat_would_send(fleet: RedisServer, beat: CeleryBeat) -> None:
    async with engine_on(fleet, allow=["send"]) as engine:
        plan = await engine.plan(Order(action="send", params={"entry": "nightly"}))
        assert "hunter2" not in str(plan) and "its schedule is not touched" in plan.warnings[0]
        assert plan.items[0].text.endswith("→ celery, priority 3")
        outcome = await engine.act(plan.id, plan.word)
        new = str(outcome.items[0].new_id)

        async def ended() -> Any:
            task = await engine.task(new)
            return task if task.state == "success" else None

        await until(ended)
        stored = json.loads(fleet.client().get(f"celery-task-meta-{new}") or "")
        assert stored["result"] == [[], {"password": "hunter2"}]
        assert beat.sent("nightly") == 0 and named(await engine.beat(), "nightly").runs is None


async def test_settings_have_no_switch_and_what_workers_hide_is_not_sent(fleet: RedisServer) -> None:
    async with engine_on(fleet, beat_prefix="nobodys:", allow=["beat", "send"]) as engine:
        plan = await engine.plan(Order(action="beat", targets=["often"], params={"do": "disable"}))
        assert plan.refused is not None and "only there" in plan.refused
        plan = await engine.plan(Order(action="send", params={"entry": "nightly"}))
        assert plan.refused is not None and "workers hide a part of its arguments" in plan.refused
        with pytest.raises(Refused):
            await engine.act(plan.id, plan.word)
        plan = await engine.plan(Order(action="send", params={"entry": "often"}))
        assert plan.refused is None and plan.items[0].text.startswith("shop.add(1, 2)")


@pytest.mark.parametrize(
    ("order", "needs"),
    [
        (Order(action="beat", targets=["often"], params={"do": "disable"}), "beat"),
        (Order(action="send", params={"entry": "often"}), "send"),
    ],
)
async def test_read_only_changes_nothing(fleet: RedisServer, order: Order, needs: str) -> None:
    before = fleet.client(db=2).hget("redbeat:often", "definition")
    async with engine_on(fleet) as engine:
        plan = await engine.plan(order)
        assert plan.refused == "Read-only." and needs in plan.hint
        with pytest.raises(Refused):
            await engine.act(plan.id, plan.word)
    assert fleet.client(db=2).hget("redbeat:often", "definition") == before


def test_the_commands_change_and_refuse(fleet: RedisServer) -> None:
    client = fleet.client(db=2)
    before = client.hget("redbeat:other", "definition") or b""
    refused = lazycelery(fleet.url, "beat", "disable", "other", "--yes")
    assert refused.code == 4 and "--allow beat" in refused.err
    assert client.hget("redbeat:other", "definition") == before
    done = lazycelery(fleet.url, "beat", "disable", "other", "--allow", "beat", "--yes")
    assert done.code == 0 and "disabled other" in done.out
    assert client.hget("redbeat:other", "definition") == before.replace(b"true", b"false")
    client.hset("redbeat:other", "definition", before)
    looked = lazycelery(fleet.url, "beat", "run", "often", "--dry-run")
    assert looked.code == 0 and "shop.add(1, 2)" in looked.out


async def test_a_name_that_is_none_and_a_switch_that_is_set(fleet: RedisServer) -> None:
    async with engine_on(fleet, allow=["beat"]) as engine:
        with pytest.raises(NothingFound, match="Did you mean other"):
            await engine.plan(Order(action="beat", targets=["othr"], params={"do": "enable"}))
        with pytest.raises(UsageError, match="One of enable, disable"):
            await engine.plan(Order(action="beat", targets=["other"], params={"do": "burn"}))
        plan = await engine.plan(Order(action="beat", targets=["other", "often"], params={"do": "enable"}))
        assert plan.refused is not None and "enabled already" in plan.refused


async def test_what_cannot_be_read_is_never_written_over(broker: RedisServer) -> None:
    client = broker.client()
    client.hset("redbeat:odd", "definition", "[1, ")
    client.zadd("redbeat::schedule", {"redbeat:odd": 5})
    async with engine_on(broker, allow=["beat"]) as engine:
        plan = await engine.plan(Order(action="beat", targets=["odd"], params={"do": "disable"}))
        assert plan.refused == "its definition cannot be read"
    assert client.hget("redbeat:odd", "definition") == b"[1, "
