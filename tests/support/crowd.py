"""Thousands of workers on Redis that are none: one process beats for all of them and answers for all of them.

    python -m tests.support.crowd PORT NUMBER

Each has its own subscription to the control channel, so that the broker counts them as it counts real ones.
It says `ready` on its output, and ends with its input.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import redis

FREQ, TICKS = 2.0, 20
"""Seconds between two heartbeats of one worker, and ticks a second in which they are sent."""
NAMES = 40
"""Tasks that each of them knows."""
TOGETHER = 500
"""Answers that are sent in one go."""
METHODS = ("ping", "stats", "active", "active_queues", "registered", "conf", "reserved", "scheduled")
PIDBOX = "celery.pidbox"
CHANNEL = f"/0.{PIDBOX}"


def name_of(number: int) -> str:
    return f"celery@node-{number:05}"


def answer(method: str, number: int) -> Any:
    """What this worker says, as Celery does; `None`: it does not know the command."""
    queue = f"q{number % 20}"
    if method == "ping":
        return {"ok": "pong"}
    if method == "stats":
        return {
            "total": {f"shop.task_{n}": 100 * n for n in range(10)},
            "pid": 1000 + number,
            "clock": "12345",
            "uptime": 3600,
            "pool": {
                "implementation": "celery.concurrency.prefork:TaskPool",
                "max-concurrency": 4,
                "processes": [10_000 + 4 * number + n for n in range(4)],
                "max-tasks-per-child": "N/A",
                "put-guarded-by-semaphore": False,
                "timeouts": [0, 0],
                "writes": {"total": 4, "avg": "25.00%", "all": "25.00%", "raw": "1, 1, 1, 1"},
            },
            "broker": {"hostname": "redis", "port": 6379, "virtual_host": "0", "transport": "redis"},
            "prefetch_count": 16,
            "rusage": {"maxrss": 60_000 + number, "utime": 1.0, "stime": 0.5},
        }
    if method == "active_queues":
        exchange = {"name": queue, "type": "direct", "durable": True, "auto_delete": False, "arguments": None}
        return [{"name": queue, "exchange": exchange, "routing_key": queue, "queue_arguments": None}]
    if method == "registered":
        return [f"shop.task_{n} [rate_limit=None time_limit=None soft_time_limit=None]" for n in range(NAMES)]
    if method == "conf":
        return {"task_acks_late": True, "result_expires": 3600, "timezone": "UTC", "worker_concurrency": 4}
    return [] if method in ("active", "reserved", "scheduled") else None


def envelope(body: str, exchange: str, key: str, **headers: Any) -> bytes:
    properties = {"delivery_mode": 1, "delivery_info": {"exchange": exchange, "routing_key": key}}
    properties |= {"priority": 0, "body_encoding": "base64", "delivery_tag": "0"}
    document = {"body": body, "content-encoding": "utf-8", "content-type": "application/json"}
    return json.dumps({**document, "headers": headers, "properties": properties}).encode()


def encoded(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


class Crowd:
    """The program's work, in three threads."""

    def __init__(self, port: int, number: int) -> None:
        self.port, self.number = port, number
        self.redis = redis.Redis(port=port)
        self._bodies: dict[str, list[str]] = {}
        self.silent: set[int] = set()

    def bodies(self, method: str) -> list[str]:
        if method not in self._bodies:
            said = ((number, answer(method, number)) for number in range(self.number))
            self._bodies[method] = [encoded({name_of(n): told}) for n, told in said if told is not None]
        return self._bodies[method]

    def bind(self) -> None:
        for method in METHODS:
            self.bodies(method)
        pipe = self.redis.pipeline(transaction=False)
        for number in range(self.number):
            pipe.sadd(f"_kombu.binding.{PIDBOX}", f"\x06\x16\x06\x16{name_of(number)}.{PIDBOX}")
        pipe.execute()

    def listen(self) -> None:
        """All subscriptions but one, which answers."""
        waiting = selectors.DefaultSelector()
        for _ in range(self.number - 1):
            one = socket.create_connection(("127.0.0.1", self.port))
            one.sendall(b"*2\r\n$9\r\nSUBSCRIBE\r\n$%d\r\n%s\r\n" % (len(CHANNEL), CHANNEL.encode()))
            one.setblocking(False)
            waiting.register(one, selectors.EVENT_READ)
        room = bytearray(65_536)
        while True:
            for key, _ in waiting.select():
                with contextlib.suppress(BlockingIOError):
                    key.fileobj.recv_into(room)  # type: ignore[union-attr]
            time.sleep(0.02)

    def answer(self, ready: Callable[[], None]) -> None:
        said = self.redis.pubsub()
        said.subscribe(CHANNEL)
        for message in said.listen():
            if message["type"] == "subscribe":
                ready()
                continue
            body = json.loads(base64.b64decode(json.loads(message["data"])["body"]))
            if "ticket" in body:
                self._reply(body)

    def _reply(self, body: dict[str, Any]) -> None:
        to, bodies = body["reply_to"], self.bodies(body["method"])
        whole = envelope("@", to["exchange"], to["routing_key"], ticket=body["ticket"], clock=1)
        head, tail = whole.split(b"@", 1)
        key = f"{to['routing_key']}.{to['exchange']}"
        for at in range(0, len(bodies), TOGETHER):
            self.redis.lpush(key, *(head + one.encode() + tail for one in bodies[at : at + TOGETHER]))

    def beat(self) -> None:
        """Everybody once in `FREQ`, a part of them at each tick."""
        client = redis.Redis(port=self.port)
        parts, clock = round(FREQ * TICKS), 0
        due = time.monotonic()
        while True:
            pipe = client.pipeline(transaction=False)
            for number in range(clock % parts, self.number, parts):
                pipe.publish("/0.celeryev/worker.heartbeat", self._heartbeat(number, clock))
            pipe.execute()
            clock += 1
            due += 1 / TICKS
            time.sleep(max(0.0, due - time.monotonic()))

    def _heartbeat(self, number: int, clock: int) -> bytes:
        event = {
            "hostname": name_of(number),
            "utcoffset": 0,
            "pid": 1000 + number,
            "clock": clock + 1,
            "freq": FREQ,
            "active": 0,
            "processed": 0,
            "loadavg": [0.1, 0.2, 0.3],
            "sw_ident": "py-celery",
            "sw_ver": "5.7.0",
            "sw_sys": "Linux",
            "timestamp": time.time(),
            "type": "worker-heartbeat",
        }
        return envelope(encoded(event), "celeryev", "worker.heartbeat", hostname=name_of(number))


@contextlib.contextmanager
def crowd(port: int, number: int) -> Iterator[int]:
    """The process id of such a crowd on a Redis of this machine. Its server must take as many clients."""
    command = [sys.executable, "-m", "tests.support.crowd", str(port), str(number)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def main() -> None:
    one = Crowd(int(sys.argv[1]), int(sys.argv[2]))
    one.bind()
    for work in (one.listen, one.beat, lambda: one.answer(lambda: print("ready", flush=True))):
        threading.Thread(target=work, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
