from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import recovery
from lazycelery.model.action import Order, Plan
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import ResultReport, TaskReport
from lazycelery.model.task import Task
from lazycelery.sources.protocols.queues import Found
from tests.actions.fakes import FakeResults, Room, raw


async def plan(room: Room, *ids: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action="retry", targets=list(ids), params=params))


def seen(room: Room, id: str, **body: Any) -> None:
    room.store.raw[id] = StoredMessage(queue="default", priority=3, raw=raw(id, **body))
    room.store.add(id=id, state="failure", queue="default")


async def test_a_message_seen_before_is_copied_exactly(room: Room) -> None:
    seen(room, "old1")
    prepared = await plan(room, "old1")
    assert prepared.title == "Retry 1 task exactly, to default"
    assert prepared.question == "retry 1 task exactly, to default?"
    assert (prepared.items[0].grade, prepared.items[0].source) == ("exact", "broker")
    outcome = await room.actions.act(prepared.id)
    (sent,) = room.queues.lists["default"]
    body = json.loads(sent.raw)
    assert body["id"] == outcome.items[0].new_id != "old1"
    assert body["headers"] == {"lazycelery_retry_of": "old1"}
    assert sent.priority == 3
    assert room.store.sent == [(body["id"], "shop.add", "default", "old1")]


async def test_the_proof_tells_what_the_store_saw(room: Room) -> None:
    seen(room, "old1")
    room.store.after_send = lambda id: Task(id=id, state="success", worker="w1@a")
    outcome = await room.actions.act((await plan(room, "old1")).id)
    new = outcome.items[0].new_id
    assert new is not None
    assert outcome.proof == f"new task {new[:8]}…: succeeded on w1@a"


async def test_the_proof_says_when_no_worker_took_it(room: Room) -> None:
    seen(room, "old1")
    outcome = await room.actions.act((await plan(room, "old1")).id)
    assert outcome.proof.endswith("not seen yet: no worker took it within 0.05 s")


async def test_without_events_workers_are_asked_for_the_proof(room: Room) -> None:
    seen(room, "old1")

    def take(id: str) -> None:
        room.queues.lists.clear()
        room.remote.reports.append(TaskReport(id=id, phase="active", worker="w1@a"))

    room.store.after_send = take
    outcome = await room.actions.act((await plan(room, "old1")).id)
    assert outcome.proof.endswith("running on w1@a")


async def test_a_waiting_task_would_run_twice(room: Room) -> None:
    room.queues.add("default", "wait1")
    prepared = await plan(room, "wait1")
    assert prepared.refused == (
        "its message is still on the broker, for default: sent again, it would run twice"
    )
    assert "--force" in prepared.hint
    forced = await plan(room, "wait1", force=True)
    assert (forced.refused, forced.items[0].grade) == (None, "exact")


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_a_task_that_ended_just_now_may_acknowledge_its_message_a_moment_later(
    room: Room, monkeypatch: pytest.MonkeyPatch, acknowledges: bool
) -> None:
    """A pool of threads tells the end first."""
    monkeypatch.setattr(recovery, "SETTLED", 0.5)
    room.queues.add("default", "old1")
    room.store.add(id="old1", state="failure", queue="default", finished=room.now)
    if acknowledges:
        asyncio.get_running_loop().call_later(0.1, room.queues.lists.clear)
    prepared = await plan(room, "old1")
    assert prepared.items[0].grade == "exact"
    assert ("it would run twice" in (prepared.refused or "")) is not acknowledges


async def test_a_second_look_that_ends_early_does_not_let_a_task_run_twice(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "SETTLED", 0.05)
    room.queues.add("default", "old1")
    room.store.add(id="old1", state="failure", queue="default", finished=room.now)
    found = [Found(await room.queues.find(["old1"])), Found()]
    found[1].cut = 10_000

    async def find(ids: object, limit: int = 0) -> Found:
        return found.pop(0)

    monkeypatch.setattr(room.queues, "find", find)
    assert "it would run twice" in ((await plan(room, "old1")).refused or "")
    assert not found


