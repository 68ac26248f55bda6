"""The installed console script on a real broker: what it changes, and every exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.program import Done, lazycelery, until
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker

PARKED = ("parked", "parked\x06\x163", "parked\x06\x166", "parked\x06\x169")
"""The four lists of a queue that no worker consumes."""


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    one = CeleryWorker(shared_broker.url, "w1", env={"TEST_EXTENDED": "1"}).start()
    yield shared_broker
    one.kill()


@pytest.fixture
def parked(fleet: RedisServer) -> Iterator[list[str]]:
    """Ids of twelve waiting messages, three of each priority, sent in turn."""
    yield [
        send(
            fleet.url, "shop.echo", number, "ü\x00'", queue="parked", priority=priority, kwargs={"n": [None]}
        )
        for number in range(3)
        for priority in (9, 0, 6, 3)
    ]
    fleet.client().delete(*PARKED)


def lists(broker: RedisServer) -> dict[str, list[bytes]]:
    return {key: broker.client().lrange(key, 0, -1) for key in PARKED}  # type: ignore[misc]


def ended(broker: RedisServer) -> str:
    """A task that has failed, as the result backend tells."""
    id = send(broker.url, "shop.charge", 7)
    until(lambda: b"FAILURE" in (broker.client().get(f"celery-task-meta-{id}") or b""))
    return id


def check(done: Done, code: int) -> Done:
    assert done.code == code, (done.code, done.out, done.err)
    assert "Traceback" not in done.err
    return done


def test_purge_and_restore_bring_back_every_byte_in_its_place(fleet, parked, tmp_path: Path):
    before, backup = lists(fleet), tmp_path / "parked.backup"
    assert [len(messages) for messages in before.values()] == [3, 3, 3, 3]
    peeked = check(lazycelery(fleet.url, "peek", "parked", "--json"), 0).json
    purge = ("purge", "parked", "--allow", "purge", "--backup", str(backup))
    plan = check(lazycelery(fleet.url, *purge, "--dry-run", "--json"), 0).json
    assert (plan["count"], plan["word"], plan["backup"]) == (12, "parked", str(backup))
    looked = check(lazycelery(fleet.url, "purge", "parked", "--dry-run"), 0)
    assert "12 messages" in looked.out and "--allow purge" in looked.err
    assert lists(fleet) == before, "a dry run changes nothing"
    assert not backup.exists()
    purged = check(lazycelery(fleet.url, *purge, "--yes", "--json"), 0).json
    assert (purged["done"], purged["failed"], purged["backup"]) == (12, 0, str(backup))
    assert not any(lists(fleet).values())
    words = purged["undo"].split()
    assert words[:3] == ["lazycelery", "restore", str(backup)]
    check(lazycelery(fleet.url, *words[1:], "--yes"), 0)
    assert lists(fleet) == before
    again = check(lazycelery(fleet.url, "peek", "parked", "--json"), 0).json
    assert [message["id"] for message in again] == [message["id"] for message in peeked]
    assert [message["priority"] for message in again] == [0] * 3 + [3] * 3 + [6] * 3 + [9] * 3
    entries = check(lazycelery(fleet.url, "audit", "--json"), 0).json
    assert [(entry["action"], entry["outcome"]) for entry in entries[:2]] == [
        ("restore", "done"),
        ("purge", "done"),
    ]


@pytest.mark.parametrize("command", ["status", "workers", "queues"])
def test_0_when_it_is_seen(fleet, command):
    assert check(lazycelery(fleet.url, command, "--json"), 0).json


def test_0_when_all_is_done_and_the_workers_told_so(fleet, parked):
    done = check(lazycelery(fleet.url, "revoke", *parked[:2], "--allow", "revoke", "--yes", "--json"), 0)
    assert (done.json["done"], done.json["failed"]) == (2, 0)
    events = check(lazycelery(fleet.url, "worker", "events", "on", "--allow", "events", "--yes"), 0)
    assert "w1@test" in events.out


@pytest.mark.parametrize(
    "args",
    [
        ("tasks", "name:nothing.*"),
        ("task", "00000000-nobody"),
        ("peek", "no-such-queue"),
        ("retry", "00000000-nobody", "--yes", "--allow", "retry"),
        ("revoke", "name:nothing.*", "--yes", "--allow", "revoke"),
        ("purge", "no-such-queue", "--yes", "--allow", "purge"),
        ("purge", "celery", "--yes", "--allow", "purge"),
        ("audit", "user:nobody-at-all"),
    ],
    ids=lambda args: " ".join(args[:2]),
)
def test_1_when_nothing_is_found(fleet, args):
    done = check(lazycelery(fleet.url, *args), 1)
    assert done.out == ""
    assert done.err


@pytest.mark.parametrize(
    "args",
    [
        ("tasks", "colour:red"),
        ("tasks", "--frobnicate"),
        ("frobnicate",),
        ("retry",),
        ("retry", "a", "--keep-canvas"),
        ("restore", "/nowhere/at/all"),
        ("worker", "events", "maybe"),
        ("status", "--allow", "everything"),
        ("status", "--broker", "redsi://localhost"),
    ],
    ids=" ".join,
)
def test_2_when_the_command_is_wrong(fleet, args):
    done = check(lazycelery(fleet.url, *args), 2)
    assert done.out == ""
    assert done.err.startswith("Error: ")
    told = json.loads(check(lazycelery(fleet.url, *args, "--json"), 2).err)
    assert list(told) == ["error", "hint", "code"]
    assert told["hint"]


@pytest.mark.parametrize(
    "args",
    [
        ("status",),
        ("workers",),
        ("queues",),
        ("tasks",),
        ("task", "abcdef"),
        ("peek", "celery"),
        ("events", "--for", "1"),
        ("retry", "abcdef", "--yes", "--allow", "retry"),
        ("purge", "celery", "--yes", "--allow", "purge"),
        ("worker", "events", "on", "--yes", "--allow", "events"),
    ],
    ids=lambda args: args[0],
)
def test_3_when_nobody_listens_on_the_port(args):
    done = check(lazycelery(f"redis://:s3cret@127.0.0.1:{free_port()}/0", *args), 3)
    assert done.out == ""
    assert done.err.startswith("Error: ")
    assert len(done.err.splitlines()) == 2, "a title and a hint"
    assert "s3cret" not in done.err


def test_4_when_it_is_read_only_and_nothing_is_touched(fleet, parked, tmp_path: Path):
    before = lists(fleet)
    failed = ended(fleet)
    for args in (
        ("retry", failed, "--queue", "parked"),
        ("retry", parked[0], "--force"),
        ("revoke", parked[0]),
        ("purge", "parked", "--backup", str(tmp_path / "none.backup")),
        ("worker", "events", "off"),
    ):
        action = "events" if args[0] == "worker" else args[0]
        done = check(lazycelery(fleet.url, *args, "--yes"), 4)
        assert done.out == ""
        told = f"Error: Read-only.\nAdd --allow {action}, or put it into allow of the profile.\n"
        assert done.err.endswith(told), done.err
        closed = check(lazycelery(fleet.url, *args, "--yes", "--allow", "all", "--read-only"), 4)
        assert "--read-only keeps everything closed" in closed.err
        asked = check(lazycelery(fleet.url, *args, "--allow", action), 4)
        assert "--yes confirms" in asked.err
    assert lists(fleet) == before
    assert list(tmp_path.iterdir()) == []
    assert lazycelery(fleet.url, "task", parked[0], "--json").json["marks"] == []
    assert check(lazycelery(fleet.url, "audit"), 1).out == "", "nothing was tried"


def test_4_when_it_would_run_twice_and_force_sends_it_all_the_same(fleet, parked):
    retry = ("retry", parked[0], "--yes", "--allow", "retry")
    refused = check(lazycelery(fleet.url, *retry), 4)
    assert "Error: Its message is still on the broker, for parked: sent again, it would run" in refused.err
    assert "say --force to run it twice" in refused.err
    done = check(lazycelery(fleet.url, *retry, "--force", "--json"), 0).json
    copies = [json.loads(raw) for raw in lists(fleet)["parked\x06\x169"]]
    assert len(copies) == 4
    new = next(copy for copy in copies if copy["headers"]["id"] == done["items"][0]["new_id"])
    assert new["headers"]["lazycelery_retry_of"] == parked[0]


def test_5_when_only_some_can_be_done(fleet, parked):
    failed = ended(fleet)
    done = check(lazycelery(fleet.url, "revoke", failed, parked[0], "--allow", "revoke", "--yes"), 5)
    assert "it has ended (failure)" in done.err
    assert "revoked" in done.out
    plan = lazycelery(fleet.url, "revoke", failed, parked[1], "--dry-run", "--json", "--allow", "revoke")
    assert check(plan, 0).json["count"] == 1


def test_the_canvas_is_left_out_on_request(fleet):
    from celery import Celery, chain

    with Celery("client", broker=fleet.url, set_as_current=False) as app:
        calls = [app.signature("shop.add", args=(1, 1), queue="parked") for _ in range(2)]
        first = chain(*calls, app=app).apply_async().parent.id
    retry = ("retry", first, "--force", "--yes", "--allow", "retry", "--json")
    try:
        exact = check(lazycelery(fleet.url, *retry, "--dry-run"), 0).json
        assert (exact["items"][0]["grade"], "chain" in " ".join(exact["warnings"])) == ("exact", True)
        sent = check(lazycelery(fleet.url, *retry, "--without-canvas"), 0).json
        queued = lazycelery(fleet.url, "peek", "parked", "--json").json
        new = next(message for message in queued if message["id"] == sent["items"][0]["new_id"])
        assert (new["args"], new["embed"]) == ([1, 1], None)
    finally:
        fleet.client().delete(*PARKED)


def test_events_that_were_switched_on_stay_on_when_the_command_has_ended(broker, worker):
    worker(events=False)
    switch = ("worker", "events", "on", "w1@test", "--allow", "events", "--yes", "--json")
    first = check(lazycelery(broker.url, *switch), 0).json
    assert first["items"][0]["text"] == "task events enabled"
    again = check(lazycelery(broker.url, *switch), 0).json
    assert (again["items"][0]["text"], again["undo"]) == ("task events already enabled", None)
    words = first["undo"].split()
    off = check(lazycelery(broker.url, *words[1:], "--yes", "--json"), 0).json
    assert off["items"][0]["text"] == "task events disabled"
    unknown = check(lazycelery(broker.url, "worker", "events", "on", "w2@test", "--allow", "events"), 1)
    assert "Did you mean w1@test?" in unknown.err
