"""A restore, a revoke of many, and a hold are killed (SIGKILL) in the middle: nothing is lost, nothing is
doubled unasked, and each can be gone on with."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from kombu import Queue

from lazycelery.actions import journal
from lazycelery.actions.files import state_directory
from lazycelery.actions.planfiles import bulk_of
from tests.bulk.conftest import BackendCli
from tests.moves.conftest import Ground
from tests.moves.test_moving import named
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
EACH = pytest.mark.parametrize("ground", ["redis", "classic", "quorum"], indirect=True)


@pytest.mark.soak
@EACH
def test_a_restore(ground: Ground, cli: BackendCli) -> None:
    many = 9000 if ground.free else 1600
    ground.fill("box", many)
    back = many
    for _ in range(8):  # Until it is killed before it is through.
        code, out, err = cli.run("purge", "box", "--yes", "--json")
        assert code == 0, err
        backup = json.loads(out)["backup"]
        cli.kill_when(lambda: ground.depth("box") > 0, "restore", backup, "--yes")
        time.sleep(1)
        if 0 < (back := ground.depth("box")) < many:
            break
    assert 0 < back < many
    code, _, err = cli.run("restore", backup, "--yes")
    assert code == 4 and "A restore of it was broken off" in err and "--again puts back the others" in err
    code, out, err = cli.run("restore", backup, "--yes", "--again", "--json")
    assert code == 0 and json.loads(out)["done"] == many - back, (err, out)
    ground.settle("box", many)
    found = ground.ids("box")
    assert Counter(found) == Counter(named(*range(many)))
    assert not ground.free or found == named(*range(many)), "their order"
    # That one came to its end: it is no more broken off.
    code, _, err = cli.run("restore", backup, "--yes")
    assert code == 4 and "backup was restored before" in err


@pytest.fixture
def worker(ground: Ground, backend: str) -> Iterator[CeleryWorker]:
    one = CeleryWorker(ground.url, "w1", queues="hot", backend=backend).start(60)
    yield one
    one.stop()


@pytest.mark.soak
@pytest.mark.parametrize("ground", ["redis", "classic"], indirect=True)
def test_a_revoke_of_many(ground: Ground, cli: BackendCli, worker: CeleryWorker, backend: str) -> None:
    queue = Queue("box", no_declare=not ground.free)
    ids = [send(ground.url, "shop.add", number, 1, queue=queue, backend=backend) for number in range(240)]
    force = () if ground.free else ("--force",)  # Nobody but its queue knows them there.

    def under_way() -> bool:
        return any(path.read_bytes().count(b'\n{"done"') >= 2 for path in journal.files())

    cli.kill_when(under_way, "revoke", *ids, "--yes", "--rate", "80", *force)
    (path,) = journal.files()
    one = bulk_of(path)
    assert (one.state, one.total) == ("stopped", len(ids)) and 0 < one.done < len(ids)
    assert ground.depth("box") == len(ids)
    code, out, err = cli.run("plan", "resume", one.id, "--yes", "--rate", "2000", "--json")
    assert code == 0, (err, out)
    assert bulk_of(journal.files()[0]).state == "done"
    code, out, _ = cli.run("worker", "consume", "box", "w1", "--yes")
    assert code == 0, out
    # On a busy machine its deliveries from RabbitMQ pause for a second after every ten or twenty.
    ground.settle("box", 0, 60)
    # The worker has been told of each, the first page too: it drops all of them unrun.
    deadline = time.monotonic() + 20
    with open(worker.log) as log:
        said = log.read()
        while said.count("Discarding revoked task") < len(ids):
            assert time.monotonic() < deadline, said.count("Discarding revoked task")
            time.sleep(0.2)
            said += log.read()


@pytest.mark.soak
@pytest.mark.parametrize("ground", ["redis", "classic"], indirect=True)
def test_a_hold(ground: Ground, cli: BackendCli, worker: CeleryWorker, backend: str) -> None:
    holds = state_directory() / "holds"

    def is_noted() -> bool:
        return any(b"hot" in file.read_bytes() for file in holds.glob("*.json"))

    cli.kill_when(is_noted, "worker", "hold", "hot", "--yes")
    sent = {send(ground.url, "shop.add", number, 1, queue="hot", backend=backend) for number in range(20)}
    code, out, err = cli.run("queues", "--json")
    held = {each["name"]: each["held"] for each in json.loads(out)}
    assert held["hot"] and list(held["hot"]["workers"]) == ["w1@test"], err
    code, out, err = cli.run("worker", "resume", "hot", "--yes")
    assert code == 0, (err, out)
    deadline = time.monotonic() + 20
    with redis.Redis.from_url(backend) as client:
        while not all(client.exists(f"celery-task-meta-{id}") for id in sent):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert list(holds.glob("*.json")) == [] or b"hot" not in next(holds.glob("*.json")).read_bytes()
