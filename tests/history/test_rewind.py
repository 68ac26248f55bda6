"""Back in a recording it stands as it stood: from what was kept on the way, as if played up to there."""

from __future__ import annotations

import asyncio
import gzip
import math
import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from lazycelery.engine import rewinding
from lazycelery.engine.client import spawn
from lazycelery.engine.engine import Engine
from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.metrics import RATES, TIMES, Metrics
from lazycelery.model.profile import Profile
from lazycelery.model.reports import QueueReport
from lazycelery.model.task import TaskQuery
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.replay.broker import ReplayBroker
from lazycelery.sources.replay.reader import HEAD
from lazycelery.sources.replay.tape import Answer, Tape, TapeWriter
from lazycelery.store import sealing
from lazycelery.store.filter import matching, needle
from tests.engine.test_contract import until
from tests.store.build import T0, failed, received, retried, started, succeeded
from tests.store.test_large_stores import result_of

SECONDS = 240


def beat(at: float, worker: str) -> Event:
    return Event(
        type="worker-heartbeat",
        hostname=worker,
        timestamp=T0 + at,
        received=T0 + at,
        freq=2.0,
        active=1,
        processed=int(at),
    )


def lives(seed: int) -> Iterator[tuple[float, list[Event]]]:
    """Tasks of all kinds of lives; one worker falls silent in the middle."""
    dice, number = random.Random(seed), 0
    waiting: list[tuple[float, Event]] = []
    for step in range(SECONDS * 4):
        at = step / 4
        for _ in range(dice.randrange(3)):
            number += 1
            id, worker = f"{number:08x}-{seed}", dice.choice(("w1@h", "w2@h"))
            own = {"name": f"shop.n{dice.randrange(5)}", "args": f"({number}, 'é')"}
            waiting.append((at, received(at, id, worker=worker, **own)))
            run, kind = at + dice.expovariate(0.2), dice.random()
            if kind < 0.9:
                waiting.append((at + 0.1, started(at + 0.1, id, worker=worker)))
            if kind < 0.6:
                waiting.append((run + 0.2, succeeded(run + 0.2, id, worker=worker, result=str(number % 7))))
            elif kind < 0.7:
                waiting.append((run + 0.2, failed(run + 0.2, id, worker=worker)))
            elif kind < 0.8:
                waiting.append((run + 0.2, retried(run + 0.2, id, worker=worker)))
                waiting.append((run + 1, received(run + 1, id, worker=worker, retries=1)))
        if step % 8 == 0:
            waiting += [(at, beat(at, name)) for name in ("w1@h", "w2@h") if name == "w1@h" or at < 120]
        waiting.sort(key=lambda one: one[0])
        due = [event for moment, event in waiting if moment <= at]
        waiting = waiting[len(due) :]
        for event in due:
            event.received = T0 + at
        yield at, due


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tapes") / "long.tape"
    writer = TapeWriter(path)
    write(writer, 0.0)
    writer.close()
    return path


def write(writer: TapeWriter, shift: float) -> None:
    for at, events in lives(7):
        if at % 10 == 0:
            stats = {"pool": {"max-concurrency": 2, "processes": [11, 12]}, "total": {}, "pid": 10}
            for method, value in (("ping", {"ok": "pong"}), ("stats", stats)):
                replies = [Reply("w1@h", value, 0.1)]
                answer = Answer(method, Replies(expected=1, replies=replies, complete=True))
                writer.write(T0 + at + shift, "answer", answer)
            writer.write(T0 + at + shift, "names", ["celery"])
        if at % 2 == 0:
            report = QueueReport(name="celery", at=T0 + at + shift, type="list", messages=int(at) % 17)
            writer.write(T0 + at + shift, "depths", [report])
        if events:
            writer.write(T0 + at + shift, "events", events)


async def begun(engine: Engine) -> Engine:
    await engine.start()
    await engine.ready(10)
    return engine


async def fresh(path: Path, at: float) -> Engine:
    return await begun(Engine(Profile(broker=f"replay://{path}?speed=1&paused=1&from={at!r}")))


