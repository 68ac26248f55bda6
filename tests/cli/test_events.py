"""`lazycelery events`."""

from __future__ import annotations

import json
import time

from lazycelery.model.cluster import LogLine
from tests.cli.fake_engine import NOW


def lines(*types: str) -> list[LogLine]:
    return [
        LogLine(
            seq=n, at=NOW, received=NOW, type=type, worker="w1@a", id="abcdefgh-1", name="shop.add", text="ok"
        )
        for n, type in enumerate(types, start=1)
    ]


def test_json_is_one_object_a_line(engine, run):
    engine.lines = lines("task-received", "worker-heartbeat", "task-succeeded")
    ran = run("events", "--limit", "3", "--json")
    told = [json.loads(line) for line in ran.out.splitlines()]
    assert [one["type"] for one in told] == ["task-received", "worker-heartbeat", "task-succeeded"]
    assert list(told[0])[:9] == ["seq", "at", "received", "type", "worker", "id", "name", "text", "event"]
    assert engine.asked["log"] == ("", True)


def test_heartbeats_are_shown_to_people_on_request(engine, run):
    engine.lines = lines("worker-heartbeat", "task-succeeded")
    assert "heartbeat" not in run("events", "--limit", "1").out
    assert "heartbeat" in run("events", "--limit", "2", "--heartbeats").out


def test_it_ends_after_its_time_and_tells_that_nothing_came(engine, run):
    started = time.monotonic()
    ran = run("events", "state:failure", "--for", "0.2")
    assert (ran.code, ran.out) == (1, "")
    assert time.monotonic() - started < 2
    assert engine.asked["log"][0] == "state:failure"
    assert engine.closed


def test_it_says_that_no_task_event_came(engine, run):
    engine.lines = lines("worker-heartbeat")
    assert "No task event came in 0.2 s" in run("events", "--for", "0.2", "--json").err
    engine.lines = lines("worker-heartbeat", "task-started")
    assert "No task event" not in run("events", "--for", "0.2").err


def test_events_can_be_switched_on_for_the_while(engine, run):
    run("events", "--for", "0.1", "--enable-events", "--allow", "events")
    assert engine.profile.enable_events
    assert engine.profile.allow == ["events"]
