"""Several tasks at once: written down first, sent page by page, stopped and resumed, never twice unasked."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import journal
from lazycelery.actions.journal import Journal
from lazycelery.actions.planfiles import PlanFiles
from lazycelery.engine.plans import Plans
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.bulk import Bulk
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import ResultReport
from lazycelery.model.task import Task
from lazycelery.store.store import Store
from tests.actions.fakes import Room, raw

MANY = 40


def failed(room: Room, count: int = MANY) -> list[str]:
    """Tasks that failed, and whose messages were seen."""
    ids = [f"old{number:03}" for number in range(count)]
    for id in ids:
        body = raw(id, args=["s3cret-argument"])
        room.store.raw[id] = StoredMessage(queue="default", priority=3, raw=body)
        room.store.add(id=id, state="failure", queue="default")
    return ids


async def plan(room: Room, action: Any, *ids: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action=action, targets=list(ids), params=params))


async def act(room: Room, prepared: Plan) -> Outcome:
    assert prepared.refused is None, (prepared.refused, prepared.hint)
    return await room.actions.act(prepared.id, prepared.word)


def sent(room: Room) -> list[str]:
    """The old ids of what was sent, in order."""
    return [
        json.loads(message.raw)["headers"]["lazycelery_retry_of"]
        for message in room.queues.lists.get("default", [])
    ]


def files() -> list[Path]:
    return sorted(journal.directory().iterdir())


async def the_plan(room: Room) -> Bulk:
    plans = PlanFiles(room.audit, room.profile, room.actions._context.broker, lambda: room.now)
    (one,) = await plans.all()
    return await plans.one(one.id)


def after_page(room: Room, number: int, then: Callable[[], Any]) -> None:
    """Do something right after a page was published."""
    publish, pages = room.queues.publish, 0

    async def hooked(messages: Sequence[StoredMessage]) -> int:
        nonlocal pages
        told = await publish(messages)
        pages += 1
        if pages == number:
            then()
        return told

    room.queues.publish = hooked  # type: ignore[method-assign]


async def test_many_are_on_the_disk_before_the_first_is_sent(room: Room) -> None:
    ids = failed(room)
    seen: list[tuple[int, bytes]] = []
    after_page(room, 1, lambda: seen.extend((os.stat(f).st_mode, f.read_bytes()) for f in files()))
    outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, sent(room)) == (MANY, 0, ids)
    ((mode, text),) = seen
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(journal.directory().stat().st_mode) == 0o700
    assert text.count(b'"raw"') == MANY and text.count(b'"sending"') == 1
    assert b"hunter2" not in text


async def test_a_finished_plan_keeps_names_and_no_messages(room: Room) -> None:
    outcome = await act(room, await plan(room, "retry", *failed(room)))
    (file,) = files()
    assert file.suffix == ".done" and b'"raw"' not in file.read_bytes()
    one = await the_plan(room)
    assert (one.state, one.done, one.id, one.tag) == ("done", MANY, outcome.bulk, outcome.tag)
    assert [item.new_id for item in one.items] == [item.new_id for item in outcome.items]


async def test_one_task_alone_leaves_no_file(room: Room) -> None:
    await act(room, await plan(room, "retry", *failed(room, 1)))
    assert not journal.directory().exists()


async def test_a_halt_stops_after_the_page_and_the_rest_can_be_resumed(room: Room) -> None:
    ids = failed(room)
    prepared = await plan(room, "retry", *ids)
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    assert (outcome.done, outcome.failed, outcome.unknown) == (16, MANY - 16, 0)
    assert f"lazycelery plan resume {outcome.bulk} --allow retry" in outcome.proof
    one = await the_plan(room)
    assert (one.state, one.done, one.waiting, one.why) == ("stopped", 16, MANY - 16, "stopped by hand")
    rest = await plan(room, "retry", resume=outcome.bulk)
    assert rest.title == f"Send the rest of plan {outcome.bulk}: {MANY - 16} of {MANY} tasks"
    assert (await act(room, rest)).done == MANY - 16
    assert sent(room) == ids
    with pytest.raises(Refused, match="is done"):
        await plan(room, "retry", resume=outcome.bulk)


async def test_how_far_it_is_can_be_asked(room: Room) -> None:
    prepared = await plan(room, "retry", *failed(room))
    seen: list[Any] = []
    after_page(room, 2, lambda: seen.extend(room.actions.progress()))
    await act(room, prepared)
    (one,) = seen
    assert (one.plan, one.action, one.total, one.done) == (prepared.id, "retry", MANY, 16)
    assert room.actions.progress() == []


async def test_a_page_that_the_broker_refuses_ends_it(room: Room) -> None:
    ids = failed(room)
    publish = room.queues.publish
    room.queues.publish = lambda messages: publish(messages[: 20 - len(sent(room))])  # type: ignore[method-assign]
    outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, outcome.unknown) == (20, 20, 0)
    assert "not sent: the broker did not take it" in outcome.proof
    room.queues.publish = publish  # type: ignore[method-assign]
    await act(room, await plan(room, "retry", resume=outcome.bulk))
    assert sent(room) == ids


async def test_a_task_that_came_to_life_again_ends_it(room: Room) -> None:
    ids = failed(room)
    after_page(room, 1, lambda: room.store.add(id=ids[20], state="started", queue="default"))
    outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed) == (16, MANY - 16)
    assert "old020 is running again, since the plan was made" in outcome.proof
    rest = await plan(room, "retry", resume=outcome.bulk)
    assert [item.target for item in rest.items if item.refused] == [ids[20]]
    assert not any("--doubtful" in warning for warning in rest.warnings)
    await act(room, rest)
    assert sent(room) == [*ids[:20], *ids[21:]], "it holds up no other"
    one = await the_plan(room)
    assert (one.state, one.done, one.waiting) == ("stopped", MANY - 1, 1)


def losing_answers(room: Room, page: int, arrives: bool) -> None:
    """The answer to a page is lost; the page arrived, or did not."""
    publish, pages = room.queues.publish, 0

    async def lossy(messages: Sequence[StoredMessage]) -> int:
        nonlocal pages
        pages += 1
        if pages != page:
            return await publish(messages)
        if arrives:
            await publish(messages)
        raise LazyCeleryError("The connection is lost.")

    room.queues.publish = lossy  # type: ignore[method-assign]


async def test_what_arrived_although_its_answer_was_lost_counts_and_the_rest_is_kept(room: Room) -> None:
    ids = failed(room)
    losing_answers(room, 2, arrives=True)
    outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, outcome.unknown) == (32, 8, 0)
    await act(room, await plan(room, "retry", resume=outcome.bulk))
    assert sent(room) == ids


async def test_what_is_seen_nowhere_is_not_sent_again_unasked(room: Room) -> None:
    ids = failed(room)
    losing_answers(room, 2, arrives=False)
    outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, outcome.unknown) == (16, 8, 16)
    rest = await plan(room, "retry", resume=outcome.bulk)
    assert sum("in doubt" in (item.refused or "") for item in rest.items) == 16
    assert any("--doubtful send" in warning for warning in rest.warnings)
    again = await act(room, rest)
    assert (again.done, again.unknown) == (8, 0)
    assert sent(room) == ids[:16] + ids[32:]
    only_doubt = await plan(room, "retry", resume=outcome.bulk)
    assert (only_doubt.refused or "").startswith("None of the 16 can be done")
    done = await act(room, await plan(room, "retry", resume=outcome.bulk, doubtful="send"))
    assert done.done == 16
    assert sorted(sent(room)) == ids
    assert (await the_plan(room)).state == "done"


async def test_what_is_in_doubt_can_be_dropped(room: Room) -> None:
    ids = failed(room, 20)
    losing_answers(room, 1, arrives=False)
    outcome = await act(room, await plan(room, "retry", *ids))
    assert outcome.unknown == 16
    await act(room, await plan(room, "retry", resume=outcome.bulk, doubtful="drop"))
    assert sent(room) == ids[16:]
    one = await the_plan(room)
    assert (one.state, one.dropped, one.done) == ("done", 16, 4)


async def test_who_dies_between_publishing_and_telling_is_in_doubt_and_found(room: Room) -> None:
    ids = failed(room)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    after_page(room, 2, die)
    prepared = await plan(room, "retry", *ids)
    with pytest.raises(Killed):
        await act(room, prepared)
    one = await the_plan(room)
    assert (one.state, one.done, one.doubtful, one.waiting) == ("stopped", 16, 16, 8)
    rest = await plan(room, "retry", resume=one.id)
    assert sum("it was sent as" in item.text for item in rest.items) == 16
    outcome = await act(room, rest)
    assert (outcome.done, sent(room)) == (24, ids)


async def test_nothing_done_at_all_leaves_no_plan(room: Room) -> None:
    async def dead(messages: Sequence[StoredMessage]) -> int:
        raise Refused("The connection is lost.", nothing_done=True)

    room.queues.publish = dead  # type: ignore[method-assign]
    prepared = await plan(room, "retry", *failed(room))
    with pytest.raises(Refused):
        await act(room, prepared)
    assert files() == []


async def test_a_half_written_line_is_no_line(room: Room) -> None:
    ids = failed(room)
    prepared = await plan(room, "retry", *ids)
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    (file,) = files()
    with file.open("ab") as torn:
        torn.write(b'{"sending":[16,17')
    await act(room, await plan(room, "retry", resume=outcome.bulk))
    assert sent(room) == ids


async def test_a_damaged_plan_is_refused(room: Room) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    (file,) = files()
    lines = file.read_bytes().split(b"\n")
    file.write_bytes(b"\n".join([*lines[:5], *lines[6:]]))
    with pytest.raises(Refused, match="is damaged: ") as told:
        await plan(room, "retry", resume=outcome.bulk)
    assert told.value.hint == f"`lazycelery plan discard {outcome.bulk}` keeps it aside."


WHOLE = (
    b'{"plan":"%s","action":"retry","title":"t","time":1.0,"user":"u","host":"h","profile":"p","broker":"b",'
)
DAMAGES = {
    "empty": b"",
    "zeros": b"\0" * 4096,
    "no text": bytes(range(256)) * 20,
    "half a header": b'{"plan":"%s","act',
    "other JSON": b"[1, 2]\n",
    "deep": b'{"params":' * 100_000,
    "fewer targets": WHOLE + b'"count":3}\n{"n":0,"target":"a"}\n',
    "less than none": WHOLE + b'"count":-1}\n',
    "another format": WHOLE + b'"count":0,"version":2}\n',
    "an unknown action": (WHOLE + b'"count":0}\n').replace(b'"retry"', b'"burn"'),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_plan_is_listed_and_kept_aside_when_it_is_discarded(room: Room, damage: str) -> None:
    path = journal.directory() / "20261126T031244Z-retry-7f3a1c20.plan"
    path.parent.mkdir(parents=True)
    path.write_bytes(DAMAGES[damage].replace(b"%s", b"7f3a1c20"))
    (path.parent / "notes-of-mine.plan").write_text("not ours")
    broker = room.actions._context.broker
    plans = PlanFiles(room.audit, room.profile, broker, lambda: room.now)
    (one,) = await plans.all(everywhere=True)
    assert (one.id, one.action, one.state) == ("7f3a1c20", "retry", "damaged")
    assert one.why.startswith(str(path)) and (await plans.one("7f3a")).state == "damaged"
    assert await plans.tags() == {}
    known = Plans(plans, room.store)  # type: ignore[arg-type]
    room.store.note_tags = lambda tags: None  # type: ignore[attr-defined]
    await known.look()
    notices = known.notices()
    if one.broker in (broker, ""):
        assert notices[0].code == "plan-damaged" and "plan discard 7f3a1c20" in notices[0].hint
    gone = await plans.discard("7f3a1c20")
    kept = path.with_name(path.name + ".damaged")
    assert (gone.path, gone.state) == (str(kept), "damaged")
    assert kept.read_bytes() == DAMAGES[damage].replace(b"%s", b"7f3a1c20")
    assert await plans.all(everywhere=True) == []
    assert room.audit.read(1)[0].title == f"Discard plan 7f3a1c20: {one.title}"


async def test_one_session_at_a_time(room: Room) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    rest = await plan(room, "retry", resume=outcome.bulk)
    other = Journal.take_up(str(outcome.bulk))
    assert (await the_plan(room)).state == "running"
    with pytest.raises(Refused, match="another session"):
        await act(room, rest)
    other.close()


async def test_a_plan_belongs_to_its_broker(room: Room, tmp_path: Path) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    elsewhere = Room(tmp_path, broker="redis://db2:6379/0")
    with pytest.raises(Refused, match="belongs to another broker: redis://ada"):
        await plan(elsewhere, "retry", resume=outcome.bulk)
    with pytest.raises(UsageError, match="is a retry, not a revoke"):
        await plan(room, "revoke", resume=outcome.bulk)
    with pytest.raises(NothingFound, match="There is no plan"):
        await plan(room, "retry", resume="../../etc/passwd")


async def test_a_plan_belongs_to_its_key_prefix(tmp_path: Path) -> None:
    shop, mail = Room(tmp_path, prefix="shop:"), Room(tmp_path, prefix="mail:")
    prepared = await plan(shop, "retry", *failed(shop))
    after_page(shop, 1, lambda: shop.actions.halt(prepared.id))
    outcome = await act(shop, prepared)
    with pytest.raises(Refused, match="belongs to the key prefix 'shop:'"):
        await plan(mail, "retry", resume=outcome.bulk)
    assert (await plan(shop, "retry", resume=outcome.bulk)).count == MANY - 16


async def test_resuming_needs_the_permission_of_the_action(room: Room) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    room.guard.lock()
    rest = await plan(room, "retry", resume=outcome.bulk)
    assert rest.refused == "Read-only."


@pytest.mark.parametrize("params", [{"rate": 0}, {"rate": "fast"}, {"tag": "with space"}, {"tag": "x" * 65}])
async def test_a_wrong_rate_or_tag_is_told(room: Room, params: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        await plan(room, "retry", *failed(room), **params)


async def test_a_rate_is_kept(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    ids = failed(room, 12)
    began = time.monotonic()
    await act(room, await plan(room, "retry", *ids, rate=20.0))
    took = time.monotonic() - began
    assert took >= 0.5, f"12 tasks at 20 a second took {took:.2f} s"
    assert sent(room) == ids


async def test_the_tag_is_in_the_message_and_in_the_audit_log(room: Room) -> None:
    outcome = await act(room, await plan(room, "retry", *failed(room, 2), tag="incident-42"))
    headers = [json.loads(message.raw)["headers"] for message in room.queues.lists["default"]]
    assert [each["lazycelery_tag"] for each in headers] == ["incident-42"] * 2
    entry = room.audit.read(1)[0]
    assert (entry.plan["tag"], entry.plan["plan_file"]) == ("incident-42", outcome.bulk)


async def test_a_revoke_of_many_is_told_page_by_page_and_resumed(room: Room) -> None:
    ids = [f"old{number:03}" for number in range(250)]
    for id in ids:
        room.store.add(id=id, state="waiting", queue="default")
    room.remote.answers = {"w1@a": {"ok": "tasks flagged as revoked"}}
    prepared = await plan(room, "revoke", *ids)
    revoke = room.remote.revoke

    async def once(ids: Sequence[str], **options: Any) -> Any:
        room.actions.halt(prepared.id)
        return await revoke(ids, **options)

    room.remote.revoke = once  # type: ignore[method-assign]
    outcome = await act(room, prepared)
    assert (outcome.done, outcome.failed) == (100, 150)
    assert f"lazycelery plan resume {outcome.bulk} --allow revoke" in outcome.proof
    room.remote.revoke = revoke  # type: ignore[method-assign]
    room.store.tasks[ids[120]] = Task(id=ids[120], state="success")
    rest = await act(room, await plan(room, "revoke", resume=outcome.bulk))
    assert (rest.done, rest.failed) == (149, 1)
    told = [id for name, (some, _) in room.remote.calls if name == "revoke" for id in some]
    assert sorted([*told, ids[120]]) == ids


async def test_a_revoke_that_no_worker_hears_stops(room: Room) -> None:
    ids = [f"old{number:03}" for number in range(250)]
    for id in ids:
        room.store.add(id=id, state="waiting", queue="default")
    outcome = await act(room, await plan(room, "revoke", *ids))
    assert "stopped: no worker answered" in outcome.proof
    assert len([name for name, _ in room.remote.calls if name == "revoke"]) == 1
    assert (outcome.done, outcome.failed, len(outcome.items)) == (0, 250, 250)
    room.remote.calls.clear()
    room.remote.answers = {"w1@a": {"ok": "tasks flagged as revoked"}}
    assert (await act(room, await plan(room, "revoke", resume=outcome.bulk))).done == 250
    told = [id for name, (some, _) in room.remote.calls if name == "revoke" for id in some]
    assert sorted(told) == ids, "those that nobody heard of wait for a worker that hears"


def full_from(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The disk takes no plan file's write from this one on, counted from 1."""
    write, writes = journal.write_all, 0

    def full(descriptor: int, data: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes >= number:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(descriptor, data)

    monkeypatch.setattr(journal, "write_all", full)


@pytest.mark.parametrize("number", [3, 4], ids=["telling a page", "beginning the next"])
async def test_a_disk_that_is_full_in_the_middle_loses_and_doubles_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    ids = failed(room)
    with monkeypatch.context() as full:
        full_from(full, number)
        outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, outcome.unknown) == (16, MANY - 16, 0)
    assert "cannot be written: No space left on device" in outcome.proof
    assert room.audit.read(1)[0].plan["done"] == 16
    await act(room, await plan(room, "retry", resume=outcome.bulk))
    assert sent(room) == ids


