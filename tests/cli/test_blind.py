"""A worker without -E and without a result backend, no worker, nothing at all: what is not seen is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.cli.program import lazycelery, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker

NO_RESULTS = "Not seen: results of tasks that ended."
SET_RESULTS = "Set result_backend in the Celery app"
SET_EVENTS = "-E or worker_send_task_events = True"
NOBODY = "No worker answered within 2 s."


class Blind:
    """A worker that tells nothing by itself, with a task that runs, two that wait, and one that ended."""

    def __init__(self, broker: RedisServer) -> None:
        self.url = broker.url
        self.ended = send(self.url, "shop.charge", 1, sent_event=False)
        self.running, self.reserved, self.waiting = (
            send(self.url, "shop.nap", 600, sent_event=False) for _ in range(3)
        )
        until(lambda: broker.client().hlen("unacked") == 1 and broker.client().llen("celery") == 1)


@pytest.fixture(scope="module")
def blind(shared_broker: RedisServer) -> Iterator[Blind]:
    options = {"events": False, "backend": "", "concurrency": 1, "env": {"TEST_SENT_EVENTS": "0"}}
    one = CeleryWorker(shared_broker.url, "w1", **options).start()  # type: ignore[arg-type]
    yield Blind(shared_broker)
    one.kill()


def test_what_can_be_seen_is_seen(blind):
    tasks = lazycelery(blind.url, "tasks", "--json")
    states = {task["id"]: task["state"] for task in tasks.json}
    assert states == {blind.running: "started", blind.reserved: "received", blind.waiting: "waiting"}
    (waiting,) = lazycelery(blind.url, "peek", "celery", "--json").json
    assert (waiting["id"], waiting["args"]) == (blind.waiting, [600])
    task = lazycelery(blind.url, "task", blind.running, "--json").json
    assert (task["worker"], task["args"], task["sources"]["args"]) == ("w1@test", [600], "control")
    assert (task["sent"], task["wait"], task["result"]) == (None, None, None), "unknown is not 0"


@pytest.mark.parametrize("command", ["status", "tasks", "task"])
def test_results_that_nobody_keeps_are_said_with_the_setting(blind, command):
    done = lazycelery(blind.url, command, *([blind.running] if command == "task" else []))
    assert done.code == 0
    assert NO_RESULTS in done.err
    assert SET_RESULTS in done.err
    assert NO_RESULTS not in done.out


@pytest.mark.parametrize("command", ["workers", "queues", "peek"])
def test_a_view_without_results_does_not_speak_of_them(blind, command):
    done = lazycelery(blind.url, command, *(["celery"] if command == "peek" else []))
    assert (done.code, done.err) == (0, "")


def test_tasks_that_ended_unseen_are_said_with_the_setting_of_events(blind):
    done = lazycelery(blind.url, "tasks", "--json")
    assert "Tasks that ended before are not seen." in done.err
    assert SET_EVENTS in done.err
    observed = lazycelery(blind.url, "tasks", "--observe", "1")
    assert "No task event came in 1 s" in observed.err
    assert SET_EVENTS in observed.err


def test_a_task_that_ended_is_not_found_and_why_is_said(blind):
    done = lazycelery(blind.url, "task", blind.ended)
    assert (done.code, done.out) == (1, "")
    assert SET_RESULTS in done.err
    assert f"Error: No task {blind.ended} is known." in done.err


def test_a_tail_says_that_no_task_event_came(blind):
    tail = lazycelery(blind.url, "events", "--for", "3", "--json")
    events = [json.loads(line) for line in tail.out.splitlines()]
    assert (tail.code, {event["type"] for event in events}) == (0, {"worker-heartbeat"})
    assert "No task event came in 3 s" in tail.err
    assert SET_EVENTS in tail.err
    assert "--enable-events --allow events" in tail.err


def test_the_way_out_that_it_names_works(broker, worker):
    worker(events=False)
    for _ in range(100):  # More than it runs before it is told to speak, on a slow machine too.
        send(broker.url, "shop.nap", 0.2, sent_event=False)
    tail = lazycelery(broker.url, "events", "--for", "2", "--enable-events", "--allow", "events", "--json")
    assert "task-started" in {json.loads(line)["type"] for line in tail.out.splitlines()}
    assert "No task event" not in tail.err


@pytest.mark.parametrize(
    "args",
    [
        ("status",),
        ("workers",),
        ("queues",),
        ("tasks",),
        ("task", "abcdef"),
        ("events", "--for", "0.5"),
    ],
    ids=lambda args: args[0],
)
def test_a_fresh_broker_is_no_error_and_says_that_no_worker_answers(broker, args):
    done = lazycelery(broker.url, *args)
    assert done.code == 1
    assert done.err.count(NOBODY) == 1
    assert "worker_enable_remote_control" in done.err
    assert "Traceback" not in done.err
    if args[0] == "status":
        assert "workers  none seen\nqueues   none known\ntasks    none seen\n" in done.out
    else:
        assert done.out == ""


def test_a_fresh_broker_has_no_queue(broker):
    assert (
        "Nothing waits in celery, and no such queue is known." in lazycelery(broker.url, "peek", "celery").err
    )
    assert lazycelery(broker.url, "queues", "--json").json == []
    assert "No queue is known" in lazycelery(broker.url, "queues").err


def test_without_a_worker_what_waits_is_seen(broker):
    id = send(broker.url, "shop.add", 1, 2, queue="mail", sent_event=False)
    (task,) = lazycelery(broker.url, "tasks", "--json").json
    assert (task["id"], task["state"], task["queue"], task["worker"]) == (id, "waiting", "mail", None)
    tasks = lazycelery(broker.url, "tasks")
    assert NOBODY in tasks.err
    assert ">" in tasks.out, "nobody knows since when it waits"
    queues = lazycelery(broker.url, "queues", "--json")
    assert (queues.json[0]["messages"], queues.json[0]["workers"]) == (1, [])
    assert NOBODY in queues.err
    assert lazycelery(broker.url, "status").code == 1
