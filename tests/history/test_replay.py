"""What is recorded plays again as if it were live, for every face."""

from __future__ import annotations

import asyncio
import math
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lazycelery.cli.commands.replay import MAGIC as CLI_MAGIC
from lazycelery.engine.client import spawn
from lazycelery.engine.engine import Engine
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order
from lazycelery.model.cluster import SourceHealth
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import ActiveQueue, WorkerReport, WorkerStats
from lazycelery.model.task import TaskQuery
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.events import EventBatch
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay.broker import ReplayBroker
from lazycelery.sources.replay.reader import Reader
from lazycelery.sources.replay.recording import RecordingBroker
from lazycelery.sources.replay.tape import MAGIC, Answer, Tape, TapeWriter
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store
from tests.cli.conftest import Ran
from tests.engine.test_contract import state_of, until
from tests.store.build import T0, failed, received, started, succeeded
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send


def beat(at: float) -> Event:
    return Event(
        type="worker-heartbeat",
        hostname="w1@h",
        timestamp=T0 + at,
        received=T0 + at,
        freq=2.0,
        active=1,
        processed=3,
    )


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Twenty seconds: a task that ends early, one that ends late, one that does not end."""
    path = tmp_path / "one.tape"
    writer = TapeWriter(path)
    stats = {"pool": {"max-concurrency": 2, "processes": [11, 12]}, "total": {}, "pid": 10}
    for method, value in (
        ("ping", {"ok": "pong"}),
        ("stats", stats),
        ("active", []),
        ("active_queues", [{"name": "celery"}]),
        ("conf", {"result_backend": "redis://elsewhere/0"}),
    ):
        answer = Answer(method, Replies(expected=1, replies=[Reply("w1@h", value, 0.1)], complete=True))
        writer.write(T0, "answer", answer)
    writer.write(T0, "workers", ["w1@h"])
    writer.write(T0, "names", ["celery"])
    writer.write(T0 + 1, "events", [beat(1), received(1, "a"), started(1, "a"), succeeded(2, "a")])
    writer.write(T0 + 10, "events", [beat(10), received(10, "b"), started(10, "b")])
    writer.write(T0 + 20, "events", [beat(20), succeeded(20, "b"), received(20, "c"), started(20, "c")])
    writer.close()
    return path


async def opened(path: Path, query: str = "", **own: object) -> Engine:
    engine = Engine(Profile(broker=f"replay://{path}{query}", **own))  # type: ignore[arg-type]
    await engine.start()
    await engine.ready(5)
    return engine


async def states(engine: Engine) -> dict[str, str]:
    return {row.id: row.state for row in (await engine.tasks(TaskQuery())).rows}


async def test_all_at_once_it_stands_as_at_the_end(tape: Path) -> None:
    engine = await opened(tape)
    overview = await engine.overview()
    assert await states(engine) == {"a": "success", "b": "success", "c": "started"}
    assert (overview.now, overview.speed, overview.read_only) == (T0 + 20, 0.0, True)
    assert any("recording of 20 s" in notice.title for notice in overview.notices)
    [worker] = await engine.workers()
    assert (worker.name, worker.state, worker.concurrency, worker.queues) == ("w1@h", "online", 2, ["celery"])
    assert [queue.name for queue in await engine.queues()] == ["celery"]
    assert (await engine.task("a")).runtime == 1.0
    await engine.close()


async def test_the_same_is_answered_however_often_it_is_asked(tape: Path) -> None:
    """Who asks takes the answers apart."""
    broker = ReplayBroker(Profile(broker=f"replay://{tape}"))
    playing = asyncio.ensure_future(broker.events.run(lambda _: None, lambda _: None))
    what = ("ping", "stats", "active", "active_queues", "conf")
    first, again = [await Control(broker.mailbox).survey(what=what, clock=broker.clock) for _ in range(2)]
    assert first == again and first[0].stats is not None and first[0].conf
    playing.cancel()
    await broker.close()


async def test_it_plays_at_its_pace_from_where_it_is_told(tape: Path) -> None:
    engine = await opened(tape, "?speed=10&from=5")
    assert await states(engine) == {"a": "success"}
    began = time.monotonic()

    async def running() -> bool:
        return (await states(engine)).get("b") == "started"

    assert await until(running)
    assert 0.2 < time.monotonic() - began < 1.5
    overview = await engine.overview()
    assert overview.speed == 10 and T0 + 10 <= overview.now < T0 + 20

    async def ended() -> bool:
        return (await states(engine)).get("c") == "started"

    assert await until(ended)
    await asyncio.sleep(0.3)
    assert (await engine.overview()).now == T0 + 20  # Its time stands still after its end.
    await engine.close()


async def test_nothing_in_it_can_be_changed(tape: Path) -> None:
    engine = await opened(tape, allow=["revoke", "purge"])
    assert (await engine.overview()).allowed == []
    with pytest.raises(Refused):
        await engine.unlock(["revoke"])
    for order in (Order(action="revoke", targets=["c"]), Order(action="purge", targets=["celery"])):
        try:
            plan = await engine.plan(order)
        except LazyCeleryError:
            continue
        with pytest.raises(LazyCeleryError):
            await engine.act(plan.id)
    with pytest.raises(LazyCeleryError):
        await engine.peek("celery")
    assert engine._watch.backend.results is None  # Nobody connects to where the workers' results were.
    await engine.close()


async def test_it_plays_in_another_process_too(tape: Path) -> None:
    client = await spawn().connect(Profile(broker=f"replay://{tape}", recorder=True))
    await client.api.ready(5)
    assert len((await client.api.tasks(TaskQuery())).rows) == 3
    await client.close()


def test_a_recording_that_was_cut_off_plays_up_to_there(tape: Path) -> None:
    os.truncate(tape, tape.stat().st_size - 7)
    again = Tape(tape)
    assert again.end == T0 + 10
    assert [frame.kind for frame in again.frames()][-1] == "events"


@pytest.mark.parametrize("content", [b"", b"something else", MAGIC, MAGIC + b"\xff" * 40])
def test_what_is_no_recording_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        Tape(path)


@pytest.mark.parametrize("query", ["?speed=x", "?speed=-1", "?from=-1", "?speed=nan"])
def test_a_wrong_pace_is_said(tape: Path, query: str) -> None:
    with pytest.raises(UsageError):
        Engine(Profile(broker=f"replay://{tape}{query}"))


def test_commands_read_a_recording(tape: Path, run: Callable[..., Ran]) -> None:
    ran = run("--broker", f"replay://{tape}", "tasks", "state:success", "--json", broker=False)
    assert [task["id"] for task in ran.json] == ["b", "a"]
    assert run("--broker", f"replay://{tape}", "status", broker=False).code == 0


def test_a_finding_that_a_recording_has_not_is_not_to_be_waited_for(
    tape: Path, run: Callable[..., Ran]
) -> None:
    ran = run("--broker", f"replay://{tape}", "finding", "ack", "worker-lost", "--observe", "0", broker=False)
    assert ran.code == 1 and "There is no finding worker-lost in this recording." in ran.err
    assert "`lazycelery doctor` tells what there is at its end." in ran.err
    assert "--observe" not in ran.err


def test_commands_say_that_it_is_one_and_what_of_it_is_damaged(
    tape: Path, run: Callable[..., Ran], tmp_path: Path
) -> None:
    content = bytearray(tape.read_bytes())
    place = content.index(b"\xa6events") + 20
    content[place : place + 3] = b"\xff\xff\xff"
    bad = tmp_path / "bad.tape"
    bad.write_bytes(content)
    for command in ("tasks", "workers", "doctor", "status"):
        for path in (tape, bad):
            ran = run("--broker", f"replay://{path}", command, broker=False)
            assert "recording of 20 s" in ran.err and "recording of" not in ran.out
            assert ("is damaged" in ran.err) == (path == bad), command
            # What helps with a live cluster helps nobody here.
            assert not any(
                option in ran.err for option in ("--backend", "--observe", "--timeout", "history =")
            )
    examined = run("--broker", f"replay://{tape}", "doctor", broker=False).out
    assert "at the end of the 20 s that were recorded." in examined
    retry = ("--broker", f"replay://{tape}", "retry", "a", "--allow", "retry")
    for given, code, told in (("--yes", 4, "Error: "), ("--dry-run", 0, "Dry run: nothing was done. ")):
        ran = run(*retry, given, broker=False)
        assert ran.code == code, ran.err
        assert (
            f"{told}This is a recording. It can be looked at, and nothing in it can be changed."
            in " ".join(ran.err.split())
        )
        assert "--allow" not in ran.err and "Read-only" not in ran.err
    assert "keeps no history" in run("--broker", f"replay://{tape}", "history", broker=False).err


async def test_the_workers_settings_are_those_that_they_told(tape: Path) -> None:
    engine = await opened(tape)
    assert (await engine.worker("w1@h")).conf["result_backend"] == "redis://elsewhere/0"
    examined = await engine.doctor()
    assert "results-off" in examined.checked and not [
        one for one in examined.findings if one.code == "results-off"
    ]
    results = next(one for one in (await engine.overview()).sources if one.name == "results")
    assert results.state == "off" and "recording" in results.reason
    await engine.close()


async def test_the_first_sentence_about_a_worker_is_of_the_moment_of_its_fields(tape: Path) -> None:
    """However long ago all was looked at: on a busy machine that is seconds."""
    engine = await opened(tape)
    held = await engine._examiner.snapshots.now()
    engine._examiner.snapshots._recent = (held, math.inf, math.inf)
    before = await engine.why("w1@h", "worker", fetch=False)
    assert before.text == "w1@h is online: 1 of 2 slots taken, it takes from celery."
    now = engine._parts.clock()
    stats = WorkerStats(worker="w1@h", pool="prefork", concurrency=4, processes=[11, 12, 13, 14])
    told = WorkerReport(worker="w1@h", at=now, ping=True, stats=stats, queues=[ActiveQueue(name="mail")])
    engine._store.apply_worker(told)
    engine._store.apply_worker(msgspec.structs.replace(told, worker="w2@h"))
    after = await engine.why("w1@h", "worker", fetch=False)
    assert after.text == "w1@h is online: 1 of 4 slots taken, it takes from mail."
    [seen, _] = await engine.workers()
    assert after.worker == seen and before.worker is not None and before.worker.concurrency == 2
    assert (await engine.why("w2@h", "worker", fetch=False)).text.startswith("w2@h is online")
    await engine.close()


def test_the_command_looks_before_it_opens_the_screen(
    tape: Path, tmp_path: Path, run: Callable[..., Ran]
) -> None:
    assert MAGIC.startswith(CLI_MAGIC)
    other = tmp_path / "other"
    other.write_text("no")
    assert "is no recording" in run("replay", str(other), broker=False).err
    assert "cannot be read" in run("replay", str(tmp_path / "none"), broker=False).err
    assert "no span" in run("replay", str(tape), "--from", "soon", broker=False).err
    assert "needs a terminal" in run("replay", str(tape), broker=False).err


def test_a_recording_is_never_written_over(tape: Path, run: Callable[..., Ran]) -> None:
    before = tape.read_bytes()
    ran = run("status", "--record", str(tape))
    assert ran.code == 2 and "already there" in ran.err and tape.read_bytes() == before


@pytest.mark.broker
async def test_what_an_engine_saw_is_there_again_without_its_secrets(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    path = tmp_path / "live.tape"
    engine = Engine(Profile(broker=broker.url, record=str(path)))
    await engine.start()
    await engine.ready(10)
    good = send(broker.url, "shop.add", 1, 2)
    failed = send(broker.url, "shop.charge", 5, password="hunter2-0815")

    async def seen() -> bool:
        said = {line.type for line in (await engine.log(limit=100)).lines}  # A result may be here before.
        return (await state_of(engine, good), await state_of(engine, failed)) == ("success", "failure") and {
            "task-succeeded",
            "task-failed",
        } <= said

    assert await until(seen)
    assert any(str(path) in notice.title for notice in (await engine.overview()).notices)
    workers = [(one.name, one.pool, one.queues) for one in await engine.workers()]
    await engine.close()
    assert b"hunter2" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    reader = Reader(path)
    frames = list(iter(reader.frame, None))
    reader.close()
    assert [one.said.state for one in frames if one.kind == "control"] == ["connected"]
    asked = [(one.at, one.said.replies.asked) for one in frames if one.kind == "answer"]
    assert asked and all(then is not None and at - 5 < then <= at for at, then in asked)
    again = await opened(path)
    assert await states(again) == {good: "success", failed: "failure"}
    assert [(one.name, one.pool, one.queues) for one in await again.workers()] == workers
    assert [one.state for one in await again.workers()] == ["online"]
    await again.close()
    # An engine that takes another one's place goes on in a file of its own.
    second = Engine(Profile(broker=broker.url, record=str(path)))
    await second.start()
    await second.ready(10)
    await second.close()
    assert Tape(path.with_name("live.tape.2")).end > Tape(path).end


async def test_what_is_let_go_under_load_is_recorded_all_the_same(tape: Path, tmp_path: Path) -> None:
    path = tmp_path / "again.tape"
    player = WholeBroker(open_broker(Profile(broker=f"replay://{tape}")))
    recording = RecordingBroker(player, path, Redactor())
    heard: list[Event] = []

    def deliver(batch: EventBatch) -> None:
        heard.extend(batch.events)
        for event in batch.events:
            event.args = event.result = None  # As the store does it.

    assert recording.events is not None
    playing = asyncio.create_task(recording.events.run(deliver, lambda change: None))

    async def all_of_it() -> bool:
        return len(heard) == 11

    assert await until(all_of_it)
    playing.cancel()
    await recording.close()
    kept = [event for frame in Tape(path).frames() if frame.kind == "events" for event in frame.said]
    told = [event for frame in Tape(tape).frames() if frame.kind == "events" for event in frame.said]
    assert [event.args for event in kept] == [event.args for event in told] and any(
        event.args for event in kept
    )


async def test_it_is_held_goes_on_faster_and_jumps(tape: Path) -> None:
    engine = await opened(tape, "?speed=1&from=5")
    reel = await engine.replay("pause")
    assert reel.paused and reel.start == T0 and reel.end == T0 + 20
    assert (await engine.overview()).speed == 0.0
    held = (await engine.replay("jump", T0 + 9)).at
    await asyncio.sleep(0.3)
    overview = await engine.overview()
    assert overview.reel is not None and overview.now == overview.reel.at == held == T0 + 9
    assert await states(engine) == {"a": "success"}

    async def running() -> bool:
        return (await states(engine)).get("b") == "started"

    assert (await engine.replay("step")).at == T0 + 10  # What was said next.
    assert await until(running)
    await engine.replay("pause")
    assert (await engine.replay("speed", 50)).speed == 50

    async def ended() -> bool:
        return (await states(engine)).get("c") == "started"

    assert await until(ended)
    await engine.close()


@pytest.mark.parametrize(("asked", "state"), [(None, "online"), (4.0, "offline"), (6.0, "online")])
async def test_who_stopped_after_its_last_answer_has_stopped(
    asked: float | None, state: str, tmp_path: Path
) -> None:
    """An answer is said again whenever it is asked for. Older recordings do not tell when it was asked:
    the answer came after what was written before it."""
    path = tmp_path / "stopped.tape"
    writer = TapeWriter(path)
    bye = msgspec.structs.replace(beat(5), type="worker-offline")
    told = Replies(expected=1, replies=[Reply("w1@h", {"ok": "pong"}, 0.1)], complete=True)
    writer.write(T0, "workers", ["w1@h"])
    writer.write(T0 + 1, "answer", Answer("ping", told))
    writer.write(T0 + 4, "events", [beat(4)])
    writer.write(T0 + 5, "events", [bye])
    writer.write(T0 + 6, "names", ["celery"])
    writer.close()
    engine = await opened(path)
    [worker] = await engine.workers()
    assert (worker.state, worker.stopped) == ("offline", T0 + 5)
    await engine.close()
    told.asked = None if asked is None else T0 + asked
    later = TapeWriter(tmp_path / "later.tape")
    later.write(T0, "workers", ["w1@h"])
    later.write(T0 + 4, "events", [beat(4)])
    later.write(T0 + 5, "events", [bye])
    later.write(T0 + 7, "answer", Answer("ping", told))
    later.close()
    engine = await opened(tmp_path / "later.tape")
    assert [worker.state for worker in await engine.workers()] == [state]
    await engine.close()


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    """Forty seconds, of which nothing was heard in 28: the events' connection was broken."""
    path = tmp_path / "cut-off.tape"
    writer = TapeWriter(path)
    writer.write(T0, "workers", ["w1@h"])
    writer.write(T0 + 0.1, "links", StatusChange("connected"))
    early, late = beat(1), beat(31)
    early.processed, late.processed = 3, 90
    writer.write(T0 + 1, "events", [early, received(1, "a"), started(1, "a")])
    broke = StatusChange("lost", "The connection broke.", "See the log.", next_try=T0 + 5)
    writer.write(T0 + 2, "links", broke)
    writer.write(T0 + 30, "links", StatusChange("connected"))
    writer.write(T0 + 31, "events", [late, received(31, "b"), started(31, "b")])
    writer.write(T0 + 32, "events", [msgspec.structs.replace(late, timestamp=T0 + 32, received=T0 + 32)])
    writer.write(T0 + 40, "names", ["celery"])
    writer.close()
    return path


