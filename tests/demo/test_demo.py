"""The demo: a living fleet, and nothing left of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from celery import Celery

from tests.demo.running import Demo, alive, demo, eventually
from tests.support.broker import RedisServer

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("demo")]

WORKERS = {"pics@shop", "mail@shop", "pay@shop"}


def ping(url: str, timeout: float = 2.0) -> dict[str, object]:
    with Celery("outside", broker=url, set_as_current=False) as app:
        return app.control.inspect(timeout=timeout, limit=len(WORKERS)).ping() or {}


def results(url: str) -> list[dict[str, object]]:
    with redis.Redis.from_url(url) as client:
        keys = list(client.scan_iter("celery-task-meta-*", count=1000))
        return [json.loads(value) for value in client.mget(keys) if value] if keys else []


def everything(one: Demo) -> list[psutil.Process]:
    """All processes of a demo that is complete: guardian, broker, traffic, workers, pool children."""
    assert eventually(lambda: ping(one.url).keys() == WORKERS)
    assert eventually(lambda: len(one.started()) >= 8)
    return one.started()


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo(tmp_path_factory.mktemp("living")) as one:
        yield one


def test_the_first_line_is_the_url_of_a_broker_that_answers(living: Demo) -> None:
    assert living.url.startswith("redis://127.0.0.1:")
    with redis.Redis.from_url(living.url) as client:
        assert client.ping()


def test_three_workers_of_three_kinds_answer(living: Demo) -> None:
    assert eventually(lambda: ping(living.url).keys() == WORKERS)
    with Celery("outside", broker=living.url, set_as_current=False) as app:
        found = app.control.inspect(timeout=5, limit=3).stats() or {}
    pools = {
        name: reply["pool"]["implementation"].split(":")[0].split(".")[-1] for name, reply in found.items()
    }
    assert pools == {"pics@shop": "solo", "mail@shop": "thread", "pay@shop": "prefork"}


def test_tasks_fail_in_several_ways_and_most_succeed(living: Demo) -> None:
    def kinds() -> Counter[str]:
        return Counter(
            result["result"]["exc_type"] for result in results(living.url) if result["status"] == "FAILURE"
        )

    assert eventually(lambda: {"PermissionError", "ValueError"} <= kinds().keys(), 30)
    assert eventually(lambda: sum(one["status"] == "SUCCESS" for one in results(living.url)) > 10, 30)


def test_a_misspelt_queue_holds_messages_that_nobody_consumes(living: Demo) -> None:
    with redis.Redis.from_url(living.url) as client:
        assert eventually(lambda: client.llen("defualt") > 0)
        assert client.exists("_kombu.binding.defualt")


def test_photos_come_in_several_priorities(living: Demo) -> None:
    lists = [f"low{suffix}" for suffix in ("", "\x06\x163", "\x06\x166", "\x06\x169")]
    seen: set[str] = set()
    with redis.Redis.from_url(living.url) as client:

        def look() -> bool:
            seen.update(name for name in lists if client.llen(name))
            return len(seen) >= 2

        assert eventually(look, 30)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.soak)]
)
def test_a_signal_ends_every_process_and_leaves_no_file(tmp_path: Path, number: int) -> None:
    with demo(tmp_path) as one:
        processes = everything(one)
        one.process.send_signal(number)
        assert one.process.wait(10) == 0
        assert alive(processes) == []
        assert list(tmp_path.iterdir()) == []


def test_kill_9_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    with demo(tmp_path) as one:
        processes = everything(one)
        one.process.kill()
        assert eventually(lambda: not alive(processes), 5), alive(processes)
        assert eventually(lambda: not list(tmp_path.iterdir()), 5)


@pytest.mark.soak
def test_kill_9_of_demo_and_guardian_together_leaves_no_process(tmp_path: Path) -> None:
    with demo(tmp_path) as one:
        processes = everything(one)
        guardian = next(process for process in processes if "guardian.py" in " ".join(process.cmdline()))
        guardian.kill()
        one.process.kill()
        assert eventually(lambda: not alive(processes), 15), alive(processes)


def test_a_signal_right_after_the_start_ends_everything_too(tmp_path: Path) -> None:
    with demo(tmp_path) as one:
        processes = one.started()
        one.process.terminate()
        assert one.process.wait(10) == 0
        assert alive(processes) == []


@pytest.mark.soak
def test_two_demos_run_side_by_side(living: Demo, tmp_path: Path) -> None:
    with demo(tmp_path) as other:
        assert other.url != living.url
        assert eventually(lambda: ping(other.url).keys() == WORKERS)
    assert eventually(lambda: ping(living.url).keys() == WORKERS)


def test_a_worker_that_is_killed_is_told_and_its_children_end(tmp_path: Path) -> None:
    with demo(tmp_path) as one:
        everything(one)
        (orders,) = (p for p in one.started() if "pay@shop" in p.cmdline() and p.ppid() == one.process.pid)
        children = orders.children()
        orders.kill()
        assert eventually(lambda: not alive(children), 20), alive(children)
        assert one.process.stderr is not None
        told = (one.process.stderr.readline() for _ in range(2))
        assert any("pay has ended" in line for line in told)


def test_somebody_elses_broker_with_an_empty_database_is_used_and_left_running(
    tmp_path: Path, broker: RedisServer
) -> None:
    with demo(tmp_path, broker.url) as one:
        assert one.url == broker.url
        assert eventually(lambda: ping(broker.url).keys() == WORKERS)
    assert broker.client().ping()
    assert not broker.client().exists("_kombu.binding.celery.pidbox")


def test_the_workers_never_go_to_the_broker_that_celery_is_told_by_environment(
    tmp_path: Path, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND")
    for name in told:
        monkeypatch.setenv(name, broker.url)
    with demo(tmp_path) as one:
        for name in told:
            monkeypatch.delenv(name)
        assert eventually(lambda: ping(one.url).keys() == WORKERS)
        assert broker.client().dbsize() == 0
        assert len(broker.client().client_list()) == 1


def test_a_database_with_foreign_keys_is_refused(tmp_path: Path, broker: RedisServer) -> None:
    broker.client().lpush("default", "somebody's message")
    program = f"from lazycelery.demo import run; run(headless=True, broker={broker.url!r})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert "Refused" in done.stderr and "not empty" in done.stderr
    assert broker.client().llen("default") == 1
    assert os.listdir(tmp_path) == []
