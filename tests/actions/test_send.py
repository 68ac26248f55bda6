"""Sending a task that a person wrote: what is checked, refused and proven."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import Order, Plan
from lazycelery.model.task import Task
from tests.actions.fakes import Room


async def plan(room: Room, *name: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action="send", targets=list(name), params=params))


async def test_a_task_is_sent_by_name_to_the_only_queue_that_can_be_meant(room: Room) -> None:
    prepared = await plan(room, "shop.add", args=[1, 2], kwargs={"token": "hunter2"})
    assert prepared.title == "Send shop.add to default" and prepared.level == "letter"
    assert "hunter2" not in prepared.items[0].text and "[redacted]" in prepared.items[0].text
    room.store.after_send = lambda id: Task(id=id, name="shop.add", state="success", worker="w1@a")
    outcome = await room.actions.act(prepared.id)
    assert outcome.proof.endswith("succeeded on w1@a")
    (sent,) = room.queues.lists["default"]
    body = json.loads(sent.raw)
    assert (body["task"], body["args"], body["kwargs"]) == ("shop.add", [1, 2], {"token": "hunter2"})
    assert outcome.items[0].new_id == body["id"]
    assert outcome.undo == f"lazycelery revoke {body['id']} --allow revoke"


async def test_an_edited_task_names_the_old_one_and_waits_for_its_time(room: Room) -> None:
    room.store.add(id="old-1", state="failure", queue="default")
    prepared = await plan(room, "shop.add", args=[3], retry_of="old-1", eta="60", priority=6)
    assert prepared.title == "Send shop.add to default, edited from old-1"
    outcome = await room.actions.act(prepared.id)
    (sent,) = room.queues.lists["default"]
    headers = json.loads(sent.raw)["headers"]
    assert headers["lazycelery_retry_of"] == "old-1" and headers["eta"] == "2027-01-15T08:01:00+00:00"
    assert sent.priority == 6 and "not before 2027-01-15T08:01:00+00:00" in outcome.proof
    assert outcome.items[0].target == "old-1"


async def test_a_name_that_no_worker_knows_is_refused_with_the_nearest(room: Room) -> None:
    prepared = await plan(room, "shop.ad", queue="default")
    assert prepared.refused == "no worker knows shop.ad. Did you mean shop.add?"
    with pytest.raises(Refused):
        await room.actions.act(prepared.id)
    assert (await plan(room, "shop.ad", queue="default", force=True)).refused is None


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"args": "1, 2"}, "args must be a list"),
        ({"kwargs": [1]}, "kwargs must be a table"),
        ({"priority": 300}, "is no priority"),
        ({"priority": True}, "is no priority"),
        ({"eta": "soon"}, "is no eta"),
        ({"eta": "-5"}, "not ahead"),
        ({"eta": "nan"}, "not ahead"),
        ({"expires": "1e12"}, "not ahead, or too far"),
        ({"countdown": 3}, "nothing that is sent"),
    ],
)
async def test_what_is_wrong_is_told(room: Room, params: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        await plan(room, "shop.add", **params)


async def test_several_queues_are_asked_about(room: Room) -> None:
    room.store.add_worker("w2@a", queues=["mail"], registered=["shop.add"])
    with pytest.raises(UsageError, match="Which queue"):
        await plan(room, "shop.add")


async def test_it_has_its_own_permission(tmp_path: Path) -> None:
    room = Room(tmp_path, allow=["operator"])
    prepared = await plan(room, "shop.add")
    assert (prepared.refused or "").startswith("Not permitted: send")
    with pytest.raises(Refused, match="Not permitted: send"):
        await room.actions.act(prepared.id)
    assert room.queues.lists == {}


@pytest.mark.parametrize("state", ["waiting", "received", "started", "retry"])
async def test_an_old_task_that_has_not_ended_would_run_beside_it(room: Room, state: str) -> None:
    room.store.add(id="old-1", state=state, queue="default")
    prepared = await plan(room, "shop.add", args=[3], retry_of="old-1")
    assert "both would run. Revoke it first" in (prepared.refused or "") and "--force" in prepared.hint
    assert (await plan(room, "shop.add", args=[3], retry_of="old-1", force=True)).refused is None


async def test_a_number_beyond_all_floats_is_told(room: Room) -> None:
    with pytest.raises(UsageError, match="is no expires"):
        await plan(room, "shop.add", expires=10**400)
