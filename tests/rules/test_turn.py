"""Two machines at the rules of one cluster: one evaluates, the other waits, and nothing is done twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pika.exceptions import ChannelClosedByBroker  # type: ignore[import-untyped]

from lazycelery.engine import rule_status, rule_turn
from lazycelery.engine.engine import Engine
from lazycelery.engine.rule_turn import HELD, NAME, Turn, told
from lazycelery.engine.rules import directory, new_id
from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.rule import Rule
from lazycelery.sources import open_broker
from lazycelery.sources.amqp.facts import QueueFacts
from lazycelery.sources.amqp.leases import ARGUMENT, SOMEBODY, lease
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker, send
from tests.support.rabbit import RabbitServer

broker_test = pytest.mark.broker


class Leases:
    """A broker's memory of who holds a name."""

    def __init__(self) -> None:
        self.holder = ""
        self.down = False
        self.asked = 0
        self.answers: Callable[[], None] = lambda: None

    async def lease(self, name: str, holder: str, seconds: float) -> str:
        self.asked += 1
        if self.down:
            raise ConnectionProblem("The connection is lost.")
        self.holder = self.holder or holder
        self.answers()
        return self.holder

    async def give_up(self, name: str, holder: str) -> None:
        self.holder = "" if self.holder == holder else self.holder


class Machine:
    """One's turn, and its clock."""

    def __init__(self, leases: Any, place: Path, apply: bool = True) -> None:
        place.mkdir(exist_ok=True)
        self.now, self.place = 1000.0, place
        profile = Profile(broker="redis://b/0", rules=[Rule(name="r", apply=apply)])
        self.turn = Turn(profile, leases, place, lambda: self.now)


async def test_one_machine_of_two_has_the_turn_until_it_gives_it_back(tmp_path: Path) -> None:
    leases = Leases()
    one, two = Machine(leases, tmp_path / "1"), Machine(leases, tmp_path / "2")
    assert await one.turn.take() and not await two.turn.take()
    assert two.turn.why.startswith(f"evaluated by {one.turn.name}, on another machine")
    assert told(two.place) == two.turn.why and told(one.place) == f"evaluated by {one.turn.name}"
    assert "#" not in two.turn.why
    await one.turn.give_back()
    assert await two.turn.take() and told(one.place) == ""
    await two.turn.give_back()


async def test_a_turn_that_another_one_took_meanwhile_is_lost(tmp_path: Path) -> None:
    leases = Leases()
    one = Machine(leases, tmp_path / "1")
    assert await one.turn.take()
    leases.holder = "ada@db2 (process 9) #1"  # It slept, and its time was over.
    assert await one.turn.still(), "it was ours a moment ago"
    one.now += HELD + 1
    assert not await one.turn.still(at_once=True)
    assert one.turn.why.startswith("evaluated by ada@db2 (process 9), on another machine")


async def test_a_broker_that_is_gone_is_believed_only_for_so_long(tmp_path: Path) -> None:
    leases = Leases()
    one = Machine(leases, tmp_path / "1")
    assert await one.turn.take()
    leases.down = True
    one.now += HELD - 1
    assert await one.turn.still()
    one.now += 2
    assert not await one.turn.still() and "The connection is lost" in one.turn.why


async def test_a_late_answer_is_not_believed_longer_than_the_broker_keeps_the_name(tmp_path: Path) -> None:
    leases = Leases()
    one = Machine(leases, tmp_path / "1")

    def late() -> None:
        one.now += 5

    leases.answers = late
    assert await one.turn.take()
    leases.down = True
    one.now += HELD - 4
    assert not await one.turn.still()


async def test_a_dry_run_writes_nothing_to_the_broker(tmp_path: Path) -> None:
    leases = Leases()
    one, two = Machine(leases, tmp_path / "1", apply=False), Machine(leases, tmp_path / "2", apply=False)
    assert await one.turn.take() and await two.turn.take() and leases.asked == 0
    assert one.turn.apart and not Machine(object(), tmp_path / "3").turn.apart


