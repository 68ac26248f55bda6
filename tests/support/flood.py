"""More events than one process can take: `python -m tests.support.flood PORT TASKS [TEXT]`.

All messages are made first, then "ready" is printed, and at a line on stdin they go out as fast as the
broker takes them, 24 events each as workers send at most. `TEXT`: characters of each task's argument.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from itertools import islice

from tests.benchmarks.traffic import CHANNEL, envelope, tasks
from tests.support.fleet import ROOT

TOGETHER = 8
"""Tasks whose three events share a message."""
FAILS = 20
"""One in so many fails, as `traffic.tasks` makes them."""


class Flood:
    """The program, from a test: made, then let go."""

    def __init__(self, port: int, number: int, text: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.flood", str(port), str(number), str(text)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ready(self) -> None:
        """Wait until it is made."""
        assert self.process.stdout is not None and self.process.stdout.readline() == b"ready\n"

    def go(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    port, number, text = map(int, sys.argv[1:])
    source, messages = tasks(), []
    channel = CHANNEL.encode()
    for _ in range(0, number, TOGETHER):
        lives = list(islice(source, TOGETHER))
        for life in lives:
            if text:
                life[0]["args"] = f"('{'x' * text}',)"
        # One worker's own, in the order of its clock, as a worker flushes them.
        events = [{**event, "hostname": lives[0][0]["hostname"]} for life in lives for event in life]
        body = envelope(events)
        messages.append(
            b"*3\r\n$7\r\nPUBLISH\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(channel), channel, len(body), body)
        )
    print("ready", flush=True)
    sys.stdin.readline()
    with socket.create_connection(("127.0.0.1", port)) as line:
        answered = 0
        for start in range(0, len(messages), 200):
            some = messages[start : start + 200]
            line.sendall(b"".join(some))
            answered += len(some)
            while answered > 0:
                answered -= line.recv(65536).count(b"\r\n")
    time.sleep(0.1)


if __name__ == "__main__":
    main()
