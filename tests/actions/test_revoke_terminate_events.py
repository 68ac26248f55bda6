from __future__ import annotations

from typing import Any

import pytest

from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.reports import ResultReport, TaskReport
from tests.actions.fakes import FakeResults, Room

FLAGGED = {"ok": "tasks {'t1'} flagged as revoked"}


async def plan(room: Room, action: Any, *ids: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action=action, targets=list(ids), params=params))


async def do(room: Room, action: Any, *ids: str, **params: Any) -> Outcome:
    prepared = await plan(room, action, *ids, **params)
    return await room.actions.act(prepared.id, prepared.word)


async def test_revoke_tells_who_answered_and_what_will_happen(room: Room) -> None:
    room.queues.add("default", "t1")
    room.remote.answers = {"w1@a": FLAGGED}
    prepared = await plan(room, "revoke", "t1")
    assert any("--statedb" in warning for warning in prepared.warnings)
    outcome = await room.actions.act(prepared.id)
    assert outcome.proof == ("revoked t1: w1@a flagged it; workers will discard it when its turn comes")
    assert outcome.items[0].replies == {"w1@a": FLAGGED}


async def test_silent_workers_are_named(room: Room) -> None:
    room.queues.add("default", "t1")
    room.store.add_worker("w2@a")
    room.remote.answers, room.remote.complete = {"w1@a": FLAGGED}, False
    outcome = await do(room, "revoke", "t1")
    assert "w2@a did not answer" in outcome.proof
    assert outcome.done == 1


async def test_nobody_who_answers_is_a_failure(room: Room) -> None:
    room.queues.add("default", "t1")
    outcome = await do(room, "revoke", "t1")
    assert (outcome.done, outcome.failed) == (0, 1)
    assert outcome.proof == "not revoked t1: no worker answered"


async def test_the_worker_that_holds_it_must_answer(room: Room) -> None:
    room.store.add(id="t1", state="received", worker="w2@a")
    room.remote.answers = {"w1@a": FLAGGED}
    assert (await do(room, "revoke", "t1")).failed == 1


async def test_what_a_pool_of_threads_has_taken_can_still_run(room: Room) -> None:
    room.store.add_worker("t@a", pool="threads")
    for id, worker in (("t1", "t@a"), ("t2", "t@a"), ("t3", "w1@a")):
        room.store.add(id=id, state="received", worker=worker)
    room.remote.answers = {"t@a": FLAGGED, "w1@a": FLAGGED}
    prepared = await plan(room, "revoke", "t1", "t2", "t3")
    assert [each for each in prepared.warnings if "threads" in each] == [
        "2 tasks are at t@a, whose pool of threads takes at once all that it prefetches: they can still run."
    ]
    texts = {item.target: item.text for item in (await room.actions.act(prepared.id)).items}
    assert "it still runs" in texts["t1"] and "discard" not in texts["t2"] and "discard" in texts["t3"]
    prepared = await plan(room, "revoke", stamps={"tenant": ["acme"]})
    assert any("t@a has taken already can still run" in each for each in prepared.warnings)


@pytest.mark.parametrize("state", ["success", "failure", "revoked", "rejected"])
async def test_what_has_ended_is_not_revoked(room: Room, state: str) -> None:
    room.store.add(id="t1", state=state)
    refused = (await plan(room, "revoke", "t1")).refused or ""
    assert refused.startswith(f"it has ended ({state})")
    assert ("traceback" in refused) == (state == "failure")


async def test_the_result_backend_knows_ends_too(room: Room) -> None:
    room.store.add(id="t1", state="started")
    room.actions.results = FakeResults(ResultReport(id="t1", status="FAILURE"))
    assert "traceback" in ((await plan(room, "revoke", "t1")).refused or "")


async def test_a_task_that_ends_between_plan_and_act_is_left_alone(room: Room) -> None:
    task = room.store.add(id="t1", state="started", worker="w1@a")
    prepared = await plan(room, "revoke", "t1")
    task.state = "failure"
    outcome = await room.actions.act(prepared.id)
    assert outcome.items[0].text == "left alone: it ended meanwhile (failure)"
    assert room.remote.calls == []


async def test_a_running_task_is_revoked_with_a_warning(room: Room) -> None:
    room.store.add(id="t1", state="started", worker="w1@a")
    assert any("terminate" in warning for warning in (await plan(room, "revoke", "t1")).warnings)


async def test_an_unknown_task_is_not_found_unless_forced(room: Room) -> None:
    with pytest.raises(NothingFound):
        await plan(room, "revoke", "t1")
    room.remote.answers = {"w1@a": FLAGGED}
    assert "should it come" in (await do(room, "revoke", "t1", force=True)).proof


