"""The generator of events as a process of its own, and what it says that it has sent."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

from tests.benchmarks.terminal import ROOT

REACHED = 0.97
"""Share of a rate below which a generator has not reached it: the machine had no time for it."""


class Sent(NamedTuple):
    """What a generator has sent."""

    messages: int
    events: int
    tasks: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    def reached(self, rate: float) -> bool:
        return self.rate >= REACHED * rate

    def short(self, rate: float) -> str:
        """Where the rate was not reached: that it is not the monitor's fault."""
        if self.reached(rate):
            return ""
        return f"; the generator came to {self.rate:,.0f} of {rate:,.0f} a second, the machine is busy"


def pour(url: str, rate: float, seconds: float) -> subprocess.Popen[bytes]:
    """Begin: so many events a second; 0 is as many as the broker takes."""
    command = [sys.executable, "-m", "tests.benchmarks.firehose", url, str(rate), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def sent(process: subprocess.Popen[bytes]) -> Sent:
    """Of one that has ended. Raises `RuntimeError` where it broke."""
    told = process.communicate()[0].split(b"\n")
    if process.returncode or len(told) < 2:
        raise RuntimeError("the generator of events broke")
    messages, events, tasks, seconds = told[1].split()
    return Sent(int(messages), int(events), int(tasks), float(seconds))
