"""What workers told on the way to a moment of a recording is known there, however one came to it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lazycelery.engine import rewinding
from lazycelery.engine.engine import Engine
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reports import QueueReport
from lazycelery.model.task import TaskQuery
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay import broker
from lazycelery.sources.replay.reader import Frame
from lazycelery.sources.replay.said import SETTLED, Said
from lazycelery.sources.replay.tape import Answer, TapeWriter
from tests.engine.test_contract import until
from tests.store.build import T0, received, started

END = 130.0
RUNS, HELD = "a-runs", "b-held"


def sign(at: float, pid: int, type: str = "worker-heartbeat") -> Event:
    moment = T0 + at
    counts = {"freq": 2.0, "active": 1, "processed": int(at) if pid == 10 else 0}
    return Event(type=type, hostname="w1@h", timestamp=moment, received=moment, pid=pid, **counts)  # type: ignore[arg-type]


def tell(writer: TapeWriter, at: float, values: dict[str, Any]) -> None:
    """A round that was answered at once; without values nobody was there."""
    methods = ("ping", "stats", "active", "active_queues", "reserved", "scheduled")
    for method in methods:
        replies = [Reply("w1@h", values[method], 0.1)] if values else []
        whole = Replies(expected=len(replies), replies=replies, complete=True, asked=T0 + at)
        writer.write(T0 + at + 0.1, "answer", Answer(method, whole))


def values(pid: int, scheduled: list[Any]) -> dict[str, Any]:
    pool = {
        "implementation": "celery.concurrency.prefork:TaskPool",
        "max-concurrency": 2,
        "processes": [1, 2],
    }
    return {
        "ping": {"ok": "pong"},
        "stats": {"pool": pool, "total": {}, "pid": pid, "prefetch_count": 8},
        "active": [],
        "active_queues": [{"name": "celery"}],
        "reserved": [],
        "scheduled": scheduled,
    }


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worker runs a task and holds another one until its ETA; the broker goes, and comes back without the
    worker; a minute later another process comes under its name."""
    path = tmp_path_factory.mktemp("tapes") / "outage.tape"
    writer = TapeWriter(path)
    eta = {"eta": "2099-01-01T00:00:00+00:00", "request": {"id": HELD, "name": "shop.later", "args": []}}
    gone = StatusChange("lost", "db1:6379 refused.")
    for link in ("broker", "links"):
        writer.write(T0, link, StatusChange("connected"))
    writer.write(T0, "workers", ["w1@h"])
    tell(writer, 0, values(10, [eta]))
    for at in range(1, 12):
        writer.write(T0 + at, "events", [sign(at, 10)])
    writer.write(T0 + 11, "events", [received(11, RUNS), started(11, RUNS)])
    for link in ("links", "broker", "control"):
        writer.write(T0 + 12, link, gone)
    writer.write(T0 + 49.5, "links", StatusChange("connected"))
    tell(writer, 49.6, {})
    writer.write(T0 + 49.9, "control", StatusChange("off", "", "No worker answers control calls."))
    writer.write(T0 + 50, "broker", StatusChange("connected"))
    for at in range(50, int(END) + 1, 2):
        if at == 110:
            writer.write(T0 + 109, "events", [sign(109, 20, "worker-online")])
            tell(writer, 110, values(20, []))
            writer.write(T0 + 110.2, "control", StatusChange("connected"))
        elif at % 10 == 0:
            tell(writer, at, values(20, []) if at > 110 else {})
        if at > 110:
            writer.write(T0 + at, "events", [sign(at, 20)])
        depths = [("celery", 0), ("nobodys", 3)]
        reports = [QueueReport(name=name, at=T0 + at, type="list", messages=n) for name, n in depths]
        writer.write(T0 + at + 0.3, "names", [name for name, _ in depths])
        writer.write(T0 + at + 0.3, "depths", reports)
    writer.close()
    return path


async def opened(path: Path, query: str) -> Engine:
    engine = Engine(Profile(broker=f"replay://{path}{query}"))
    await engine.start()
    await engine.ready(10)
    return engine


async def there(engine: Engine, at: float) -> None:
    async def arrived() -> bool:
        reel = (await engine.overview()).reel
        return reel is not None and reel.played is None and reel.at >= T0 + at

    assert await until(arrived)


async def by_all_ways(path: Path, at: float) -> dict[str, Engine]:
    """To a moment in one jump and in many, which is as if it had been played."""
    jumped = await opened(path, f"?speed=1&paused=1&from={at!r}")
    stepped = await opened(path, "?speed=1&paused=1&from=2.5")
    for place in range(5, int(at), 5):
        await stepped.replay("jump", T0 + place)
        await there(stepped, place)
    await stepped.replay("jump", T0 + at)
    await there(stepped, at)
    return {"jumped": jumped, "stepped": stepped}


async def shown(engine: Engine) -> dict[str, Any]:
    now = engine._parts.clock()
    rows = (await engine.tasks(TaskQuery())).rows
    found: dict[str, Any] = {"tasks": {}, "workers": {}, "queues": {}}
    for row in rows:
        found["tasks"][row.id] = msgspec.to_builtins(await engine.task(row.id))
    for worker in engine._store.workers(now):
        found["workers"][worker.name] = {**msgspec.to_builtins(worker), "stamp": 0}
    for queue in engine._store.queues(now):
        found["queues"][queue.name] = {**msgspec.to_builtins(queue), "stamp": 0}
    return found