async def test_terminate_goes_to_the_tasks_worker_with_its_signal(room: Room) -> None:
    room.store.add(id="t1-whole-id", state="started", worker="w1@a")
    room.remote.answers = {"w1@a": {"ok": "terminate: t1-whole-id"}}
    prepared = await plan(room, "terminate", "t1-whole-id", signal="SIGKILL")
    assert (prepared.level, prepared.word) == ("typed", "t1-whole")
    assert prepared.title == "Terminate 1 task on w1@a with KILL"
    outcome = await room.actions.act(prepared.id, "t1-whole")
    assert outcome.proof == "terminated t1-whole: w1@a sent KILL; no end seen within 0.05 s"
    (call,) = room.remote.calls
    assert call[1][1]["destination"] == ["w1@a"]
    assert (call[1][1]["terminate"], call[1][1]["signal"]) == (True, "KILL")


async def test_tasks_unknown_is_a_failure_although_it_says_ok(room: Room) -> None:
    room.store.add(id="t1", state="started", worker="w1@a")
    room.remote.answers = {"w1@a": {"ok": "terminate: tasks unknown"}}
    outcome = await do(room, "terminate", "t1")
    assert (outcome.done, outcome.failed) == (0, 1)
    assert "does not run it" in outcome.proof


async def test_the_worker_itself_knows_best_where_it_runs(room: Room) -> None:
    room.store.add_worker("w2@a")
    room.store.add(id="t1", state="started", worker="w1@a")
    room.remote.reports.append(TaskReport(id="t1", phase="active", worker="w2@a"))
    assert "on w2@a" in (await plan(room, "terminate", "t1")).title


@pytest.mark.parametrize(
    ("pool", "why"), [("threads", "thread"), ("solo", "only process"), ("odd", "prefork")]
)
async def test_only_prefork_can_be_terminated(room: Room, pool: str, why: str) -> None:
    room.store.add_worker("w2@a", pool=pool)
    room.store.add(id="t1", state="started", worker="w2@a")
    refused = (await plan(room, "terminate", "t1")).refused or ""
    assert refused.startswith(f"w2@a has a {pool} pool")
    assert why in refused


async def test_what_does_not_run_is_not_terminated(room: Room) -> None:
    room.queues.add("default", "t1")
    told = (await plan(room, "terminate", "t1")).refused or ""
    assert told == "no source tells whether it runs: its message is on the broker still; revoke it instead"
    room.store.add(id="t1", state="waiting")
    assert (await plan(room, "terminate", "t1")).refused == "it does not run (waiting): revoke it instead"


async def test_of_a_solo_worker_nobody_says_that_it_does_not_run(room: Room) -> None:
    """It sends the event of a beginning when the task has ended: what it has received may run."""
    room.store.add_worker("w2@a", pool="solo")
    room.store.add(id="t1", state="received", worker="w2@a")
    assert "only process" in ((await plan(room, "terminate", "t1")).refused or "")
    for state in ("unknown", "received"):
        room.store.add(id="t2", state=state)
        assert (await plan(room, "terminate", "t2")).refused == "no source tells whether it runs"


async def test_other_signals_are_wrong_usage(room: Room) -> None:
    with pytest.raises(UsageError, match="STOP"):
        await plan(room, "terminate", "t1", signal="STOP")


async def test_events_go_to_all_and_tell_each_answer(room: Room) -> None:
    room.remote.answers = {
        "w1@a": {"ok": "task events enabled"},
        "w2@a": {"error": "event dispatcher unavailable"},
    }
    prepared = await plan(room, "events", on=True)
    assert (prepared.level, prepared.title) == ("letter", "Switch task events on at all workers (1 online)")
    assert any("--without-gossip" in warning for warning in prepared.warnings)
    outcome = await room.actions.act(prepared.id)
    assert (outcome.done, outcome.failed) == (1, 1)
    assert "w2@a answered event dispatcher unavailable" in outcome.proof
    assert outcome.items[0].replies == {"w1@a": {"ok": "task events enabled"}}
    assert outcome.undo == "lazycelery worker events off w1@a --allow events"


async def test_events_that_stay_are_not_in_the_replies_that_a_session_puts_back(room: Room) -> None:
    room.remote.answers = {"w1@a": {"ok": "task events enabled"}}
    (item,) = (await do(room, "events", on=True, stay=True)).items
    assert (item.target, item.text, item.replies) == ("w1@a", "task events enabled", {})


async def test_events_off_says_who_cannot_be_silenced(room: Room) -> None:
    assert any("-E cannot be silenced" in text for text in (await plan(room, "events", on=False)).warnings)


async def test_events_need_on_or_off_and_known_workers(room: Room) -> None:
    with pytest.raises(UsageError):
        await plan(room, "events")
    with pytest.raises(NothingFound, match="w9@a"):
        await plan(room, "events", "w9@a", on=True)


async def test_events_without_a_worker_are_refused(room: Room) -> None:
    room.store.known_workers.clear()
    assert (await plan(room, "events", on=True)).refused == "no worker is online"


async def test_arguments_that_nobody_knows_are_not_shown_as_none(room: Room) -> None:
    room.store.add(id="t1", state="waiting", queue="default")
    room.store.add(id="t2", state="waiting", queue="default", args=[], kwargs={})
    texts = [item.text for item in (await plan(room, "revoke", "t1", "t2")).items]
    assert texts == ["shop.add(?): waiting", "shop.add(): waiting"]