async def there(engine: Engine) -> None:
    async def arrived() -> bool:
        reel = (await engine.overview()).reel
        return reel is not None and reel.played is None

    assert await until(arrived)


async def jumped(engine: Engine, at: float) -> Engine:
    reel = await engine.replay("jump", T0 + at)
    if reel.reopen:
        engine = await begun(await engine.again(Profile(broker=reel.reopen)))
    await there(engine)
    return engine


async def shown(engine: Engine) -> dict[str, Any]:
    """All that can be looked at, of one moment."""
    store, now = engine._store, engine._parts.clock()
    rows = (await engine.tasks(TaskQuery(limit=10_000))).rows
    tasks = {row.id: msgspec.to_builtins(await engine.task(row.id, fetch=False)) for row in rows}
    store._census._usual.clear()  # Good for half a minute.
    facts = store.task_facts_steps(now, 300.0)
    try:
        while True:
            next(facts)
    except StopIteration as done:
        counted = done.value
    figures = {
        (kind, window): msgspec.to_builtins(await engine.statistics(kind, window))  # type: ignore[arg-type]
        for kind in ("task", "worker", "queue")
        for window in (60.0, 3600.0)
    }
    log = await engine.log(limit=500)
    return {
        "now": now,
        "order": [row.id for row in rows],
        "slow": [row.id for row in (await engine.tasks(TaskQuery(sort="runtime", limit=500))).rows],
        "found": [row.id for row in (await engine.tasks(TaskQuery(filter="state:failure error:~o"))).rows],
        "said": [row.id for row in (await engine.tasks(TaskQuery(filter="é -state:retry"))).rows],
        "prefix": store.resolve("0000000"),
        "tasks": tasks,
        "counts": store.counts(),
        "facts": msgspec.to_builtins(counted, enc_hook=repr),
        "workers": [
            (one.name, one.state, one.heartbeat_age, one.failed, one.loss) for one in store.workers(now)
        ],
        "queues": [(one.name, one.messages) for one in store.queues(now)],
        "figures": figures,
        "rate": round(store.events_per_second(now) / 100),  # by whole pieces
        "seen": store.events_seen(),
        "metrics": rates(await engine.metrics()),
        "log": [(line.at, line.type, line.id, line.name, line.seq) for line in log.lines],
        "groups": sorted((one.id, one.count) for one in (await engine.errors(_query())).groups),
    }


def rates(metrics: Metrics) -> list[Any]:
    """What was counted in each of the recording's seconds and minutes; levels come with the looks."""
    return [
        (ring.end, {name: ring.values[name] for name in (*RATES, *TIMES)})
        for ring in (metrics.fine, metrics.coarse)
    ]


def _query() -> Any:
    from lazycelery.model.faults import ErrorQuery

    return ErrorQuery()


async def test_after_a_jump_it_stands_as_when_played_up_to_there(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewinding, "EVENTS", 150)
    for module in (sealing, needle, matching):
        monkeypatch.setattr(module, "BLOCK", 64)
    dice = random.Random(3)
    engine = await fresh(tape, SECONDS - 5.0)
    assert engine._parts.rewinder is not None and len(engine._parts.rewinder._moments) > 8
    places = [0.0, 3.0, *(dice.uniform(0, SECONDS - 6) for _ in range(5)), 130.0, 129.5, 200.0, 198.0, 20.0]
    for place in places:
        before = engine
        for _ in range(2):  # As once a second of ours.
            result_of(engine._store.columns.seal())
        engine = await jumped(engine, place)
        # Further on in the same recording, and back again: nothing of what was later is left.
        if dice.random() < 0.3:
            engine = await jumped(await jumped(engine, min(SECONDS - 6, place + 40)), place)
        other = await fresh(tape, place)
        mine, theirs = await shown(engine), await shown(other)
        for name, value in theirs.items():
            assert value == mine[name], (place, name, before is engine)
        await other.close()
    await engine.close()


