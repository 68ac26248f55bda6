"""Hostile names, arguments and events on a real broker: nothing of them reaches a terminal as it came."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator

import pytest

from tests.cli.program import Done, lazycelery, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker

EVIL = "\x1b[31m\x1b]0;owned\x07[/x][bold]\u202e\u2066evil\x9b2J\x85\r\n\t\x7f\u200f\ud83d"
"""Ends with half a character, which no argument of a process can hold."""
QUEUE = "low\x1b[2J[/x]\u202e"
MEGABYTE = "A" * 1_000_000
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


class Hostile:
    """The ids of what waits, ran and failed, by what is wrong with them."""

    def __init__(self, broker: RedisServer) -> None:
        url = self.url = broker.url
        self.named = send(url, EVIL, EVIL, queue=QUEUE, kwargs={EVIL: [EVIL]}, headers={EVIL: EVIL})
        self.big = send(url, "shop.echo", MEGABYTE, queue=QUEUE, kwargs={"x": EVIL})
        self.numbered = send(url, "shop.add", 1, 2, queue=QUEUE, task_id=f"id{EVIL[:-1]}", priority=9)
        self.running = send(url, "shop.nap", 600, kwargs={"x": [EVIL, MEGABYTE]})
        self.failed = send(url, "shop.charge", EVIL)
        self.echoed = send(url, "shop.echo", EVIL, MEGABYTE)
        client = broker.client()
        for ended in (self.failed, self.echoed):
            until(lambda ended=ended: client.exists(f"celery-task-meta-{ended}"))


@pytest.fixture(scope="module")
def hostile(shared_broker: RedisServer) -> Iterator[Hostile]:
    one = CeleryWorker(shared_broker.url, "w1", env={"TEST_EXTENDED": "1"}).start()
    ended = threading.Event()
    shouting = threading.Thread(target=shout, args=(shared_broker, ended))
    shouting.start()
    yield Hostile(shared_broker)
    ended.set()
    shouting.join()
    one.kill()


def shout(broker: RedisServer, ended: threading.Event) -> None:
    """Events that no worker would send, ten times a second."""
    client = broker.client()
    common = {"hostname": f"w9{EVIL}", "pid": 1, "clock": 1, "utcoffset": 0}
    beat = {"freq": 2.0, "active": 0, "processed": 0, "loadavg": [0, 0, 0], "sw_ident": EVIL, "sw_ver": EVIL}
    task = {"uuid": f"shouted{EVIL}", "name": EVIL, "args": EVIL, "kwargs": EVIL, "queue": EVIL}
    while not ended.wait(0.1):
        for type, more in (
            ("worker-heartbeat", {**beat, "sw_sys": EVIL}),
            ("task-received", task),
            ("task-failed", {"uuid": task["uuid"], "exception": EVIL, "traceback": f"{EVIL}\n{EVIL}"}),
            (f"task-{EVIL}", {"uuid": task["uuid"], EVIL: EVIL}),
        ):
            event = {**common, "type": type, "timestamp": time.time(), **more}
            body = base64.b64encode(json.dumps(event).encode()).decode()
            envelope = {
                "body": body,
                "content-type": "application/json",
                "content-encoding": "utf-8",
                "headers": {"hostname": EVIL},
                "properties": {"body_encoding": "base64", "delivery_info": {}, "delivery_tag": "x"},
            }
            client.publish("/0.celeryev/task.multi", json.dumps(envelope))


def harmless(done: Done, codes: tuple[int, ...] = (0,)) -> Done:
    """No control byte but the end of a line, no bidi, no traceback of ours."""
    assert done.code in codes, (done.code, done.err[-2000:])
    for text in (done.out, done.err):
        controls = {c for c in text if c != "\n" and (ord(c) < 32 or 127 <= ord(c) < 160)}
        assert controls == set()
        assert set(BIDI) & set(text) == set()
        assert "Unexpected" not in text
    return done


VIEWS = [
    ("status",),
    ("workers",),
    ("queues",),
    ("tasks", "--observe", "1"),
    ("tasks", "state:failure", "--limit", "1"),
    ("tasks", f"name:{EVIL[:8]}*"),
    ("peek", QUEUE),
    ("events", "--limit", "30"),
    ("retry", "state:waiting", "--force", "--dry-run"),
    ("revoke", "state:waiting", "--dry-run"),
    ("purge", QUEUE, "--dry-run"),
]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view[0])
def test_a_table_is_harmless(hostile, view):
    done = harmless(lazycelery(hostile.url, *view, "--allow", "retry,revoke,purge"), (0, 1))
    assert len(done.raw_out) + len(done.raw_err) < 100_000, "a megabyte of arguments is no table"


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view[0])
def test_json_is_plain_ascii_and_can_be_read(hostile, view):
    done = harmless(lazycelery(hostile.url, *view, "--allow", "retry,revoke,purge", "--json"), (0, 1))
    assert done.raw_out.isascii()
    for line in done.out.splitlines():
        json.loads(line)


@pytest.mark.parametrize("which", ["named", "big", "numbered", "running", "failed", "echoed"])
def test_a_task_is_harmless(hostile, which):
    id = getattr(hostile, which)
    text = harmless(lazycelery(hostile.url, "task", id))
    assert len(text.raw_out) < 100_000
    told = harmless(lazycelery(hostile.url, "task", id, "--json")).json
    assert told["id"] == id, "JSON tells it as it is, in escapes"


def test_markup_is_shown_as_it_is_and_the_rest_visibly_replaced(hostile):
    assert "[/x][bold]" in lazycelery(hostile.url, "peek", QUEUE).out
    assert "[/x][bold]" in lazycelery(hostile.url, "task", hostile.failed).out
    assert "w9" in lazycelery(hostile.url, "tasks", "--observe", "1").out


def test_arguments_that_are_too_long_to_show_are_shown_cut_and_never_as_none(hostile):
    (line,) = [line for line in lazycelery(hostile.url, "peek", QUEUE).out.splitlines() if "1.3 MB" in line]
    assert "cut" in line
    assert "AAAA" in line
    plan = lazycelery(hostile.url, "retry", hostile.big, "--force", "--dry-run", "--allow", "retry", "--json")
    assert plan.json["items"][0]["text"].startswith("shop.echo('AAAA")
    assert "…" in plan.json["items"][0]["text"]


def test_what_was_typed_is_not_repeated_raw(hostile):
    for args in (
        ("tasks", f"colour:{QUEUE}"),
        (QUEUE,),
        ("status", f"--{QUEUE}"),
        ("peek", f"no{QUEUE}"),
        ("task", f"no{QUEUE}"),
        ("retry", f"no{QUEUE}", "--allow", "retry"),
        ("purge", f"no{QUEUE}", "--allow", "purge"),
        ("restore", f"/no{QUEUE}"),
        ("worker", "events", "on", f"no{QUEUE}", "--allow", "events"),
        ("terminate", hostile.running, "--signal", QUEUE, "--allow", "terminate"),
    ):
        harmless(lazycelery(hostile.url, *args), (1, 2))
        harmless(lazycelery(hostile.url, *args, "--json"), (1, 2))


def test_a_hostile_queue_is_purged_logged_and_restored(hostile, tmp_path):
    peeked = lazycelery(hostile.url, "peek", QUEUE, "--json").json
    backup = str(tmp_path / "low\x1b[2J[/x].backup")
    purged = lazycelery(hostile.url, "purge", QUEUE, "--allow", "purge", "--yes", "--backup", backup)
    assert "Undo: lazycelery restore " in harmless(purged).out
    harmless(lazycelery(hostile.url, "audit"))
    assert harmless(lazycelery(hostile.url, "audit", "--json")).json[0]["targets"] == [QUEUE]
    harmless(lazycelery(hostile.url, "restore", backup, "--allow", "restore", "--yes"))
    again = lazycelery(hostile.url, "peek", QUEUE, "--json").json
    assert [message["id"] for message in again] == [message["id"] for message in peeked]