async def test_a_disk_that_is_full_at_the_end_keeps_what_was_done(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = failed(room)
    losing_answers(room, 2, arrives=True)
    with monkeypatch.context() as full:
        full_from(full, 7)
        outcome = await act(room, await plan(room, "retry", *ids))
    assert (outcome.done, outcome.failed, outcome.unknown) == (32, 8, 0)
    await act(room, await plan(room, "retry", resume=outcome.bulk))
    assert sent(room) == ids


async def test_messages_that_no_plan_file_can_hold_are_refused_before_any_is_sent(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "MOST_BYTES", 2000)
    with pytest.raises(Refused, match="too many for one plan file"):
        await act(room, await plan(room, "retry", *failed(room)))
    assert files() == [] and sent(room) == []


async def look(room: Room) -> list[Any]:
    """What an engine does at its start."""
    broker = room.actions._context.broker
    plans = Plans(PlanFiles(room.audit, room.profile, broker, lambda: room.now), Store())
    await plans.look()
    return plans.notices()


async def test_what_a_crash_left_is_tidied_by_the_next_start(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(Journal, "_strip", lambda journal: None)
        await act(room, await plan(room, "retry", *failed(room)))
    (file,) = files()
    assert file.suffix == ".plan" and b'"raw"' in file.read_bytes()
    old, new = file.with_name("a.new"), file.with_name("b.new")
    for half in (old, new):
        half.write_bytes(b"half")
    os.utime(old, (1.0, 1.0))
    assert await look(room) == []
    done = file.with_suffix(".done")
    assert files() == [done, new], "nobody can be writing the older one"
    assert b'"raw"' not in done.read_bytes()


async def test_a_crash_while_messages_are_taken_out_leaves_one_file(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as crash:
        crash.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError(5, "I/O error")))
        crash.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(5, "I/O error")))
        outcome = await act(room, await plan(room, "retry", *failed(room)))
    (file,) = files()
    assert b'"raw"' not in file.read_bytes()
    assert (await the_plan(room)).id == outcome.bulk, "and it is found by its id"