@pytest.mark.parametrize("at", [4.0, 20.0, 52.0, 80.0, 108.0, 112.0, 129.0])
async def test_a_jump_across_an_outage_keeps_what_workers_told_before_it(outage: Path, at: float) -> None:
    ways = await by_all_ways(outage, at)
    stood = {way: await shown(engine) for way, engine in ways.items()}
    assert stood["jumped"] == stood["stepped"]
    [worker] = stood["jumped"]["workers"].values()
    assert (worker["pool"], worker["prefetch"], worker["queues"]) == ("prefork", 8, ["celery"])
    states = {id: task["state"] for id, task in stood["jumped"]["tasks"].items()}
    assert states.get(HELD) == "scheduled"
    assert states.get(RUNS) == (None if at < 11 else "started" if at < 100 else "lost")
    for engine in ways.values():
        await engine.close()


async def test_back_to_a_moment_that_was_kept_it_is_known_too(
    outage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to one between two answers of a round."""
    monkeypatch.setattr(rewinding, "EVENTS", 1)
    monkeypatch.setattr(broker, "SLICE", 0.0)
    engine = await opened(outage, "?speed=1&paused=1&from=129")
    assert engine._parts.rewinder is not None and len(engine._parts.rewinder._moments) > 8
    for at in (112.0, 110.1, 80.0, 20.0, 4.0):
        reel = await engine.replay("jump", T0 + at)
        assert reel.reopen
        engine = await engine.again(Profile(broker=reel.reopen))
        await engine.start()
        await engine.ready(10)
        other = await opened(outage, f"?speed=1&paused=1&from={at!r}")
        assert await shown(engine) == await shown(other), at
        await other.close()
    await engine.close()


async def test_in_an_outage_nobody_looks_as_if_it_had_answered_just_now(outage: Path) -> None:
    engine = await opened(outage, "?speed=1&paused=1&from=30")
    [worker] = await engine.workers()
    assert worker.state == "unknown" and worker.last_seen is not None and worker.last_seen < T0 + 12
    detail = await engine.worker("w1@h")
    assert detail.at is not None and detail.at < T0 + 2
    await engine.close()


@pytest.mark.parametrize(
    "query", ["", "?speed=1&paused=1&from=129", "?speed=40&from=0", "?speed=200&from=60"]
)
async def test_what_is_found_at_the_end_is_the_same_at_any_pace(outage: Path, query: str) -> None:
    engine = await opened(outage, query)
    await there(engine, 129)
    expected = {("task-lost", RUNS), ("queue-without-consumer", "nobodys")}

    async def found() -> bool:
        return {(one.code, one.subject) for one in (await engine.doctor()).findings} == expected

    assert await until(found), (await engine.doctor()).findings
    examined = await engine.doctor()
    assert {"task-lost", "worker-lost", "queue-without-consumer"} <= set(examined.checked)
    [why] = [one.why for one in examined.unchecked if one.code == "message-orphaned"]
    assert why == "Which messages are unacknowledged is not in a recording."
    assert (await engine.why(RUNS)).text.startswith("Lost: w1@h, which ran it, began anew")
    await engine.close()


async def test_while_workers_come_back_after_an_outage_that_was_jumped_over_none_is_missed(
    outage: Path,
) -> None:
    engine = await opened(outage, "?speed=1&paused=1&from=53")
    await asyncio.sleep(0.3)
    examined = await engine.doctor()
    assert [one.why for one in examined.unchecked if one.code == "worker-lost"] == [
        "The broker came back 3 s ago; its workers may need 21 s more to be heard."
    ]
    await engine.close()


async def test_a_look_at_the_queues_is_in_a_chart_once(outage: Path) -> None:
    engine = await opened(outage, "?speed=1&paused=1&from=80.5")
    await engine.refresh()
    [queue] = [one for one in await engine.queues() if one.name == "nobodys"]
    assert queue.history == [3] * 16  # Seconds 50, 52 … 80.
    await engine.close()


def answered(method: str, at: float, asked: float, names: tuple[str, ...] = ("w1@h",)) -> Frame:
    replies = Replies(
        expected=1, replies=[Reply(name, [], 0.1) for name in names], complete=True, asked=T0 + asked
    )
    return Frame(T0 + at, "answer", Answer(method, replies))


def test_answers_to_what_was_asked_at_once_belong_together() -> None:
    said = Said()
    first = [answered("ping", 0.1, 0.0), answered("active", 2.1, 0.01), answered("stats", 2.2, 0.02)]
    for frame in first:
        assert not said.over(frame)
        said.take(frame)
    assert said.round is not None and list(said.round.answers) == ["ping", "active", "stats"]
    assert not said.over(Frame(T0 + 2.2 + SETTLED, "names", []))
    assert said.over(Frame(T0 + 2.3 + SETTLED, "names", []))
    assert said.over(answered("ping", 2.3, 0.5))  # The same question again.
    assert said.over(answered("reserved", 2.3, 1.5))
    copied, again = said.copy(), answered("ping", 10, 9.9)
    said.take(again)
    assert list(said.round.answers) == ["ping"] and said.round.asked == T0 + 9.9
    assert copied.round is not None and len(copied.round.answers) == 3


async def test_a_ping_by_itself_proves_nobody_silent(tmp_path: Path) -> None:
    """It asks who is late, and waits for less time than a round."""
    path = tmp_path / "ping.tape"
    writer = TapeWriter(path)
    writer.write(T0, "workers", ["w1@h"])
    tell(writer, 0, values(10, []))
    writer.write(T0 + 5, "answer", answered("ping", 5, 4, names=()).said)
    writer.write(T0 + 8, "names", ["celery"])
    writer.close()
    engine = await opened(path, "")
    [record] = engine._store._workers.known.values()
    assert record.silent is None
    await engine.close()
