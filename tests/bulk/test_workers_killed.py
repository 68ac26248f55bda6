"""What is told to many workers, terminate of many, and switches of beat are killed (SIGKILL) in the middle:
the same order once more does the rest, and no message is lost."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from celery import Celery

from lazycelery.actions.crew import MAINTENANCE
from tests.bulk.conftest import BackendCli
from tests.moves.conftest import Ground, RedisGround
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.broker, pytest.mark.soak]
NAMES = ("w1@test", "w2@test", "w3@test")
REFUSED, PARTLY = 4, 5
THROUGH = re.compile(r"hot is (held already|not held)")
BROKEN_OFF = "began, no outcome: broken off"


class Fleet:
    """Three workers, and what Celery's own client hears from them."""

    def __init__(self, ground: Ground, cli: BackendCli, backend: str) -> None:
        self.ground, self.cli, self.backend = ground, cli, backend
        self.workers = [
            CeleryWorker(ground.url, name.partition("@")[0], queues="hot", backend=backend, events=False)
            for name in NAMES
        ]
        self.tool = Celery("tool", broker=ground.url, set_as_current=False)
        self.broken_off = 0
        """Orders of which the audit log tells that they have no outcome."""

    def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What each worker that runs answers."""
        running = [one.name for one in self.workers if one.process and one.process.poll() is None]
        deadline = time.monotonic() + 20
        while True:
            replies = self.tool.control.broadcast(
                method, arguments=arguments, destination=running, reply=True, timeout=3, limit=len(running)
            )
            found = {name: value for reply in replies or () for name, value in reply.items()}
            if {*running} <= {*found}:
                return found
            assert time.monotonic() < deadline, f"{method}: only {[*found]} of {running} answer"

    def listening(self) -> list[str]:
        """Workers that still take commands. One that was told to stop hears nothing more, and its process may
        need seconds to end."""
        replies = self.tool.control.ping(timeout=5, limit=len(self.workers))
        return sorted(name for reply in replies for name in reply)

    def killed(self, *words: str, after: float) -> None:
        """Start it, and kill it so long after its line in the audit log."""
        log = self.ground.directory / "audit.ndjson"
        before = log.read_bytes().count(b"\n") if log.exists() else 0

        def begun() -> bool:
            if not log.exists() or log.read_bytes().count(b"\n") == before:
                return False
            time.sleep(after)
            return True

        self.cli.kill_when(begun, *words, "--yes")
        code, out, err = self.cli.run("audit", "--json", "--limit", "1")
        assert code == 0, err
        self.broken_off += json.loads(out)[0]["outcome"] == BROKEN_OFF

    def results(self, ids: set[str], seconds: float = 30) -> None:
        """Wait until each of these has a result."""
        deadline = time.monotonic() + seconds
        with redis.Redis.from_url(self.backend) as client:
            while left := [id for id in ids if not client.exists(f"celery-task-meta-{id}")]:
                assert time.monotonic() < deadline, f"{len(left)} of {len(ids)} never ran"
                time.sleep(0.1)

    def adds(self, number: int) -> set[str]:
        return {
            send(self.ground.url, "shop.add", each, 1, queue="hot", backend=self.backend)
            for each in range(number)
        }


@pytest.fixture
def fleet(ground: Ground, cli: BackendCli, backend: str) -> Iterator[Fleet]:
    one = Fleet(ground, cli, backend)
    try:
        for worker in one.workers:
            worker.start(60)
        yield one
    finally:
        for worker in one.workers:
            worker.stop()
        one.tool.close()


def queues(fleet: Fleet) -> list[set[str]]:
    return [{each["name"] for each in told} for told in fleet.ask("active_queues").values()]


def registered(fleet: Fleet, *what: str) -> list[str]:
    every = fleet.ask("registered", taskinfoitems=list(what)).values()
    return [next(line for line in told if line.startswith("shop.add")) for told in every]


STEPS: list[tuple[tuple[str, ...], Callable[[Fleet], bool]]] = [
    (
        ("worker", "pool", "size", "4", *NAMES),
        lambda fleet: all(len(told["pool"]["processes"]) == 4 for told in fleet.ask("stats").values()),
    ),
    (
        ("worker", "consume", "box", *NAMES),
        lambda fleet: all({"hot", "box"} <= names for names in queues(fleet)),
    ),
    (
        ("worker", "cancel", "box", *NAMES),
        lambda fleet: all(names == {"hot"} for names in queues(fleet)),
    ),
    (
        ("worker", "rate-limit", "shop.echo", "7/m", *NAMES),
        lambda fleet: all(
            any("shop.echo" in line and "7/m" in line for line in told)
            for told in fleet.ask("registered", taskinfoitems=["rate_limit"]).values()
        ),
    ),
    (
        ("worker", "time-limit", "shop.add", "--soft", "50", "--hard", "60", *NAMES),
        lambda fleet: all(
            "50" in line and "60" in line for line in registered(fleet, "soft_time_limit", "time_limit")
        ),
    ),
    (
        ("worker", "events", "on", *NAMES),
        lambda fleet: all("already" in str(told) for told in fleet.ask("enable_events").values()),
    ),
    (("worker", "hold", "hot"), lambda fleet: all(not names for names in queues(fleet))),
    (("worker", "resume", "hot"), lambda fleet: all(names == {"hot"} for names in queues(fleet))),
]


@pytest.mark.parametrize("ground", ["redis", "classic"], indirect=True)
def test_what_is_told_to_many_workers(fleet: Fleet) -> None:
    """Each order is killed, and given once more; then each worker is as it should be."""
    dice = random.Random(time.time_ns())
    sent = fleet.adds(20)
    for words, reached in STEPS:
        fleet.killed(*words, after=dice.uniform(0, 0.03))
        if words[1] == "pool":  # Given again sooner it overshoots: the size it sees is still the old one.
            time.sleep(MAINTENANCE + 1)
        code, out, err = fleet.cli.run(*words, "--yes")
        # Those that had been told before are left out; all of them perhaps.
        assert code in (0, PARTLY, REFUSED) or THROUGH.search(err), (words, code, out, err)
        deadline = time.monotonic() + 15
        while not reached(fleet):
            assert time.monotonic() < deadline, (words, code, out, err)
            time.sleep(0.3)
        sent |= fleet.adds(5)
    fleet.results(sent)
    assert fleet.broken_off, "too late: all were through"
    last = fleet.adds(20)
    fleet.killed("worker", "shutdown", *NAMES, after=dice.uniform(0, 0.1))
    time.sleep(1)
    if untold := fleet.listening():
        code, out, err = fleet.cli.run("worker", "shutdown", *untold, "--yes")
        assert code in (0, PARTLY), (out, err)
    for one in fleet.workers:
        assert one.process is not None
        one.process.wait(30)
    # A warm end: what they had not begun is in the queue again, and runs at the next one.
    with_next = CeleryWorker(fleet.ground.url, "w4", queues="hot", backend=fleet.backend)
    fleet.workers.append(with_next)
    with_next.start(60)
    fleet.results(last)


@pytest.mark.parametrize("ground", ["redis", "classic"], indirect=True)
def test_terminate_of_many(fleet: Fleet) -> None:
    # Until it is killed before it is through.
    assert any(terminated_in_two(fleet) for _ in range(5))


def terminated_in_two(fleet: Fleet) -> bool:
    """Whether some were left for the second order."""
    naps = [send(fleet.ground.url, "shop.nap", 300, queue="hot", backend=fleet.backend) for _ in range(6)]
    deadline = time.monotonic() + 30
    while sum(map(len, fleet.ask("active").values())) < len(naps):
        assert time.monotonic() < deadline
    behind = fleet.adds(10)
    ended = _ended(fleet, naps)
    fleet.cli.kill_when(lambda: ended() > 0, "terminate", *naps, "--signal", "KILL", "--yes")
    time.sleep(1)
    before = ended()
    code, out, err = fleet.cli.run("terminate", *naps, "--signal", "KILL", "--yes", "--json")
    assert code == (REFUSED if before == len(naps) else PARTLY), (out, err)
    assert before == len(naps) or json.loads(out)["done"] == len(naps) - before, (out, err)
    deadline = time.monotonic() + 15
    while ended() < len(naps):
        assert time.monotonic() < deadline, f"{ended()} of {len(naps)} ended"
        time.sleep(0.1)
    fleet.results(behind)
    return before < len(naps)


def _ended(fleet: Fleet, ids: list[str]) -> Callable[[], int]:
    client = redis.Redis.from_url(fleet.backend)

    def ended() -> int:
        told = client.mget([f"celery-task-meta-{id}" for id in ids])
        return sum(raw is not None and json.loads(raw)["status"] == "REVOKED" for raw in told)  # type: ignore[union-attr]

    return ended


# ---- beat

ENTRIES = 150


@pytest.mark.parametrize("ground", ["redis"], indirect=True)
def test_switches_of_beat(ground: RedisGround, cli: BackendCli) -> None:
    names = [f"entry-{number:03}" for number in range(ENTRIES)]
    for number, name in enumerate(names):
        schedule = {"__type__": "interval", "every": 86_400, "relative": False}
        told = {"name": name, "task": "shop.add", "schedule": schedule, "args": [number], "enabled": True}
        ground.client.hset(f"redbeat:{name}", mapping={"definition": json.dumps(told), "meta": "{}"})
        ground.client.zadd("redbeat::schedule", {f"redbeat:{name}": time.time() + 80_000})

    def enabled() -> dict[str, bool]:
        found = {}
        for name in names:
            told = json.loads(ground.client.hget(f"redbeat:{name}", "definition"))  # type: ignore[arg-type]
            assert (told["name"], told["args"]) == (name, [names.index(name)]), "whole"
            found[name] = told["enabled"]
        return found

    for do, on in (("disable", False), ("enable", True)):
        cli.kill_when(lambda on=on: [*enabled().values()].count(on) > 3, "beat", do, *names, "--yes")  # type: ignore[misc]
        switched = [*enabled().values()].count(on)
        assert 3 < switched < ENTRIES
        code, out, err = cli.run("beat", do, *names, "--yes", "--json")
        assert code == PARTLY and json.loads(out)["done"] == ENTRIES - switched, (out, err)
        assert {*enabled().values()} == {on}
        assert ground.client.zcard("redbeat::schedule") == ENTRIES
