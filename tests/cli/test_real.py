"""The commands on a real broker and a real worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker, send

pytestmark = pytest.mark.broker


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    one = CeleryWorker(shared_broker.url, "w1", env={"TEST_EXTENDED": "1"}).start()
    yield shared_broker
    one.kill()


@pytest.fixture
def lazycelery(fleet: RedisServer) -> Command:
    """The program as a process of its own."""

    def run(*args: str, broker: str = fleet.url) -> Done:
        command = [sys.executable, "-m", "lazycelery", "--broker", broker, *args]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
        return Done(done.returncode, done.stdout, done.stderr)

    return run


def until(question: Callable[[], Any], seconds: float = 15) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.1)
    raise AssertionError("it never came true")


def state(lazycelery: Command, id: str) -> str | None:
    done = lazycelery("task", id, "--json")
    return done.json["state"] if done.code == 0 else None


def test_the_views_tell_the_truth(fleet, lazycelery):
    id = send(fleet.url, "shop.charge", 7)
    until(lambda: state(lazycelery, id) == "failure")
    status = lazycelery("status", "--json")
    assert (status.code, status.json["workers_online"]) == (0, 1)
    worker = lazycelery("workers", "--json").json[0]
    assert (worker["name"], worker["pool"], worker["concurrency"]) == ("w1@test", "prefork", 2)
    assert "celery" in [queue["name"] for queue in lazycelery("queues", "--json").json]
    failed = lazycelery("tasks", "state:failure", "name:shop.charge", "--json").json
    assert id in [task["id"] for task in failed]
    task = lazycelery("task", id[:12], "--json").json
    assert "card declined for order 7" in task["error"]
    assert "Traceback" in task["traceback"]


def test_messages_are_peeked_purged_with_a_backup_and_restored_in_order(fleet, lazycelery, tmp_path: Path):
    for number, priority in enumerate((9, 0, 3, 0)):
        send(fleet.url, "shop.add", number, 1, queue="mail", priority=priority)
    before = lazycelery("peek", "mail", "--json").json
    assert [(one["position"], one["priority"], one["args"]) for one in before] == [
        (0, 0, [1, 1]),
        (1, 0, [3, 1]),
        (2, 3, [2, 1]),
        (3, 9, [0, 1]),
    ]
    backup = tmp_path / "mail.backup"
    refused = lazycelery("purge", "mail", "--yes", "--backup", str(backup))
    assert refused.code == 4
    assert "--allow purge" in refused.err
    purged = lazycelery("purge", "mail", "--yes", "--json", "--allow", "purge", "--backup", str(backup))
    assert (purged.code, purged.json["done"]) == (0, 4)
    assert lazycelery("peek", "mail").code == 1
    restored = lazycelery("restore", str(backup), "--yes", "--allow", "restore")
    assert restored.code == 0
    assert [one["id"] for one in lazycelery("peek", "mail", "--json").json] == [one["id"] for one in before]
    log = lazycelery("audit", "--json").json
    assert {"purge", "restore"} <= {entry["action"] for entry in log}


def test_a_failed_task_is_sent_again_and_the_new_one_succeeds(fleet, lazycelery, tmp_path: Path):
    path = tmp_path / "ready"
    id = send(fleet.url, "shop.until_file", str(path))
    until(lambda: state(lazycelery, id) == "failure")
    path.write_text("")
    plan = lazycelery("retry", id, "--dry-run", "--json", "--allow", "retry")
    assert (plan.code, plan.json["items"][0]["grade"]) == (0, "arguments")
    sent = lazycelery("retry", id, "--yes", "--json", "--allow", "retry")
    assert sent.code == 0
    new = sent.json["items"][0]["new_id"]
    assert until(lambda: state(lazycelery, new) == "success")


def test_a_waiting_task_is_revoked_with_the_workers_replies(fleet, lazycelery):
    id = send(fleet.url, "shop.add", 1, 1, queue="nobody")
    done = lazycelery("revoke", id, "--yes", "--json", "--allow", "revoke")
    assert done.code == 0
    assert "w1@test" in done.json["items"][0]["replies"]


def test_events_are_followed_line_by_line_and_end_with_ctrl_c(fleet):
    command = [sys.executable, "-m", "lazycelery", "events", "--json", "--broker", fleet.url]
    tail = subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in its background has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert tail.stdout is not None
    try:
        assert json.loads(tail.stdout.readline())["type"]
        id = send(fleet.url, "shop.add", 2, 3)
        seen = [json.loads(tail.stdout.readline()) for _ in range(2)]
        while not any(event["id"] == id and event["type"] == "task-succeeded" for event in seen):
            seen.append(json.loads(tail.stdout.readline()))
        tail.send_signal(signal.SIGINT)
        _, err = tail.communicate(timeout=10)
        assert (tail.returncode, "Traceback" in err) == (0, False)
    finally:
        tail.kill()
        tail.wait()


def test_a_closed_pipe_ends_the_tail_quietly(fleet):
    shell = f"{sys.executable} -m lazycelery events --json --broker {fleet.url} | head -1"
    done = subprocess.run(
        shell,
        shell=True,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        env=dict(os.environ),
        check=False,
    )
    assert json.loads(done.stdout)["type"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1/0", "redis://nowhere.invalid/0", "redis://:wrong-secret@{host}/0"]
)
def test_a_broker_that_cannot_be_used_ends_with_3_and_no_credential(fleet, lazycelery, url):
    done = lazycelery("workers", broker=url.format(host=f"127.0.0.1:{fleet.port}"))
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("Error: ")
    assert done.err.count("\n") == 2, "a title and a hint"
    assert "wrong-secret" not in done.err


def test_an_empty_broker_is_no_error_and_says_what_is_missing(broker, lazycelery):
    done = lazycelery("workers", broker=broker.url)
    assert (done.code, done.out) == (1, "")
    assert "No worker answered within 2 s" in done.err
