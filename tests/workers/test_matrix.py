"""Every action on workers: said before, seen by Celery's own client, undone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome
from tests.actions.live import Live
from tests.support.fleet import send
from tests.workers.conftest import W1, W2, Place, online, open_live, told

pytestmark = pytest.mark.broker
FIXED = {
    "threads": "its pool of threads keeps the size it was started with (-c)",
    "solo": "a solo pool has one place, and that is the worker itself",
}


async def undo(here: Live, outcome: Outcome) -> Outcome:
    assert outcome.back is not None
    plan = await here.actions.plan(outcome.back)
    assert plan.refused is None, (plan.refused, plan.items)
    return await here.actions.act(plan.id, plan.word)


async def refusal(here: Live, action: str, *targets: str, **params: object) -> str:
    plan = await here.actions.plan(Order(action=action, targets=list(targets), params=params))  # type: ignore[arg-type]
    return plan.refused or ""


async def test_a_pool_grows_and_shrinks_or_says_why_it_cannot(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    if at.pool in FIXED:
        assert await refusal(here, "pool", W1, do="grow", n=1) == FIXED[at.pool]
        return
    before = len((await told(lambda: at.ask("stats")))["pool"]["processes"])
    outcome = await here.do("pool", "w1", do="grow", n=2)
    assert (outcome.done, outcome.failed, outcome.unknown) == (1, 0, 0)
    assert f"{before} → {before + 2} processes" in outcome.proof
    assert len((await told(lambda: at.ask("stats")))["pool"]["processes"]) == before + 2
    assert outcome.undo == f"lazycelery worker pool size 2 {W1} --allow pool"
    again = await undo(here, outcome)
    assert f"{before + 2} → {before} processes" in again.proof
    assert len((await told(lambda: at.ask("stats")))["pool"]["processes"]) == before


async def test_a_pool_is_not_shrunk_to_nothing(at: Place, here: Live) -> None:
    await online(here, W1)
    said = await refusal(here, "pool", W1, do="shrink", n=2)
    assert said == FIXED.get(
        at.pool, "of its 2 processes at least one must stay: without one it runs nothing"
    )


async def test_autoscale_and_restart_tell_before_what_they_need(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    scale = await refusal(here, "pool", W1, do="autoscale", max=4, min=1)
    assert scale == FIXED.get(at.pool, "it was not started with --autoscale")
    restart = await refusal(here, "pool", W2, do="restart")
    if at.pool == "prefork":
        assert restart == "it was started without worker_pool_restarts = True: Celery refuses without"
        old = set((await told(lambda: at.ask("stats")))["pool"]["processes"])
        outcome = await here.do("pool", W1, do="restart")
        assert (outcome.done, outcome.failed) == (1, 0) and "after its next task" in outcome.proof
        for _ in range(50):  # The worker replaces it at its next look at the pool, every five seconds.
            if set((await told(lambda: at.ask("stats")))["pool"]["processes"]) != old:
                break
            await asyncio.sleep(0.2)
        else:
            pytest.fail("The processes are the old ones.")
    else:
        assert restart == f"its pool is {at.pool}: only a prefork pool has processes to replace"


async def test_consumers_are_added_and_cancelled(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    outcome = await here.do("consumers", "mail", do="add", workers=["w2"])
    assert outcome.proof == f"mail consumed: {W2}: consumes mail"
    assert await told(lambda: at.queues(W2)) == {"celery", "mail"}
    assert "it consumes mail already" in await refusal(here, "consumers", "mail", do="add", workers=[W2])
    await undo(here, outcome)
    assert await told(lambda: at.queues(W2)) == {"celery"}
    # Celery says ok to this, and does nothing.
    assert "does not consume maill" in await refusal(here, "consumers", "maill", do="cancel", workers=[W1])


async def test_a_held_queue_is_put_back_by_another_session(at: Place, here: Live, tmp_path: Path) -> None:
    await online(here, W1, W2)
    plan = await here.actions.plan(Order(action="consumers", targets=["celery"], params={"do": "turn"}))
    assert plan.title == f"Hold celery at {W1} and {W2}" and plan.word == "celery"
    assert "Nobody else consumes celery: its messages will wait." in plan.warnings
    outcome = await here.actions.act(plan.id, "celery")
    assert outcome.proof == "celery held at all 2 workers: consumes celery no more"
    assert (await told(lambda: at.queues(W1)), await told(lambda: at.queues(W2))) == ({"mail"}, set())
    assert list((await here.actions.held())["celery"].workers) == [W1, W2]
    async with open_live(at, tmp_path) as another:
        await online(another, W1, W2)
        plan = await another.actions.plan(
            Order(action="consumers", targets=["celery"], params={"do": "turn"})
        )
        assert plan.title == f"Resume celery at {W1} and {W2}"
        outcome = await another.actions.act(plan.id, plan.word)
        assert outcome.proof == "celery resumed at all 2 workers: consumes celery"
    assert await told(lambda: at.queues(W1)) == {"celery", "mail"}
    assert await told(lambda: at.queues(W2)) == {"celery"}
    with pytest.raises(NothingFound, match="celery is not held"):
        await here.actions.plan(Order(action="consumers", targets=["celery"], params={"do": "resume"}))


async def test_what_waits_in_a_held_queue_is_run_after_it(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    held = await here.do("consumers", "mail", do="hold")
    assert held.done == 1
    id = await told(lambda: send(at.url, "shop.add", 1, 1, queue="mail"))
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert here.state(id) in ("nobody knows it", "waiting")
        await told(lambda: time.sleep(0.1))
    await undo(here, held)
    await here.until(lambda: here.state(id) == "success")


async def test_a_rate_limit_is_set_read_back_and_undone(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    outcome = await here.do("limits", do="rate", task="shop.charge", rate="10/m")
    assert outcome.done == 2
    assert outcome.items[0].text == "shop.charge: 10/m, it was no rate limit"
    for worker in (W1, W2):
        said = await told(lambda w=worker: at.ask("registered", w, taskinfoitems=["rate_limit"]))
        assert "shop.charge [rate_limit=10/m]" in said
    assert "it is 10/m already" in await refusal(
        here, "limits", W1, do="rate", task="shop.charge", rate="10/m"
    )
    await undo(here, outcome)
    said = await told(lambda: at.ask("registered", taskinfoitems=["rate_limit"]))
    assert "shop.charge [rate_limit=0]" in said
    with pytest.raises(NothingFound, match=r"Did you mean shop\.charge"):
        await here.actions.plan(
            Order(action="limits", params={"do": "rate", "task": "shop.chrge", "rate": "1/s"})
        )


async def test_each_worker_gets_its_own_rate_back(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    await here.do("limits", W1, do="rate", task="shop.breaks", rate="5/m")
    outcome = await here.do("limits", W1, W2, do="rate", task="shop.breaks", rate="10/m")
    assert outcome.undo is not None and " 5/m " in outcome.undo and " none " in outcome.undo
    await undo(here, outcome)
    for worker, rate in ((W1, "5/m"), (W2, "0")):
        said = await told(lambda w=worker: at.ask("registered", w, taskinfoitems=["rate_limit"]))
        assert f"shop.breaks [rate_limit={rate}]" in said
    await here.do("limits", W1, do="rate", task="shop.breaks", rate="none")


async def test_a_time_limit_keeps_the_one_that_is_not_given(at: Place, here: Live) -> None:
    await online(here, W1)
    first = await here.do("limits", W1, do="time", task="shop.nap", soft="20", hard="30")
    second = await here.do("limits", W1, do="time", task="shop.nap", hard="40")
    assert second.items[0].text == "shop.nap: soft 20 s, hard 40 s, it was soft 20 s, hard 30 s"
    items = ["soft_time_limit", "time_limit"]
    assert "shop.nap [soft_time_limit=20.0 time_limit=40.0]" in await told(
        lambda: at.ask("registered", taskinfoitems=items)
    )
    plan = await here.actions.plan(
        Order(action="limits", targets=[W1], params={"do": "time", "task": "shop.nap", "hard": "10"})
    )
    assert plan.refused == "the soft limit (20 s) must be under the hard one (10 s)"
    await undo(here, second)
    await undo(here, first)
    assert "shop.nap" in await told(lambda: at.ask("registered", taskinfoitems=items))


async def test_a_shutdown_takes_names_and_nothing_else(at: Place, here: Live) -> None:
    await online(here, W1)
    with pytest.raises(UsageError, match="Which workers"):
        await here.actions.plan(Order(action="shutdown"))
    with pytest.raises(UsageError, match="no patterns"):
        await here.actions.plan(Order(action="shutdown", targets=["w*"]))
    with pytest.raises(Refused, match="cold stop cannot be sent") as refused:
        await here.actions.plan(Order(action="shutdown", targets=[W1], params={"cold": True}))
    pid = (await told(lambda: at.ask("stats")))["pid"]
    assert f"kill -QUIT {pid}" in refused.value.hint
    assert await told(lambda: at.ask("ping")) == {"ok": "pong"}


async def test_a_task_written_by_hand_runs_with_its_arguments(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    outcome = await here.do("send", "shop.add", args=[20, 22], queue="mail")
    new = outcome.items[0].new_id or ""
    await here.until(lambda: here.state(new) == "success")
    task = here.store.task(new, time.time())
    assert task is not None and task.result == "42" and task.worker == W1
    later = await here.do("send", "shop.add", args=[1, 1], queue="mail", eta="3")
    held = later.items[0].new_id or ""
    assert here.state(held) != "success" and "not before" in later.proof
    await here.until(lambda: here.state(held) == "success")


async def test_a_stamp_is_revoked_at_every_worker(at: Place, here: Live) -> None:
    await online(here, W1, W2)
    plan = await here.actions.plan(
        Order(action="revoke", params={"stamps": {"tenant": [at.broker + at.pool]}})
    )
    assert plan.word == f"tenant={at.broker}{at.pool}" and len(plan.items) == 2
    outcome = await here.actions.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (2, 0, 0)
    stamped = {"stamped_headers": ["tenant"], "stamps": {"tenant": [at.broker + at.pool]}}
    hit = await told(lambda: send(at.url, "shop.add", 1, 1, headers=stamped))
    other = await told(lambda: send(at.url, "shop.add", 2, 2))
    await here.until(lambda: here.state(other) == "success")
    await here.until(lambda: here.state(hit) == "revoked")