async def events_link(engine: Engine) -> SourceHealth:
    return next(one for one in (await engine.overview()).sources if one.name == "events")


@pytest.mark.parametrize("start", ["", "?speed=1&from=20&paused=1", "?speed=1&from=1&paused=1"])
async def test_when_its_maker_was_cut_off_that_is_told(cut_off: Path, start: str) -> None:
    engine = await opened(cut_off, start)
    if start:
        await engine.replay("jump", T0 + 20)

        async def silent() -> bool:
            return (await events_link(engine)).state != "connected"

        assert await until(silent)
        link = await events_link(engine)
        assert (link.state, link.reason, link.since) == ("lost", "The connection broke.", T0 + 2)
        assert link.next_try is None  # That is over.
        assert [worker.state for worker in await engine.workers()] == ["unknown"], "nobody heard it"
        await engine.replay("jump", T0 + 33)

        async def back() -> bool:
            return (await events_link(engine)).gaps == 1

        assert await until(back)
    link = await events_link(engine)
    assert (link.state, link.gaps) == ("connected", 1)
    # What its worker did meanwhile is not called lost, and nobody knows how the task went on.
    assert not (await engine.overview()).loss
    assert "gap" in (await engine.task("a")).marks and "gap" not in (await engine.task("b")).marks
    await engine.close()


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A minute; in its middle twenty seconds without the broker, and at its end ten."""
    path = tmp_path / "away.tape"
    writer = TapeWriter(path)
    writer.write(T0, "broker", StatusChange("connected"))
    writer.write(T0, "links", StatusChange("connected"))
    writer.write(T0, "names", ["celery"])
    writer.write(T0, "control", StatusChange("connected"))
    writer.write(T0, "answer", Answer("ping", Replies(1, [Reply("w1@h", {"ok": "pong"}, 0.1)], True)))
    writer.write(T0 + 1, "events", [beat(1), received(1, "a"), started(1, "a")])
    for gone, back in ((20, 40), (50, 0)):
        writer.write(T0 + gone, "links", StatusChange("lost", "The connection broke."))
        writer.write(T0 + gone + 2, "broker", StatusChange("lost", "db1:6379 refused.", "Start it.", T0 + 30))
        writer.write(T0 + gone + 3, "control", StatusChange("lost", "db1:6379 does not answer."))
        if back:
            writer.write(T0 + back, "broker", StatusChange("connected"))
            writer.write(T0 + back, "control", StatusChange("connected"))
            writer.write(T0 + back + 1, "links", StatusChange("connected"))
            writer.write(T0 + back + 2, "events", [beat(back + 2)])
    writer.write(T0 + 60, "workers", ["w1@h"])
    writer.close()
    return path


async def test_while_its_makers_broker_was_away_it_is_away(away: Path) -> None:
    """However the moment is reached: on the way, by a jump ahead, a jump back, or from the start."""
    engine = await opened(away, "?speed=1&paused=1")

    async def shows(connected: bool) -> bool:
        overview = await engine.overview()
        control = overview.sources[2].state == "connected"
        return overview.connected is connected and control is connected

    for at, connected in ((10, True), (30, False), (45, True), (55, False), (30, False), (10, True)):
        reel = await engine.replay("jump", T0 + at)
        if reel.reopen:
            engine = await engine.again(Profile(broker=reel.reopen))
            await engine.start()
            await engine.ready(5)
        assert await until(lambda want=connected: shows(want)), at
        await asyncio.sleep(0.5)  # It is asked all the time, and the recording answers.
        overview = await engine.overview()
        assert overview.connected is connected and overview.ever_connected
        broker, _, control, _ = overview.sources
        if not connected:
            assert (control.state, control.reason) == ("lost", "db1:6379 does not answer.")
            gone = T0 + (52 if at > 50 else 22)
            assert (broker.state, broker.reason, broker.since) == ("lost", "db1:6379 refused.", gone)
            assert broker.last == gone and broker.next_try is None  # That is over.
    await engine.close()


@pytest.fixture
def began_without(tmp_path: Path) -> Path:
    """Half a minute; its maker reached the broker after twenty seconds, and settings came ten later."""
    path = tmp_path / "began-without.tape"
    writer = TapeWriter(path)
    writer.write(T0, "broker", StatusChange("refused", "db1:6379 refused.", "Start it.", T0 + 5))
    writer.write(T0 + 20, "broker", StatusChange("connected"))
    writer.write(T0 + 20, "links", StatusChange("connected"))
    writer.write(T0 + 20, "answer", Answer("ping", Replies(1, [Reply("w1@h", {"ok": "pong"}, 0.1)], True)))
    writer.write(T0 + 21, "events", [beat(21)])
    writer.write(T0 + 30, "answer", Answer("conf", Replies(1, [Reply("w1@h", {}, 0.1)], True)))
    writer.close()
    return path


@pytest.mark.parametrize("start", [0, 5])
async def test_a_broker_that_its_maker_had_not_reached_yet_was_never_there(
    began_without: Path, start: float
) -> None:
    engine = await opened(began_without, f"?speed=1&paused=1&from={start}")

    async def refused() -> bool:
        return (await engine.overview()).sources[0].state == "refused"

    assert await until(refused)
    overview = await engine.overview()
    assert (overview.ever_connected, overview.sources[0].last) == (False, None)
    [finding] = (await engine.doctor()).findings
    assert finding.code == "broker-unreachable" and not any(
        "answered" in one.text for one in finding.evidence
    )
    await engine.replay("jump", T0 + 25)

    async def there() -> bool:
        return (await engine.overview()).connected

    assert await until(there)
    overview = await engine.overview()
    assert overview.ever_connected and overview.sources[0].gaps == 0
    await engine.close()


async def test_what_comes_later_in_a_recording_that_plays_is_not_said_to_be_missing(
    began_without: Path,
) -> None:
    engine = await opened(began_without, "?speed=1&paused=1&from=25")

    async def settings() -> str:
        return "".join(one.why for one in (await engine.doctor()).unchecked if one.code == "results-off")

    async def told() -> bool:
        return (await settings()).endswith("(inspect conf). The recording does not have it up to here.")

    assert await until(told), await settings()
    await engine.close()


async def test_an_outage_is_not_skipped_as_the_sleep_of_its_maker_is(tmp_path: Path) -> None:
    path = tmp_path / "long.tape"
    writer = TapeWriter(path)
    writer.write(T0, "broker", StatusChange("connected"))
    writer.write(T0 + 5, "broker", StatusChange("lost", "db1:6379 refused."))
    writer.write(T0 + 200, "broker", StatusChange("connected"))
    writer.write(T0 + 400, "names", ["celery"])
    writer.close()
    engine = await opened(path, "?speed=1&from=50")
    await asyncio.sleep(0.5)
    overview = await engine.overview()
    assert not overview.connected and overview.now < T0 + 60
    await engine.replay("jump", T0 + 250)

    async def skipped() -> bool:
        return (await engine.overview()).now >= T0 + 399

    assert await until(skipped)
    await engine.close()


async def test_a_recording_that_ends_without_its_broker_is_read_all_the_same(
    away: Path, run: Callable[..., Ran]
) -> None:
    ran = await asyncio.to_thread(run, "--broker", f"replay://{away}", "tasks", "--json", broker=False)
    assert ran.code == 0 and [task["id"] for task in ran.json] == ["a"]
    engine = await opened(away)
    await asyncio.sleep(0.3)
    assert not (await engine.ready(5)).connected
    await engine.close()


async def test_what_is_over_comes_in_large_pieces_and_makes_the_same_of_it(tmp_path: Path) -> None:
    """Also jumped over while it plays; each piece by itself is what a live engine got."""
    path, one, writer = tmp_path / "many.tape", Store(), TapeWriter(tmp_path / "many.tape")
    for number in range(1_500):
        at, id = number / 100, f"t{number}"
        end = failed(at + 0.5, id) if number % 7 == 0 else succeeded(at + 0.5, id)
        batch = [beat(at), received(at, id), started(at, id), end]
        writer.write(T0 + at, "events", batch)
        one.apply_events(batch)
    writer.write(T0 + 20, "names", ["celery"])
    writer.close()
    at_once, jumped = await opened(path), await opened(path, "?speed=1&paused=1")
    assert len(await states(jumped)) < 10
    await jumped.replay("jump", T0 + 19)

    async def there() -> bool:
        return (await jumped.overview()).tasks_by_state == (await at_once.overview()).tasks_by_state

    assert await until(there) and (await at_once.overview()).tasks_total == 1_500
    for engine in (at_once, jumped):
        for number in range(0, 1_500, 13):
            task, known = await engine.task(f"t{number}", fetch=False), one.task(f"t{number}", T0 + 20)
            assert known is not None
            for name in ("state", "worker", "received", "started", "finished", "runtime", "args", "error"):
                assert getattr(task, name) == getattr(known, name), name
        await engine.close()


async def test_back_in_time_it_tells_what_to_open(tape: Path) -> None:
    engine = await opened(tape, "?speed=4&from=12")
    await engine.replay("pause")
    assert "b" in await states(engine)
    reel = await engine.replay("jump", T0 + 5)
    await engine.close()
    assert reel.reopen
    again = Engine(Profile(broker=reel.reopen))
    await again.start()
    await again.ready(5)
    overview = await again.overview()
    assert overview.now == T0 + 5 and overview.reel is not None and overview.reel.paused
    assert await states(again) == {"a": "success"}
    await again.close()


async def test_a_cluster_that_lives_cannot_be_turned(broker: RedisServer) -> None:
    engine = Engine(Profile(broker=broker.url))
    await engine.start()
    with pytest.raises(Refused):
        await engine.replay("pause")
    await engine.close()