async def test_a_plan_that_is_being_discarded_is_not_taken_up(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    append, seen = room.audit.append, []

    def meanwhile(entry: Any) -> None:
        with pytest.raises(Refused, match="another session") as refused:
            Journal.take_up(str(outcome.bulk))
        seen.append(refused)
        append(entry)

    monkeypatch.setattr(room.audit, "append", meanwhile)
    plans = PlanFiles(room.audit, room.profile, room.actions._context.broker, lambda: room.now)
    assert (await plans.discard(str(outcome.bulk))).state == "stopped"
    assert seen and files() == []


async def test_a_discarded_plan_is_gone_and_logged(room: Room) -> None:
    prepared = await plan(room, "retry", *failed(room))
    after_page(room, 1, lambda: room.actions.halt(prepared.id))
    outcome = await act(room, prepared)
    plans = PlanFiles(room.audit, room.profile, room.actions._context.broker, lambda: room.now)
    await plans.discard(str(outcome.bulk))
    assert files() == []
    entry = room.audit.read(1)[0]
    assert (entry.action, entry.proof) == ("discard", "24 waited in it, 0 were in doubt")


async def test_a_revoke_by_filter_says_that_it_means_what_is_known_now(room: Room) -> None:
    room.store.add(id="w1", state="waiting", queue="default")
    by_filter = await room.actions.plan(Order(action="revoke", filter="state:waiting"))
    assert any("by id and by stamp only" in warning for warning in by_filter.warnings)
    by_id = await plan(room, "revoke", "w1")
    assert not any("by id and by stamp only" in warning for warning in by_id.warnings)


async def test_what_a_stopped_termination_of_a_canvas_left_is_revoked_later(room: Room) -> None:
    """The signals go last: somebody who stops it before wants none."""
    steps = [{"task": "shop.add", "options": {"task_id": f"step{number:03}"}} for number in range(150)]
    room.store.raw["first"] = StoredMessage(
        queue="default", priority=0, raw=raw("first", embed={"chain": steps})
    )
    room.store.add(id="first", state="started", worker="w1@a")
    room.remote.answers = {"w1@a": {"ok": "tasks flagged as revoked"}}
    revoke = room.remote.revoke

    async def stopped(ids: Sequence[str], **options: Any) -> Any:
        room.actions.halt()
        return await revoke(ids, **options)

    room.remote.revoke = stopped  # type: ignore[method-assign]
    outcome = await act(room, await plan(room, "terminate", "first", canvas=True))
    assert outcome.done == 100 and not any(options.get("signal") for _, (_, options) in room.remote.calls)
    assert "terminated none of 1 task: stopped by hand" in outcome.proof
    left = await the_plan(room)
    assert (left.action, left.waiting) == ("revoke", 50)
    room.remote.revoke = revoke  # type: ignore[method-assign]
    outcome = await act(room, await plan(room, "revoke", resume=left.id))
    assert outcome.done == 50


async def test_steps_that_nobody_has_seen_cost_no_look_through_all_tasks(room: Room) -> None:
    steps = [{"task": "shop.add", "options": {"task_id": f"step{number:03}"}} for number in range(150)]
    room.store.raw["first"] = StoredMessage(
        queue="default", priority=0, raw=raw("first", embed={"chain": steps})
    )
    room.store.add(id="first", state="waiting", queue="default")
    select, looks = room.store.select, 0

    def counted(filter: str, limit: int, now: float) -> list[str]:
        nonlocal looks
        looks += 1
        return select(filter, limit, now)

    room.store.select = counted  # type: ignore[method-assign]
    found = await plan(room, "revoke", "first", canvas=True)
    assert len(found.canvas) == 151 and looks == 1


async def test_a_canvas_is_retried_at_a_rate_and_tells_what_a_copy_from_arguments_lacks(
    tmp_path: Path,
) -> None:
    told = ResultReport(id="second", status="FAILURE", args=[1], kwargs={}, worker="w1@a", queue="other")
    room = Room(tmp_path, told)
    steps = [{"task": "shop.charge", "options": {"task_id": each}} for each in ("third", "second")]
    room.store.raw["first"] = StoredMessage(
        queue="default", priority=0, raw=raw("first", embed={"chain": steps})
    )
    room.store.add(id="first", state="success", worker="w1@a")
    room.store.add(id="second", name="shop.charge", state="failure", worker="w1@a")
    found = await plan(room, "retry", "first", canvas=True, rate=2)
    (item,) = found.items
    assert (item.target, item.grade, item.refused) == ("second", "arguments", None)
    for text in ("ETA and expiry are not known", "Nobody consumes other", "At 2 a second"):
        assert any(text in warning for warning in found.warnings), (text, found.warnings)