async def held_by(url: str, holder: str, **profile: Any) -> tuple[Any, str]:
    broker = open_broker(Profile(broker=url, **profile))
    return broker, await broker.queues.lease(NAME, holder, 1.0)  # type: ignore[attr-defined]


@broker_test
async def test_an_engine_that_closes_keeps_its_turn_until_what_it_began_is_finished(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_turn, "HELD", 1.0)
    monkeypatch.setattr(rule_turn, "RENEWED", 0.2)
    profile = Profile(
        broker=broker.url, rules=[Rule(name="r", apply=True)], allow=["all"], history=False, alerting=True
    )
    engine = Engine(profile)
    await engine.start()
    await engine.ready(10)
    client, other = broker.client(), tmp_path / "other"
    other.mkdir()
    deadline = time.monotonic() + 10
    while not client.exists(NAME):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    settle, two = engine._actions.settle, Turn(profile, engine._broker.queues, other, time.time)
    taken = list[bool]()

    async def slowly() -> None:
        for _ in range(12):  # An action that takes longer than the broker keeps the name for a silent one.
            await asyncio.sleep(0.2)
            taken.append(await two.take())
        await settle()

    monkeypatch.setattr(engine._actions, "settle", slowly)
    await engine.close()
    assert taken == [False] * 12 and not client.exists(NAME)


@broker_test
async def test_redis_keeps_the_name_for_one_and_forgets_it(broker: RedisServer) -> None:
    url = broker.url
    one, holder = await held_by(url, "one", prefix="acme:")
    assert holder == "one" and 0 < broker.client().pttl(f"acme:{NAME}") <= 1000  # type: ignore[operator]
    two, holder = await held_by(url, "two", prefix="acme:")
    assert holder == "one"
    await two.queues.give_up(NAME, "two")  # It is not its own.
    assert await one.queues.lease(NAME, "one", 1.0) == "one"
    await one.queues.give_up(NAME, "one")
    assert await two.queues.lease(NAME, "two", 0.2) == "two"
    await asyncio.sleep(0.3)
    assert await one.queues.lease(NAME, "one", 1.0) == "one"
    await one.close()
    await two.close()


@broker_test
async def test_rabbitmq_keeps_the_name_for_a_connection(rabbit: RabbitServer) -> None:
    rabbit.add_vhost("rules")
    url = rabbit.url("rules")
    one, holder = await held_by(url, "one", management=rabbit.management)
    assert holder == "one" and await one.queues.lease(NAME, "one", 1.0) == "one"
    assert NAME not in await one.queues.names()
    two, holder = await held_by(url, "two", management=rabbit.management)
    assert holder in ("one", "another connection")
    await one.close()
    deadline = time.monotonic() + 5
    while await two.queues.lease(NAME, "two", 1.0) != "two":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await two.queues.give_up(NAME, "two")
    await two.close()
    rabbit.drop_vhost("rules")


async def test_a_queue_that_is_locked_is_never_ours_whatever_was_told_before() -> None:
    """The management API may still tell of us, after another machine took it."""

    class Locked:
        async def channel(self, purpose: str) -> Locked:
            return self

        async def declare_queue(self, name: str, arguments: dict[str, Any]) -> None:
            raise ChannelClosedByBroker(405, "RESOURCE_LOCKED")

        def close(self) -> None:
            return

    class Told:
        async def queues(self) -> dict[str, QueueFacts]:
            return {NAME: QueueFacts(name=NAME, arguments={ARGUMENT: "one"})}

    server, management = Locked(), Told()
    assert await lease(server, management, NAME, "one") == SOMEBODY  # type: ignore[arg-type]
    assert await lease(server, management, NAME, "two") == "one"  # type: ignore[arg-type]


