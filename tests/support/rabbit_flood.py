"""Events on RabbitMQ at a given pace: `python -m tests.support.rabbit_flood URL RATE SECONDS TOGETHER`.

`RATE` events a second; up to `TOGETHER` of one worker's share a message, as workers flush them. Every two
seconds each worker beats, with what it has done. At the end one line of JSON on stdout tells what was sent.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import islice
from typing import Any

import amqp
import pika
from pika import frame, spec

from tests.benchmarks.traffic import WORKERS, tasks
from tests.support.fleet import ROOT

BEAT = 2.0


@dataclass
class Sent:
    """What a flood sent, and how long it took beyond its time: then RabbitMQ held it back."""

    tasks: int
    events: int
    messages: int
    late: float


class RabbitFlood:
    """The program, from a test."""

    def __init__(self, url: str, rate: int, seconds: float, together: int) -> None:
        words = (url, str(rate), str(seconds), str(together))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.rabbit_flood", *words], cwd=ROOT, stdout=subprocess.PIPE
        )

    def sent(self, wait: float) -> Sent:
        """Wait for its end."""
        out, _ = self.process.communicate(timeout=wait)
        return Sent(**json.loads(out))

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def message(key: str, events: Any) -> bytes:
    """The frames of one message on channel 1, made once: libraries take longer to make them than to send."""
    body = json.dumps(events).encode()
    properties = spec.BasicProperties(content_type="application/json", delivery_mode=1)
    parts = (
        frame.Method(1, spec.Basic.Publish(exchange="celeryev", routing_key=key)),
        frame.Header(1, len(body), properties),
        frame.Body(1, body),
    )
    return b"".join(part.marshal() for part in parts)


def beats(done: dict[str, int], clock: int) -> bytes:
    """One heartbeat of each worker."""
    common = {"type": "worker-heartbeat", "utcoffset": 0, "pid": 100, "freq": BEAT, "active": 0}
    common |= {"sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux", "loadavg": [0, 0, 0]}
    told = ({**common, "hostname": name, "processed": done[name], "clock": clock} for name in WORKERS)
    return b"".join(message("worker.heartbeat", {**one, "timestamp": time.time()}) for one in told)


def main() -> None:
    url, rate, seconds, together = sys.argv[1], *map(float, sys.argv[2:])
    where = pika.URLParameters(url)
    line = amqp.Connection(
        host=f"{where.host}:{where.port}",
        virtual_host=where.virtual_host,
        userid=where.credentials.username,
        password=where.credentials.password,
        socket_settings={socket.TCP_USER_TIMEOUT: 60_000},  # To be held back is no error, but `late`.
    )
    line.connect()
    line.channel(1).exchange_declare("celeryev", "topic", durable=True, auto_delete=False)
    source, done = tasks(), dict.fromkeys(WORKERS, 0)
    sent = Sent(0, 0, 0, 0.0)
    began, beat = time.monotonic(), 0.0
    line.sock.sendall(beats(done, 0))
    while (now := time.monotonic() - began) < seconds:
        parts = []
        while sent.events < rate * now:
            [life] = islice(source, 1)
            done[life[0]["hostname"]] += 1
            for start in range(0, 3, int(together)):
                some = life[start : start + int(together)]
                key = "task.multi" if len(some) > 1 else some[0]["type"].replace("-", ".")
                parts.append(message(key, some if len(some) > 1 else some[0]))
                sent.messages += 1
            sent.tasks, sent.events = sent.tasks + 1, sent.events + 3
        if now - beat > BEAT:
            beat = now
            parts.append(beats(done, 3 * sent.tasks))
        line.sock.sendall(b"".join(parts))
        time.sleep(0.01)
    line.sock.sendall(beats(done, 3 * sent.tasks))
    sent.late = time.monotonic() - began - seconds
    time.sleep(0.2)
    print(json.dumps(sent.__dict__))


if __name__ == "__main__":
    main()