@pytest.mark.parametrize("action", ["revoke", "terminate"])
async def test_only_a_retry_looks_twice(room: Room, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    monkeypatch.setattr(recovery, "SETTLED", 60)
    room.queues.add("default", "old1")
    room.store.add(id="old1", state="failure", queue="default", finished=room.now)
    order = Order(action=action, targets=["old1"])
    assert "it has ended" in ((await asyncio.wait_for(room.actions.plan(order), 10)).refused or "")


@pytest.mark.parametrize("state", ["waiting", "received", "scheduled", "started", "retry"])
async def test_a_task_on_its_way_is_not_sent_again(room: Room, state: str) -> None:
    room.store.add(
        id="busy", state=state, queue="q", args=[], kwargs={}, sources={"args": "result", "kwargs": "result"}
    )
    assert "run twice" in ((await plan(room, "busy")).refused or "")
    assert (await plan(room, "busy", force=True)).refused is None


async def test_a_running_task_is_known_from_its_worker(room: Room) -> None:
    room.remote.reports.append(
        TaskReport(id="r1", phase="active", worker="w1@a", name="shop.add", args=[1], kwargs={})
    )
    assert (await plan(room, "r1")).refused == "it is running on w1@a now: sent again, it would run twice"


async def test_the_result_backend_ends_what_events_missed(tmp_path: Path) -> None:
    room = Room(tmp_path, ResultReport(id="t1", status="FAILURE", name="shop.add", args=[1], kwargs={}))
    room.store.add(id="t1", state="started", queue="default")
    prepared = await plan(room, "t1")
    assert (prepared.refused, prepared.items[0].source) == (None, "result")


async def test_arguments_of_the_result_backend_keep_lineage_and_warn(room: Room) -> None:
    room.actions.results = FakeResults(
        ResultReport(
            id="t1", status="FAILURE", name="shop.add", args=[1], kwargs={"y": 2}, queue="q7", parent_id="p"
        )
    )
    prepared = await plan(room, "t1")
    assert prepared.title == "Retry 1 task from its arguments, to q7"
    assert any("embedded" in warning and "lost" in warning for warning in prepared.warnings)
    await room.actions.act(prepared.id)
    body = json.loads(room.queues.lists["q7"][0].raw)
    assert (body["args"], body["kwargs"]) == ([1], {"y": 2})
    assert body["headers"] == {"lazycelery_retry_of": "t1", "root_id": "t1", "parent_id": "p"}


async def test_a_faithful_event_text_is_read_and_said(room: Room) -> None:
    room.store.add(
        id="t1",
        state="failure",
        queue="default",
        args="(1, 'two')",
        kwargs="{}",
        sources={"args": "event", "kwargs": "event"},
    )
    prepared = await plan(room, "t1")
    assert (prepared.items[0].grade, prepared.items[0].source) == ("arguments", "event")
    assert any("text of events" in warning for warning in prepared.warnings)


@pytest.mark.parametrize("args", ["('xxx...',)", "(datetime.date(2026, 1, 1),)", r"('a\b',)"])
async def test_a_lossy_event_text_is_unsafe_and_says_what_would_help(room: Room, args: str) -> None:
    room.store.add(
        id="t1",
        state="failure",
        queue="default",
        args=args,
        kwargs="{}",
        sources={"args": "event", "kwargs": "event"},
    )
    prepared = await plan(room, "t1")
    assert (prepared.refused or "").startswith("unsafe: the event's text")
    assert prepared.items[0].grade == "unsafe"
    assert "result_extended" in prepared.hint
    assert "argsrepr_maxsize" in prepared.hint


async def test_a_cut_value_is_never_taken_for_real(room: Room) -> None:
    room.store.add(
        id="t1",
        state="failure",
        queue="d",
        args=[1],
        kwargs={},
        truncated=["args"],
        sources={"args": "control", "kwargs": "control"},
    )
    assert (await plan(room, "t1")).items[0].grade == "unsafe"


async def test_the_text_of_a_safe_reply_is_not_an_argument_list(room: Room) -> None:
    room.store.add(
        id="t1",
        state="failure",
        queue="d",
        args="(object(),)",
        kwargs="{}",
        sources={"args": "control", "kwargs": "control"},
    )
    assert (await plan(room, "t1")).items[0].grade == "unsafe"


async def test_a_protocol_1_message_is_refused_in_the_plan(room: Room) -> None:
    seen(room, "old1", protocol=1)
    assert "protocol 1" in ((await plan(room, "old1")).refused or "")


async def test_embedded_canvas_is_told_and_can_be_left_out(room: Room) -> None:
    seen(room, "old1", embed={"chain": [1], "callbacks": [2]})
    kept = await plan(room, "old1")
    assert any("embeds callbacks and chain" in warning for warning in kept.warnings)
    stripped = await plan(room, "old1", keep_canvas=False)
    assert (stripped.items[0].grade, stripped.items[0].source) == ("arguments", "broker")
    await room.actions.act(stripped.id)
    assert "embed" not in json.loads(room.queues.lists["default"][0].raw)


async def test_the_queue_of_the_order_wins(room: Room) -> None:
    seen(room, "old1")
    prepared = await plan(room, "old1", queue="elsewhere")
    assert prepared.title.endswith("to elsewhere")
    assert any("Nobody consumes elsewhere" in warning for warning in prepared.warnings)


async def test_a_mistyped_queue_is_warned_of_with_the_nearest(room: Room) -> None:
    seen(room, "old1")
    assert any(
        "Did you mean default?" in text for text in (await plan(room, "old1", queue="defualt")).warnings
    )


def without_queue(room: Room, **fields: Any) -> None:
    sources = {"args": "control", "kwargs": "control"}
    room.store.add(id="t1", state="failure", args=[], kwargs={}, sources=sources, **fields)


async def test_the_only_queue_of_its_worker_is_taken(room: Room) -> None:
    room.store.add_worker("w2@a", queues=["slow"])
    without_queue(room, worker="w2@a")
    assert (await plan(room, "t1")).title.endswith("to slow")


async def test_the_only_queue_of_those_who_know_the_task_is_taken(room: Room) -> None:
    room.store.add_worker("w2@a", queues=["slow"], registered=["mail.send"])
    without_queue(room)
    assert (await plan(room, "t1")).title.endswith("to default")


async def test_no_queue_is_a_question(room: Room) -> None:
    room.store.add_worker("w2@a", queues=["slow"])
    without_queue(room)
    prepared = await plan(room, "t1")
    assert "which queue" in (prepared.refused or "")
    assert "--queue" in prepared.hint


async def test_a_task_nobody_has_registered_is_warned_of(room: Room) -> None:
    seen(room, "old1", task="shop.gone")
    assert any("shop.gone registered" in warning for warning in (await plan(room, "old1")).warnings)


async def test_mixed_grades_are_counted_and_the_refused_are_left_out(room: Room) -> None:
    seen(room, "aaaa")
    room.store.add(
        id="bbbb", state="failure", queue="default", args="(1,)", kwargs="{}", sources={"args": "event"}
    )
    room.store.add(id="cccc", state="failure", queue="default")
    prepared = await plan(room, "aaaa", "bbbb", "cccc")
    assert prepared.title == "Retry 2 tasks (1 exactly, 1 from their arguments), to default"
    assert [item.refused is None for item in prepared.items] == [True, True, False]
    assert prepared.count == 2
    assert (await room.actions.act(prepared.id)).done == 2
