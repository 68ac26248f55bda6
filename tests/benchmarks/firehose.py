"""Events at any rate, cheaply: `python -m tests.benchmarks.firehose URL RATE SECONDS`.

First a line "ready"; then `RATE` events a second (0: as many as the broker takes) for so many seconds; then
a line with how many messages, events and tasks that were, and the seconds it took. What it misses while the
machine has no time for it is not made up for: that would be a flood, at no rate.

A message is made of a template whose base64 has its variable parts at whole groups of characters: about a
microsecond an event, where writing JSON takes ten.
"""

from __future__ import annotations

import base64
import json
import random
import re
import socket
import sys
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import redis

from tests.benchmarks.traffic import CHANNEL, envelope

NAMES, WORKERS, TEMPLATES = 60, 16, 240
STEP = 0.005
"""Seconds between two bursts."""
BURST = 3_000
"""Events that are sent in one go where no rate is wanted."""
LATE = 0.1
"""Seconds of a rate that are sent later than they should be; more is left out."""
BEAT = 2.0
_SIGNS = re.compile("U{36}|N{9}|C{9}|T{18}|S{18}")
_FIXED = "NUCTS"


class Template(NamedTuple):
    """A PUBLISH with places for what changes, and which value belongs to each place."""

    text: bytes
    places: tuple[int, ...]
    events: int