class Watch:
    """`lazycelery watch` as it would run on a machine of its own."""

    def __init__(self, url: str, home: Path) -> None:
        self.home = home
        home.mkdir()
        config = home / "config.toml"
        rule = '[[profiles.default.rules]]\nname = "r"\nbackoff = 0.1\nretries = 1\n'
        rule += "aside = false\napply = true\n"
        config.write_text(
            f'[profiles.default]\nbroker = "{url}"\nallow = ["retry"]\ntimeout = 1.0\nhistory = false\n{rule}'
        )
        config.chmod(0o600)
        self.out = (home / "out").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lazycelery", "--config", str(config), "watch"],
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(home / "state")},
            stdout=self.out,
            stderr=self.out,
        )

    def lines(self) -> str:
        return (self.home / "out").read_text()

    def says(self, text: str, seconds: float = 40) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.lines():
            assert time.monotonic() < deadline and self.process.poll() is None, self.lines()
            time.sleep(0.1)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(20)
        self.out.close()


@pytest.fixture
def machines(broker: RedisServer, tmp_path: Path) -> Iterator[tuple[Watch, Watch]]:
    worker = CeleryWorker(broker.url, "w1", env={"TEST_EXTENDED": "1"}).start(60)
    one = Watch(broker.url, tmp_path / "one")
    one.says("; dry runs")
    two = Watch(broker.url, tmp_path / "two")
    yield one, two
    for each in (one, two):
        each.end()
    worker.kill()


def results(url: str) -> dict[str, Any]:
    """The ids of all that ran."""
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter("celery-task-meta-*"))
        return {key.decode().removeprefix("celery-task-meta-"): json.loads(client.get(key)) for key in keys}  # type: ignore[arg-type]


@broker_test
def test_two_machines_retry_each_failure_once_and_the_second_takes_over(
    machines: tuple[Watch, Watch], broker: RedisServer
) -> None:
    one, two = machines
    two.says("this one evaluates none")
    ids = [send(broker.url, "shop.charge", number, backend=broker.url) for number in range(4)]
    wanted = {*ids, *map(new_id, ids)}
    deadline = time.monotonic() + 60
    while not wanted <= results(broker.url).keys():
        assert time.monotonic() < deadline, (one.lines(), two.lines())
        time.sleep(0.2)
    time.sleep(2)
    assert results(broker.url).keys() == wanted
    assert one.lines().count("retried: retry 1 task") == 4 and "retried" not in two.lines()
    one.end()
    two.says("; dry runs")
    last = send(broker.url, "shop.charge", 9, backend=broker.url)
    two.says(f"shop.charge {last[:8]} retried: retry 1 task")


@broker_test
@pytest.mark.soak
def test_a_machine_that_slept_does_nothing_that_another_one_does(
    machines: tuple[Watch, Watch], broker: RedisServer
) -> None:
    one, two = machines
    two.says("this one evaluates none")
    os.kill(one.process.pid, signal.SIGSTOP)
    two.says("; dry runs", HELD + 20)
    ids = [send(broker.url, "shop.charge", number, backend=broker.url) for number in range(4)]
    wanted = {*ids, *map(new_id, ids)}
    deadline = time.monotonic() + 60
    while not wanted <= results(broker.url).keys():
        assert time.monotonic() < deadline, two.lines()
        time.sleep(0.2)
    os.kill(one.process.pid, signal.SIGCONT)
    one.says("The turn to evaluate the rules of this cluster is lost: evaluated by")
    time.sleep(5)
    assert results(broker.url).keys() == wanted and "retried" not in one.lines()


def test_who_evaluates_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = Profile(broker="redis://b/0", rules=[Rule(name="r")])
    (notice,) = rule_status.notices(profile)
    assert (notice.title, notice.severity) == ("Nobody on this machine evaluates the rules.", "info")
    assert rule_status.status(profile)[0].turn is None
    directory(profile).mkdir(parents=True)
    turn = Turn(profile, object(), directory(profile), time.time)  # type: ignore[arg-type]
    assert asyncio.run(turn.take())
    assert rule_status.status(profile)[0].turn == f"evaluated by {turn.name}"
    assert rule_status.notices(profile)[0].title == f"Rules for failed tasks are evaluated by {turn.name}."
    assert rule_status.notices(Profile()) == []
    asyncio.run(turn.give_back())
