"""Dead letters back home, messages into files, and what a killed worker left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions.backup import BackupFile
from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, Refused
from lazycelery.model.profile import Profile
from tests.moves.conftest import Ground, Hands, RabbitGround, body
from tests.moves.test_moving import named
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]


@pytest.fixture(params=["classic", "quorum"])
def dead(request: pytest.FixtureRequest, rabbit: RabbitServer, tmp_path: Path) -> Any:
    """`dead` holds what died in `home` (m0 … m5) and in `away` (m10, m11)."""
    ground = RabbitGround(tmp_path, rabbit, request.param)
    ground.declare("dead", "plain")
    for name, count, first in (("home", 6, 0), ("away", 2, 10)):
        rabbit.declare(
            ground.vhost,
            name,
            x_queue_type=request.param,
            x_dead_letter_exchange="",
            x_dead_letter_routing_key="dead",
        )
        ground.fill(name, count, first)
        reject(ground, name, count)
    ground.settle("dead", 8)
    yield ground
    rabbit.drop_vhost(ground.vhost)


def reject(ground: RabbitGround, queue: str, count: int) -> None:
    path = f"/queues/{{vhost}}/{queue}/get"
    ground.api("POST", path, {"count": count, "ackmode": "reject_requeue_false", "encoding": "auto"})


@pytest.fixture
async def hands(request: pytest.FixtureRequest) -> Any:
    ground = request.getfixturevalue("dead" if "dead" in request.fixturenames else "ground")
    engine = Engine(ground.profile())
    await engine.start()
    await engine.ready(10)
    yield Hands(engine)
    await engine.close()


async def test_dead_letters_go_home(dead: RabbitGround, hands: Hands) -> None:
    page = await hands.engine.peek("dead", 0, 50, True)
    death = page.messages[0].death
    assert death is not None and (death.queue, death.reason, death.count) == ("home", "rejected", 1)
    assert death.at is not None and abs(death.at - time.time()) < 600
    plan = await hands.plan("requeue", "dead", look=True)
    assert plan.title == "Requeue 8 messages of dead: 2 to away and 6 to home"
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (8, 0), outcome
    assert "away holds 2; dead holds 0; home holds 6" in outcome.proof
    found = dead.take("home")
    assert [each["headers"]["id"] for each in found] == named(*range(6))
    assert [each["body"] for each in found] == [body(number) for number in range(6)]
    assert found[0]["headers"]["x-death"][0]["reason"] == "rejected"
    assert dead.ids("away") == named(10, 11)


async def test_some_dead_letters_go_home_and_are_taken_back(dead: RabbitGround, hands: Hands) -> None:
    with pytest.raises(Refused, match="dead must be looked through"):
        await hands.plan("requeue", "dead", filter="name:shop.even")
    outcome = await hands.do("requeue", "dead", filter="name:shop.even", look=True)
    assert (outcome.done, outcome.failed) == (4, 0), outcome
    dead.settle("dead", 4)
    back = await hands.do("restore", outcome.backup or "")
    assert (back.done, back.failed) == (4, 0), back
    dead.settle("dead", 8)
    assert dead.depth("home") == 0 and dead.depth("away") == 0


async def test_all_dead_letters_go_home_without_a_look(dead: RabbitGround, hands: Hands) -> None:
    plan = await hands.plan("requeue", "dead")
    assert plan.title == "Requeue all 8 messages of dead, each to the queue in which it died"
    assert "--force looks first" in plan.warnings[0]
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (8, 0), outcome
    assert dead.ids("home") == named(*range(6)) and dead.ids("away") == named(10, 11)


async def test_what_did_not_die_or_has_no_home_stays(dead: RabbitGround, hands: Hands) -> None:
    dead.fill("dead", 1, first=50)
    dead.api("DELETE", "/queues/{vhost}/away")
    plan = await hands.plan("requeue", "dead", look=True)
    assert plan.count == 8
    assert any("2 messages stay: away cannot take them" in warning for warning in plan.warnings)
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (6, 2), outcome
    dead.settle("dead", 3)
    assert sorted(dead.ids("dead")) == ["m10", "m11", "m50"]


async def test_dead_letters_push_nothing_out_of_their_home(dead: RabbitGround, hands: Hands) -> None:
    dead.declare("dead2")
    dead.server.declare(
        dead.vhost,
        "narrow",
        x_queue_type=dead.kind,
        x_max_length=3,
        x_dead_letter_exchange="",
        x_dead_letter_routing_key="dead2",
    )
    dead.fill("narrow", 3, first=20)
    reject(dead, "narrow", 3)
    dead.settle("dead2", 3)
    dead.fill("narrow", 2, first=30)
    outcome = await hands.do("requeue", "dead2")
    assert (outcome.done, outcome.failed) == (1, 2), outcome
    dead.settle("dead2", 2)
    assert dead.ids("narrow") == named(30, 31, 20) and dead.ids("dead2") == named(21, 22)


async def test_a_message_that_names_a_mailbox_as_its_home_stays(dead: RabbitGround, hands: Hands) -> None:
    mailbox = "w1@host.celery.pidbox"
    dead.declare("forged", mailbox)
    for queue in (mailbox, "nobody@host.celery.pidbox"):
        death = [{"queue": queue, "reason": "rejected", "count": 1}]
        dead.fill("forged", 1, headers={"x-death": death})
    outcome = await hands.do("requeue", "forged")
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 2, 0), outcome
    dead.settle("forged", 2)
    assert dead.depth(mailbox) == 0, "it would be remote control of a worker"


async def test_a_queue_without_dead_letters_has_nothing_to_requeue(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 2)
    with pytest.raises(NothingFound, match="tells in which queue it died"):
        await hands.plan("requeue", "box", look=True)


async def test_waiting_messages_are_exported_and_stay(ground: Ground, hands: Hands, tmp_path: Path) -> None:
    ground.fill("box", 450)
    file = tmp_path / "out" / "box.ndjson"
    if not ground.free:
        with pytest.raises(Refused, match="must be looked through"):
            await hands.plan("export", "box", file=str(file))
    plan = await hands.plan("export", "box", file=str(file), look=True)
    assert (plan.level, plan.count) == ("none", 450)
    outcome = await hands.engine.act(plan.id)
    assert (outcome.done, outcome.backup) == (450, str(file)), outcome
    assert file.stat().st_mode & 0o777 == 0o600
    exported = BackupFile(file)
    assert exported.total == 450 and exported.header.action == "export"
    restore = await hands.plan("restore", str(file), queue="other")
    assert restore.level == "typed" and any("This is an export" in each for each in restore.warnings)
    await hands.engine.act(restore.id, restore.word)
    ground.settle("box", 450)
    assert ground.ids("box") == named(*range(450))
    assert ground.ids("other") == named(*range(450))
    with pytest.raises(Refused, match="exists already"):
        ground.fill("box", 1)
        await hands.plan("export", "box", file=str(file), look=True)


# ---- orphans


@pytest.fixture
def profile(broker: RedisServer, tmp_path: Path) -> Profile:
    return Profile(
        broker=broker.url,
        allow=["all"],
        audit_file=str(tmp_path / "audit.ndjson"),
        backup_dir=str(tmp_path / "backups"),
    )


async def opened(profile: Profile) -> Hands:
    engine = Engine(profile)
    await engine.start()
    await engine.ready(10)
    return Hands(engine)


AHEAD = {"TEST_PREFETCH": "4"}


async def test_orphans_of_a_killed_worker_run_again(
    broker: RedisServer, worker: Start, profile: Profile, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    lost = await asyncio.to_thread(lambda: worker("lost", concurrency=1, env=AHEAD))
    sent = [send(broker.url, "shop.wait_for", str(flag), priority=priority) for priority in (0, 0, 3, 3, 0)]
    client = broker.client()
    await until(lambda: client.hlen("unacked") == 4)
    held = client.hlen("unacked")
    hands = await opened(profile)
    with pytest.raises(NothingFound, match=f"{held} unacknowledged messages are held"):
        await hands.plan("restore", orphans=True)
    lost.kill()
    await asyncio.to_thread(lambda: worker("other", concurrency=1, queues="elsewhere"))
    plan = await until_planned(hands)
    assert plan.count == held and plan.level == "typed", plan
    assert "1 worker exists and all answered: other@test" in plan.warnings[0], plan.warnings
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (held, 0), outcome
    assert client.hlen("unacked") == 0 == client.zcard("unacked_index")
    flag.touch()
    await asyncio.to_thread(lambda: worker("w2", concurrency=2, queues="celery", backend=broker.url))
    await until(lambda: all(b"SUCCESS" in (client.get(f"celery-task-meta-{id}") or b"") for id in sent[1:]))
    await hands.engine.close()


async def test_nothing_is_restored_while_somebody_is_silent(
    broker: RedisServer, worker: Start, profile: Profile, tmp_path: Path
) -> None:
    one = await asyncio.to_thread(lambda: worker("frozen", concurrency=1, env=AHEAD))
    for _ in range(4):
        send(broker.url, "shop.wait_for", str(tmp_path / "never"))
    client = broker.client()
    await until(lambda: client.hlen("unacked") >= 3)
    hands = await opened(profile)
    assert one.process is not None
    os.kill(one.process.pid, signal.SIGSTOP)
    try:
        plan = await hands.plan("restore", orphans=True)
        assert plan.refused == "1 worker did not answer, perhaps frozen@test: it may hold them"
        with pytest.raises(Refused):
            await hands.engine.act(plan.id, plan.word)
    finally:
        one.kill()
    await hands.engine.close()


async def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.05)


async def until_planned(hands: Hands) -> Any:
    """A killed worker's last heartbeats count for a while."""
    deadline = time.monotonic() + 30
    while (plan := await hands.plan("restore", orphans=True)).refused:
        assert time.monotonic() < deadline, plan.refused
        await asyncio.sleep(0.5)
    return plan