async def test_a_full_store_goes_back_too(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks that had to leave are there again, and slots that were used again are not."""
    monkeypatch.setattr(rewinding, "EVENTS", 200)
    engine = Engine(Profile(broker=f"replay://{tape}?speed=1&paused=1&from={SECONDS - 5.0!r}", max_tasks=100))
    engine = await begun(engine)
    for place in (200.0, 77.3, 150.1, 40.0):
        reel = await engine.replay("jump", T0 + place)
        if reel.reopen:
            engine = await begun(await engine.again(Profile(broker=reel.reopen, max_tasks=100)))
        await there(engine)
        other = await begun(
            Engine(Profile(broker=f"replay://{tape}?speed=1&paused=1&from={place!r}", max_tasks=100))
        )
        ids = {row.id for row in (await engine.tasks(TaskQuery())).rows}
        assert len(ids) <= 100 and (await engine.overview()).tasks_total == len(ids)
        assert engine._store.events_seen() == other._store.events_seen()
        assert ids == {row.id for row in (await other.tasks(TaskQuery())).rows}
        await other.close()
    await engine.close()


async def test_without_room_for_what_is_kept_it_plays_from_its_beginning_and_says_so(
    tape: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(rewinding, "EVENTS", 150)
    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    engine = await fresh(tape, 100.0)
    assert any("no room" in notice.title for notice in (await engine.overview()).notices)
    engine = await jumped(engine, 50.0)
    other = await fresh(tape, 50.0)
    assert (await shown(engine))["tasks"] == (await shown(other))["tasks"]
    await engine.close()
    await other.close()


async def test_old_moments_thin_out_and_the_newest_stay(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewinding, "EVENTS", 20)
    monkeypatch.setattr(rewinding, "MOST", 30)
    engine = await fresh(tape, SECONDS - 5.0)
    rewinder = engine._parts.rewinder
    assert rewinder is not None and len(rewinder._moments) <= 30
    first, engine = engine, await jumped(engine, 33.0)
    other = await fresh(tape, 33.0)
    assert (await shown(engine))["tasks"] == (await shown(other))["tasks"]
    reel = await engine.replay("jump", T0 + 200)
    assert reel.reopen  # Not played again up to there.
    engine = await begun(await engine.again(Profile(broker=reel.reopen)))
    await there(engine)
    await other.close()
    other = await fresh(tape, 200.0)
    await engine.replay("jump", T0 + 200.5)  # So near that it is played.
    await there(engine)
    await other.replay("jump", T0 + 200.5)
    await there(other)
    assert (await shown(engine))["tasks"] == (await shown(other))["tasks"]
    await first.close()  # Once more: what was kept is the next engine's.
    assert rewinder._log is not None and not rewinder._log._file.closed
    await engine.close()
    await other.close()
    assert rewinder._log._file.closed
    assert all(one._parts.player._reader._file.closed for one in (first, engine, other))  # type: ignore[union-attr]


async def test_a_jump_is_changed_by_the_next_one(tape: Path) -> None:
    engine = await fresh(tape, 10.0)
    far = await engine.replay("jump", T0 + 230)
    assert far.at == T0 + 230 and far.played is not None
    near = await engine.replay("jump", T0 + 20)
    assert near.at == T0 + 20 and not near.reopen
    await there(engine)
    assert engine._parts.clock() == T0 + 20
    assert (await engine.overview()).reel.at == T0 + 20  # type: ignore[union-attr]
    await engine.close()


async def test_a_step_on_the_way_holds_where_it_goes_and_never_leads_back(tape: Path) -> None:
    player = ReplayBroker(Profile(broker=f"replay://{tape}?speed=1&from=100"))
    reel = player.turn("step", 0.0)
    assert (reel.at, reel.paused) == (T0 + 100, True)
    # Fast, it has gone on beyond what it waited for last.
    player._time.arrive()
    player._next, player._last = T0 + 5, T0 + 100.5
    assert player.turn("step", 0.0).at == T0 + 100.5


async def test_the_same_process_goes_back(tape: Path) -> None:
    client = await spawn().connect(Profile(broker=f"replay://{tape}?speed=1&paused=1&from=200"))
    await client.api.ready(10)
    many = (await client.api.overview()).tasks_total
    waits = asyncio.ensure_future(client.api.tick(-1, 10.0))
    reel = await client.api.replay("jump", T0 + 20)
    assert await client.anew(Profile(broker=reel.reopen)) is client
    await client.api.ready(10)
    overview = await client.api.overview()
    assert overview.now == T0 + 20 and 0 < overview.tasks_total < many
    waits.cancel()
    await client.close()


async def test_statistics_are_those_of_the_recordings_seconds_at_any_pace(tape: Path) -> None:
    """What was jumped over did not all happen in the last second."""
    engine = await fresh(tape, 200.0)
    minute, hour = await engine.statistics("task", 60.0), await engine.statistics("task", 3600.0)
    ended = [sum(row.ended for row in figures.rows) for figures in (minute, hour)]
    assert 0 < ended[0] < 0.6 * ended[1]
    assert 190 < hour.until - hour.since < 202
    counted = (await engine.metrics()).fine
    ran = [value or 0.0 for value in counted.values["succeeded"]]
    assert counted.end == math.floor(T0 + 200) and len(ran) == 200
    assert 0 < max(ran) < 0.1 * sum(ran)
    await asyncio.sleep(1.2)  # It is held, and no second of it is over.
    assert len((await engine.metrics()).fine.values["succeeded"]) == 200
    await engine.close()


async def test_seconds_that_nobody_recorded_are_blank_in_the_charts(tmp_path: Path) -> None:
    path = tmp_path / "slept.tape"
    writer = TapeWriter(path)
    for at in (0, 1, 121, 122):
        writer.write(T0 + at, "events", [beat(at, "w1@h"), received(at, f"{at}")])
    writer.close()
    engine = await fresh(path, 122.0)
    fine, coarse = (await engine.metrics()).fine, (await engine.metrics()).coarse
    told = fine.values["received"]
    assert len(told) == 122 and told[:1] == [1.0] and told[-1] == 1.0
    assert told[5:110] == [None] * 105
    assert coarse.values["received"] == [None]
    await engine.close()


# ---- files that are not as they should be


async def test_a_clock_that_was_set_back_while_it_was_recorded_is_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "back.tape"
    writer = TapeWriter(path)
    writer.write(T0, "events", [beat(0, "w1@h"), received(0, "a"), started(0, "a")])
    writer.write(T0 + 100, "events", [beat(100, "w1@h")])
    writer.write(T0 - 3500, "events", [beat(-3500, "w1@h"), received(-3500, "b")])
    writer.write(T0 - 3490, "events", [beat(-3490, "w1@h"), started(-3490, "b"), succeeded(-3488, "b")])
    writer.close()
    tape = Tape(path)
    assert (tape.start, tape.end, tape.set_back) == (T0, T0 + 110, 3600)
    engine = await fresh(path, 110.0)
    task = await engine.task("b", fetch=False)
    assert task.received == T0 + 100 and task.state == "success"
    assert any("set back by 3600 s" in notice.title for notice in (await engine.overview()).notices)
    assert [one.state for one in await engine.workers()] in (["online"], ["busy"])
    await engine.close()


async def test_nobody_waits_for_what_was_never_said(tmp_path: Path) -> None:
    """A laptop that slept, a clock that was set forward."""
    path = tmp_path / "slept.tape"
    writer = TapeWriter(path)
    writer.write(T0, "events", [received(0, "a")])
    writer.write(T0 + 86_400, "events", [received(86_400, "b")])
    writer.close()
    engine = await begun(Engine(Profile(broker=f"replay://{path}?speed=1")))

    async def came() -> bool:
        return (await engine.overview()).tasks_total == 2

    assert await until(came)
    await engine.close()


@pytest.mark.parametrize("what", ["head", "length", "body"])
async def test_after_a_damaged_piece_it_goes_on(tape: Path, tmp_path: Path, what: str) -> None:
    whole = tape.read_bytes()
    frames = len(list(Tape(tape).frames()))
    middle = whole.index(b"\x92\xa6events", len(whole) // 2)
    place = {"head": middle - HEAD.size, "length": middle - HEAD.size + 1, "body": middle + 20}[what]
    bad = bytearray(whole)
    bad[place : place + 3] = b"\xff\xff\xff" if what != "length" else b"\x03\xff\x11"
    path = tmp_path / "bad.tape"
    path.write_bytes(bad)
    again = Tape(path)
    assert again.end == Tape(tape).end
    assert frames - 3 <= len(list(again.frames())) < frames
    engine = await fresh(path, SECONDS - 5.0)
    assert any("damaged or cut off" in notice.title for notice in (await engine.overview()).notices)
    await engine.close()


def test_what_no_writer_wrote_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "strange.tape"
    writer = TapeWriter(path)
    writer.write(T0, "events", [received(0, "a")])
    for moment in (math.nan, math.inf, -math.inf, 1e300):
        event = received(1, "b")
        event.received = moment
        writer.write(T0 + 1, "events", [event])
    deep = msgspec.Raw(b"\x91" * 5_000 + b"\xc0")
    replies = Replies(expected=1, replies=[Reply("w1@h", deep, 0.1)], complete=True)
    writer.write(T0 + 2, "answer", Answer("ping", replies))
    writer.write(T0 + 3, "events", [received(3, "c")])
    writer.close()
    reader = Tape(path).reader()
    assert [frame.at for frame in iter(reader.frame, None)] == [T0, T0 + 3]
    assert reader.unread == 5
    reader.close()


@pytest.mark.parametrize("name", [b"a?b=1&c#d.tape", b"a%20b.tape", "ä b.tape".encode(), b"\xff.tape"])
async def test_whatever_its_name_it_goes_back(tape: Path, tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(tape.read_bytes())
    except OSError:
        pytest.skip("no name of a file here")
    player = ReplayBroker(Profile(broker=f"replay://{quote(os.fsencode(path))}?speed=1&from=100"))
    player._last = T0 + 100
    again = player.turn("jump", T0 + 20).reopen
    assert player.moment(Profile(broker=again)) == T0 + 20


async def test_a_recording_is_named_as_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "me@work 100% (1).tape"
    writer = TapeWriter(path)
    writer.write(T0, "events", [received(0, "a")])
    writer.close()
    engine = await begun(Engine(Profile(broker=f"replay://{quote(os.fsencode(path))}?speed=1")))
    assert (await engine.overview()).profile == str(path)
    await engine.close()


async def test_one_that_is_still_recorded_is_followed(tape: Path, tmp_path: Path) -> None:
    path = tmp_path / "grows.tape"
    writer = TapeWriter(path)
    writer.write(T0, "events", [received(0, "a")])
    engine = await begun(Engine(Profile(broker=f"replay://{path}?speed=50")))
    assert (await engine.overview()).reel.ended  # type: ignore[union-attr]
    with path.open("ab") as file:
        file.write(b"\x00\x00")  # Not all of it is there yet.
        file.flush()
        await asyncio.sleep(1.2)
        os.truncate(path, path.stat().st_size - 2)
    writer._file.seek(0, os.SEEK_END)
    writer.write(T0 + 5, "events", [received(5, "b")])
    writer.write(T0 + 9, "names", ["celery"])

    async def came() -> bool:
        overview = await engine.overview()
        return overview.tasks_total == 2 and overview.reel is not None and overview.reel.end == T0 + 9

    assert await until(came)
    writer.close()
    await engine.close()


def test_a_packed_one_is_named(tape: Path, tmp_path: Path) -> None:
    path = tmp_path / "long.tape.gz"
    path.write_bytes(gzip.compress(tape.read_bytes()))
    with pytest.raises(UsageError, match="gzip"):
        Tape(path)