def template(events: list[dict[str, Any]]) -> Template:
    """Of a worker's batch. In its values `NNN…` stands for the task's number, `UUU…` for its id, `CCC…` for
    the clock, `TTT…` for now, `SSS…` for a moment ago."""
    body = re.sub('"(C{9}|T{18}|S{18})"', r"\1", json.dumps(events))
    parts: list[bytes] = []
    places: list[int] = []
    written, start = 0, 0
    for found in _SIGNS.finditer(body):
        literal = body[start : found.start()]
        filler = " " * (-(written + len(literal)) % 3)
        # Blanks before the quotation mark, if it is there: JSON does not mind.
        literal = literal[:-1] + filler + '"' if literal.endswith('"') else literal + filler
        parts += [base64.b64encode(literal.encode()), b"%b"]
        places.append(_FIXED.index(found.group()[0]))
        written += len(literal) + len(found.group())
        start = found.end()
    parts.append(base64.b64encode(body[start:].encode()))
    envelope = {
        "body": "BODY",
        **{"content-encoding": "utf-8", "content-type": "application/json"},
        "headers": {"hostname": events[0]["hostname"]},
        "properties": {
            "delivery_mode": 1,
            "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
            **{
                "priority": 0,
                "body_encoding": "base64",
                "delivery_tag": "5b1c7e0e-5c1f-4b69-8d55-0d5a3c6d2a10",
            },
        },
    }
    whole = json.dumps(envelope).encode().replace(b"BODY", b"".join(parts))
    length = len(whole) + sum(4 * width // 3 - 2 for width in ((9, 36, 9, 18, 18)[place] for place in places))
    return Template(_publish(length) + whole + b"\r\n", tuple(places), len(events))


def _publish(length: int) -> bytes:
    channel = CHANNEL.encode()
    return b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%b\r\n$%d\r\n" % (len(channel), channel, length)


def templates() -> list[tuple[Template, Template]]:
    """Of many tasks: what a worker says when it has received one, and when it has run it."""
    chance = random.Random(3)
    found = []
    for number in range(TEMPLATES):
        worker = f"celery@web-{number % WORKERS}"
        own = {
            "hostname": worker,
            "utcoffset": 0,
            "pid": 100 + number % WORKERS,
            "clock": "C" * 9,
            "uuid": "U" * 36,
        }
        kind = number % NAMES
        args = (
            "(NNNNNNNNN,)",
            "('userNNNNNNNNN@example.com', 17)",
            "()",
            "(NNNNNNNNN, 'https://api.example.com/v2/items?expand=all')",
        )[kind % 4]
        kwargs = (
            "{}",
            "{'template': 'order_confirmed', 'locale': 'en_GB'}",
            "{'order_id': NNNNNNNNN}",
            "{}",
        )[kind % 4]
        told = {"name": f"shop.part{kind}.run", "args": args, "kwargs": kwargs, "root_id": "U" * 36}
        more: dict[str, Any] = {"parent_id": None, "retries": 0, "eta": None, "expires": None}
        if number % 20:
            runtime = round(chance.lognormvariate(-1, 1), 6)
            end = {"type": "task-succeeded", "result": "'NNNNNNNNN'", "runtime": runtime}
        else:
            error = "ValueError('no NNNNNNNNN')"
            trace = f'Traceback (most recent call last):\n  File "shop.py", line {number}, in run\n{error}\n'
            end = {"type": "task-failed", "exception": error, "traceback": trace}
        first = template([{**own, **told, **more, "type": "task-received", "timestamp": "S" * 18}])
        then = template(
            [
                {**own, "type": "task-started", "timestamp": "S" * 18},
                {**own, **end, "timestamp": "T" * 18},
            ]
        )
        found.append((first, then))
    return found


class Firehose:
    """Publishes to one Redis server."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname or "", place.port or 6379))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client = redis.Redis.from_url(url)
        self._templates = templates()
        self._number = random.randrange(10**8) * 9 + 100
        self._chance = random.Random()
        self._beat = 0.0
        self.messages = 0
        self.events = 0
        self.tasks = 0

    def burst(self, events: int) -> None:
        """The whole lives of tasks with so many events; returns when the server has all of it."""
        out: list[bytes] = []
        now = time.time()
        late, soon = (base64.b64encode(b"%018.7f" % at) for at in (now, now - 0.05))
        made = 0
        while made < events:
            self._number += 1
            self.tasks += 1
            number = self._number
            digits = b"%032x" % self._chance.getrandbits(128)  # No two alike in most places, as on a screen.
            id = b"%b-%b-4%b-a%b-%b" % (digits[:8], digits[8:12], digits[13:16], digits[17:20], digits[20:])
            values = (
                base64.b64encode(b"%09d" % (number % 10**9)),
                base64.b64encode(id),
                base64.b64encode(b"%09d" % (100_000_000 + number % 800_000_000)),
                late,
                soon,
            )
            for one in self._templates[number % TEMPLATES]:
                out.append(one.text % tuple([values[place] for place in one.places]))
                made += one.events
        self._send(out)
        self.events += made
        if now - self._beat > BEAT:
            self._beat = now
            self._beats(now)

    def _send(self, out: list[bytes]) -> None:
        self._socket.sendall(b"".join(out))
        self.messages += len(out)
        answered = 0
        while answered < len(out):
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the server has closed")
            answered += data.count(b":")

    def _beats(self, now: float) -> None:
        for number in range(WORKERS):
            beat = {
                **{
                    "type": "worker-heartbeat",
                    "hostname": f"celery@web-{number}",
                    "utcoffset": 0,
                    "pid": 100 + number,
                },
                **{"clock": 1, "timestamp": now, "freq": 2.0, "active": 0, "processed": 0},
                **{"loadavg": [0.1, 0.1, 0.1], "sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux"},
            }
            self._client.publish("/0.celeryev/worker.heartbeat", envelope(beat))
        self.events += WORKERS

    def steady(self, rate: float, seconds: float) -> float:
        """So many events a second; returns the seconds it took."""
        start, before = time.monotonic(), self.events
        left_out = 0
        while (now := time.monotonic() - start) < seconds:
            if not rate:
                self.burst(BURST)
                continue
            due = int(rate * now) - (self.events - before) - left_out
            left_out += max(0, due - int(rate * LATE))
            if (due := min(due, int(rate * LATE))) > 0:
                self.burst(due)
            time.sleep(max(0.0, STEP - (time.monotonic() - start - now)))
        return time.monotonic() - start


def main() -> None:
    url, rate, seconds = sys.argv[1:]
    hose = Firehose(url)
    print("ready", flush=True)
    took = hose.steady(float(rate), float(seconds))
    print(hose.messages, hose.events, hose.tasks, took, flush=True)


if __name__ == "__main__":
    main()
