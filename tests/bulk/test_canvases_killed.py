"""A revoke of a whole canvas is killed (SIGKILL) in the middle, and its plan resumed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
import redis
from celery import Celery, chain

from lazycelery.actions import journal
from lazycelery.actions.planfiles import bulk_of
from tests.bulk.conftest import BackendCli
from tests.moves.conftest import Ground
from tests.support.fleet import CeleryWorker

pytestmark = [pytest.mark.broker, pytest.mark.soak]
STEPS = 120


@pytest.fixture
def worker(ground: Ground, backend: str) -> Iterator[CeleryWorker]:
    env = {"TEST_EXTENDED": "1"}
    one = CeleryWorker(ground.url, "w1", queues="hot", backend=backend, env=env).start(60)
    yield one
    one.stop()


def under_way() -> bool:
    """At least two pages are done."""
    return any(path.read_bytes().count(b'\n{"done"') >= 2 for path in journal.files())


@pytest.mark.parametrize("ground", ["redis"], indirect=True)
def test_a_revoke(ground: Ground, cli: BackendCli, worker: CeleryWorker, backend: str) -> None:
    """A chain that waits: its steps are known by its message, which one-shot commands find on Redis only."""
    with Celery("client", broker=ground.url, backend=backend, set_as_current=False) as app:
        # A result asks its backend when it goes, which may be after the server has gone.
        app.backend.remove_pending_result = lambda result: result
        steps = [app.signature("shop.echo", args=(number,), immutable=True) for number in range(STEPS)]
        node = chain(*steps).apply_async(queue="box")
        ids = [node.id]
        while (node := node.parent) is not None:
            ids.append(node.id)
        assert len(ids) == STEPS
        cli.kill_when(under_way, "revoke", ids[-1], "--canvas", "--yes", "--rate", "40")
        (path,) = journal.files()
        one = bulk_of(path)
        assert (one.state, one.total, one.action) == ("stopped", STEPS, "revoke") and 0 < one.done < STEPS
        assert ground.depth("box") == 1
        code, out, err = cli.run("plan", "resume", one.id, "--yes", "--rate", "2000", "--json")
        assert code == 0, (out, err)
        assert bulk_of(journal.files()[0]).state == "done"
        told = app.control.inspect(destination=[worker.name], timeout=5).revoked()
        assert {*ids} <= {*told[worker.name]}
    code, out, _ = cli.run("worker", "consume", "box", "w1", "--yes")
    assert code == 0, out
    ground.settle("box", 0)
    deadline = time.monotonic() + 15
    with redis.Redis.from_url(backend) as client:
        while (raw := client.get(f"celery-task-meta-{ids[-1]}")) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert json.loads(raw)["status"] == "REVOKED"  # type: ignore[arg-type]
        told = client.mget([f"celery-task-meta-{id}" for id in ids])
        assert "SUCCESS" not in {json.loads(raw)["status"] for raw in told if raw}, "nothing followed"  # type: ignore[union-attr]
