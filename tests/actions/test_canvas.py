"""Whole canvases on real workers: retried from the failed step on, and revoked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import Signature

from lazycelery.model.action import Order, Plan
from tests.actions.live import Live, live
from tests.matrix.expected import POOLS
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]
EXTENDED = {"TEST_EXTENDED": "1"}


class Ground:
    """A broker, and workers of one kind of pool; results are on Redis."""

    def __init__(self, url: str, pool: str, results: RedisServer) -> None:
        self.url, self.pool, self.results = url, pool, results
        self._started: list[CeleryWorker] = []

    def sender(self) -> Sender:
        return Sender(self.url, self.results.url)

    def live(self, directory: Path) -> Any:
        return live(self.url, directory, backend=self.results.url)

    async def start(self, here: Live) -> None:
        """A worker, until it is known."""
        one = CeleryWorker(self.url, pool=self.pool, backend=self.results.url, env=EXTENDED)
        self._started.append(one)
        await asyncio.to_thread(one.start)
        await here.until_online()
        await here.survey()  # A heartbeat tells no pool.

    def stop(self) -> None:
        for one in self._started:
            one.kill()


def on(broker: str, pool: str, default: bool = False) -> Any:
    return pytest.param((broker, pool), id=f"{broker}-{pool}", marks=[] if default else [pytest.mark.soak])


GROUNDS = [on(broker, pool, pool == "prefork") for broker in ("redis", "rabbit") for pool in POOLS]


@pytest.fixture(params=GROUNDS)
def at(request: pytest.FixtureRequest, broker: RedisServer) -> Iterator[Ground]:
    kind, pool = request.param
    server = vhost = None
    url = broker.url
    if kind == "rabbit":
        server, vhost = request.getfixturevalue("rabbit"), f"canvas-{time.monotonic_ns()}"
        server.add_vhost(vhost)
        url = server.url(vhost)
    made = Ground(url, pool, broker)
    yield made
    made.stop()
    if server is not None:
        server.drop_vhost(vhost)


class Sender:
    """A plain client."""

    def __init__(self, url: str, backend: str | None = None) -> None:
        self.app = Celery("client", broker=url, backend=backend or url, set_as_current=False)
        self.app.conf.task_send_sent_event = True
        # A result asks its backend when it goes, which may be after the server has gone.
        self.app.backend.remove_pending_result = lambda result: result

    def send(self, canvas: Signature) -> list[str]:
        """The ids of its last step and of those before it."""
        node, found = canvas.apply_async(), []
        while node is not None:
            found.append(node.id)
            node = node.parent
        return found

    def step(self, name: str, *args: Any, **options: Any) -> Signature:
        return self.app.signature(f"shop.{name}", args=args, options=options)


def result(broker: RedisServer, id: str) -> dict[str, Any]:
    raw = broker.client().get(f"celery-task-meta-{id}")
    return json.loads(raw) if raw else {}  # type: ignore[arg-type]


def waiting_ids(broker: RedisServer) -> list[str]:
    lists = [broker.client().lrange(key, 0, -1) for key in ("celery", "celery\x06\x163")]
    return [json.loads(raw)["headers"]["id"] for raws in lists for raw in raws]  # type: ignore[union-attr]


def results(broker: RedisServer) -> list[dict[str, Any]]:
    keys = broker.client().keys("celery-task-meta-*")
    return [result(broker, key.decode().removeprefix("celery-task-meta-")) for key in keys]  # type: ignore[union-attr]


async def planned(here: Live, action: Any, id: str, **params: Any) -> Plan:
    return await here.actions.plan(Order(action=action, targets=[id], params={"canvas": True, **params}))


def states(plan: Plan) -> dict[str, str]:
    return {member.id: member.state for member in plan.canvas}


async def test_a_chain_goes_on_from_its_failed_step(at: Ground, tmp_path: Path) -> None:
    """Ids, root and parent of what follows stay; the first step is not run again."""
    flag, sender, broker = tmp_path / "flag", at.sender(), at.results
    steps = chain(
        sender.step("add", 1, 2),
        sender.step("until_file", immutable=True).clone(args=(str(flag),)),
        sender.step("echo", "last"),
    )
    steps.tasks[1].set(immutable=True)
    last, middle, first = sender.send(steps)
    async with at.live(tmp_path) as here:
        await here.remember(first)
        await at.start(here)
        await here.until(lambda: here.state(middle) == "failure")
        plan = await planned(here, "retry", middle)
        assert plan.refused is None, plan
        assert states(plan) == {first: "success", middle: "failure", last: "not sent"}
        assert plan.items[0].target == middle and "then shop.echo" in plan.items[0].text
        assert any("1 that succeeded" in line for line in plan.summary)
        flag.touch()
        outcome = await here.actions.act(plan.id, plan.word)
        assert outcome.done == 1, outcome
        assert re.search(rf"then shop.echo\[{last[:8]}\]: (sent|received|started|success)$", outcome.proof)
        await here.until(lambda: here.state(last) == "success")
    told = result(broker, last)
    assert told["result"] == [["found", "last"], {}]
    assert told["parent_id"] == outcome.items[0].new_id


async def test_a_member_of_a_group_is_sent_again_and_the_others_are_not(at: Ground, tmp_path: Path) -> None:
    flag, sender, broker = tmp_path / "flag", at.sender(), at.results
    members = [sender.step("add", 1, 1), sender.step("until_file", str(flag)), sender.step("add", 2, 2)]
    sent = [each.id for each in group(members).apply_async().children]
    async with at.live(tmp_path) as here:
        await here.remember(*sent)
        await at.start(here)
        await here.until(lambda: [here.state(each) for each in sent] == ["success", "failure", "success"])
        plan = await planned(here, "retry", sent[0])
        assert plan.refused is None and [item.target for item in plan.items] == [sent[1]], plan
        flag.touch()
        outcome = await here.actions.act(plan.id, plan.word)
        await here.until(lambda: here.state(outcome.items[0].new_id) == "success")
    again, old = result(broker, str(outcome.items[0].new_id)), result(broker, sent[1])
    assert again["result"] == "found" and again["group_id"] == old["group_id"] is not None
    assert [meta.get("name") for meta in results(broker)].count("shop.add") == 2


async def test_what_another_session_sent_again_is_not_sent_once_more(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    """The audit log tells: the copy succeeded, so the step that failed first is done."""
    flag, sender = tmp_path / "flag", Sender(broker.url)
    steps = chain(sender.step("add", 1, 2), sender.step("until_file", str(flag)), sender.step("echo", "last"))
    steps.tasks[1].set(immutable=True)
    steps.tasks[1].immutable = True
    last, middle, first = sender.send(steps)
    async with live(broker.url, tmp_path) as here, live(broker.url, tmp_path) as there:
        await here.remember(first)
        await there.remember(first)
        await asyncio.to_thread(worker, env=EXTENDED)
        await here.survey()
        await here.until(lambda: here.state(middle) == there.state(middle) == "failure")
        flag.touch()
        plan = await planned(here, "retry", first)
        outcome = await here.actions.act(plan.id, plan.word)
        copy = outcome.items[0].new_id
        await there.until(lambda: there.state(copy) == "success" and there.state(last) == "success")
        plan = await planned(there, "retry", first)
        assert plan.items == [] and plan.refused and "was sent again as" in plan.refused, plan
        notes = {member.id: member.note for member in plan.canvas}
        assert str(copy)[:8] in notes[middle] and states(plan)[str(copy)] == "success"


async def test_a_chord_is_sent_anew_with_the_results_that_are_there(at: Ground, tmp_path: Path) -> None:
    """Two of a header succeeded, a chain in it failed; body and what follows run, nothing runs twice."""
    flag, sender, broker = tmp_path / "flag", at.sender(), at.results
    header = [
        sender.step("add", 1, 1),
        chain(
            sender.step("until_file", str(flag), priority=3, stamped_headers=["tenant"], tenant="acme"),
            sender.step("echo", "in the header"),
        ),
        sender.step("add", 3, 3),
    ]
    body, *_ = sender.send(chord(header, sender.step("echo", "body") | sender.step("echo", "after")))
    waiting = await asyncio.to_thread(waiting_ids, broker) if at.url == broker.url else []
    async with at.live(tmp_path) as here:
        await here.remember(*waiting)
        await at.start(here)
        await here.until(lambda: here.state(body) == "failure")
        plan = await planned(here, "retry", body)
        assert plan.refused is None, plan
        assert plan.count == 1 and "2 results kept" in plan.items[0].text, plan.items
        failed = plan.items[0].target
        flag.touch()
        outcome = await here.actions.act(plan.id, plan.word)
        await here.until(lambda: here.state(body) == "success")
    inner = [[2, [["found", "in the header"], {}], 6], "body"]
    assert result(broker, body)["result"] == [[[inner, {}], "after"], {}]
    metas = results(broker)
    ran = [meta.get("name") for meta in metas]
    assert ran.count("shop.add") == 2 and ran.count("celery.accumulate") == 2
    (again,) = [m for m in metas if m.get("name") == "shop.until_file" and m["status"] == "SUCCESS"]
    assert again["tenant"] == "acme" and again["stamped_headers"] == ["tenant"] and again["task_id"] != failed
    assert outcome.proof.startswith("new task"), outcome


async def test_a_lost_member_of_a_chord_is_counted_by_its_copy(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    """Nothing of it returned: the chord goes on with an exact copy, and nothing else is sent."""
    sender = Sender(broker.url)
    header = [sender.step("add", 1, 1), sender.step("add", 2, 2)]
    body, *_ = sender.send(chord(header, sender.step("echo")))
    (first, second) = await asyncio.to_thread(waiting_ids, broker)
    async with live(broker.url, tmp_path) as here:
        await here.remember(first, second)
        raws = broker.client().lrange("celery", 0, -1)
        broker.client().lrem("celery", 1, next(raw for raw in raws if second.encode() in raw))  # type: ignore[union-attr]
        await asyncio.to_thread(worker, env=EXTENDED)
        await here.survey()
        await here.until(lambda: here.state(first) == "success")
        here.store.task(second, 0)
        plan = await planned(here, "retry", first)
        assert plan.refused is not None  # A message that nobody saw leave may come yet.
        lost = LostStore(here, second)
        here.actions._context.store = lost  # type: ignore[assignment]
        plan = await planned(here, "retry", first)
        assert plan.refused is None and plan.items[0].grade == "exact", plan
        assert any("counted in its place" in warning for warning in plan.warnings)
        await here.actions.act(plan.id, plan.word)
        await here.until(lambda: here.state(body) == "success")
    assert sorted(result(broker, body)["result"][0][0]) == [2, 4]


class LostStore:
    """The store, once it has found that a task is lost."""

    def __init__(self, here: Live, lost: str) -> None:
        self._store, self._lost = here.store, lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def task(self, id: str, now: float) -> Any:
        task = self._store.task(id, now)
        if task is not None and id == self._lost:
            task.state = "lost"
        return task


async def test_a_chain_is_revoked_with_the_steps_that_are_not_sent(at: Ground, tmp_path: Path) -> None:
    """What runs goes on; the step that it sends then is discarded, and so is what waits."""
    flag, sender, broker = tmp_path / "flag", at.sender(), at.results
    steps = chain(sender.step("wait_for", str(flag)), sender.step("echo", "b"), sender.step("echo", "c"))
    last, middle, first = sender.send(steps)
    async with at.live(tmp_path) as here:
        await here.remember(first)
        await at.start(here)
        if at.pool == "solo":
            return await _told_to_a_deaf_worker(here, sender, first, flag)
        await here.until(lambda: here.state(first) == "started")
        plan = await planned(here, "revoke", first)
        assert plan.title == "Revoke a canvas of 3 members: 1 task and 2 steps not sent yet"
        assert {item.target for item in plan.items} == {first, middle, last}
        assert any("revoking does not stop" in warning for warning in plan.warnings), plan.warnings
        outcome = await here.actions.act(plan.id, plan.word)
        assert outcome.done == 3, outcome
        flag.touch()
        await here.until(lambda: here.state(middle) == "revoked" and here.state(first) == "success")
        await asyncio.sleep(0.5)
        plan = await planned(here, "retry", first)
        (item,) = plan.items
        assert item.target == middle and "hold shop.echo" in (item.refused or ""), item
    assert result(broker, last).get("status") == "REVOKED"
    assert "echo" not in json.dumps([r.get("name") for r in results(broker) if r.get("status") == "SUCCESS"])


async def _told_to_a_deaf_worker(here: Live, sender: Sender, first: str, flag: Path) -> None:
    """A solo worker hears nothing while its task runs: nobody knows, and it is said so."""
    await here.until(lambda: not sender.app.control.ping(timeout=0.5))
    plan = await planned(here, "revoke", first)
    outcome = await here.actions.act(plan.id, plan.word)
    assert outcome.done == 0 and "did not answer" in outcome.proof, outcome
    flag.touch()
    await here.until(lambda: here.state(first) == "success")


async def test_a_chord_is_terminated_and_its_body_does_not_run(at: Ground, tmp_path: Path) -> None:
    """Threads cannot be ended: what runs goes on, and the rest is revoked."""
    if at.pool == "solo":
        pytest.skip("one at a time, and it hears nothing: see the chain above")
    sender, never = at.sender(), tmp_path / "never"
    header = [sender.step("wait_for", str(never)) for _ in range(3)]
    sent = chord(header, sender.step("echo")).apply_async()
    body, waiting = sent.id, [each.id for each in sent.parent.children]
    async with at.live(tmp_path) as here:
        await here.remember(*waiting)
        await at.start(here)
        await here.until(lambda: [here.state(each) for each in waiting].count("started") == 2)
        plan = await planned(here, "terminate", waiting[0], signal="KILL")
        prefork = at.pool == "prefork"
        assert ("terminate 2 of them with KILL" in plan.title) is prefork, plan.title
        assert plan.level == ("typed" if prefork else "letter")
        outcome = await here.actions.act(plan.id, plan.word)
        assert outcome.done == 4 and not outcome.failed, outcome
        if not prefork:
            assert [here.state(each) for each in waiting].count("started") == 2
            assert any("revoking does not stop that" in warning for warning in plan.warnings)
            never.touch()
            # What the worker has handed to its threads already runs, though it is revoked.
            await here.until(lambda: {*map(here.state, waiting)} <= {"revoked", "success"}, 40)
            await here.until(lambda: here.state(body) in ("failure", "revoked"))
            return
        await here.until(lambda: [here.state(each) for each in waiting].count("revoked") == 3)
        await here.until(lambda: here.state(body) in ("failure", "revoked"))


async def test_a_revoke_tells_which_worker_keeps_it_over_a_restart(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    """Its conf tells; what the plan promises is so: the worker that was started again discards it."""
    conf = {"TEST_CONF": json.dumps({"worker_state_db": str(tmp_path / "state")})}
    (id,) = Sender(broker.url).send(Sender(broker.url).step("add", 1, 2, countdown=8))
    async with live(broker.url, tmp_path) as here:
        one = await asyncio.to_thread(worker, env=conf)
        await here.survey()
        plan = await here.actions.plan(Order(action="revoke", targets=[id], params={"force": True}))
        (told,) = [warning for warning in plan.warnings if "worker_state_db" in warning]
        assert "w1@test keeps it in a file too" in told and "not after a kill" in told
        await here.actions.act(plan.id)
        await asyncio.to_thread(one.stop)
        await asyncio.to_thread(one.start)
        await here.until(lambda: here.state(id) == "revoked", 25)
    assert not [each for each in results(broker) if each.get("status") == "SUCCESS"]
