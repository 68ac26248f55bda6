"""One measured figure, the limit that it must keep, and the aim where that is not reached yet."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

TIMES, RATE = ("s", "ms", "us"), "ev/s"


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    limit: float
    note: str = ""
    least: bool = False
    """Whether the limit is the least that is wanted, not the most."""
    aim: float | None = None
    """What is to be reached, where the limit only guards what has been."""
    beside: bool = False
    """Whether the limit was measured in the same run, beside it."""

    @property
    def kept(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    @property
    def reached(self) -> bool:
        return self.kept and (self.aim is None or self._replace(limit=self.aim).kept)

    def at(self, pace: float) -> Figure:
        """With the limit of a machine that is so many times slower, where it is one of CPU time, or of events
        a second, which need it."""
        rate = self.least and self.unit == RATE
        if self.beside or pace <= 1.0 or not (rate or (self.unit in TIMES and "CPU" in self.name)):
            return self
        note = f"{self.note}; " if self.note else ""
        aim = self.limit if self.aim is None else self.aim
        limit = self.limit / pace if rate else self.limit * pace
        return self._replace(limit=limit, aim=aim, note=f"{note}this machine is {pace:.1f} times slower")

    def line(self) -> str:
        if math.isnan(self.value):
            return f"BROKEN {self.name}: {self.note}"
        mark = "ok" if self.reached else "SHORT" if self.kept else "MISSED"
        value = f"{self.value:>10,.3f} {self.unit:<6}"
        limit = "least" if self.least else "limit"
        aim = "" if self.aim is None else f"aim {self.aim:,.2f}; "
        return f"{mark:<7}{self.name:<54}{value} {limit} {self.limit:>10,.2f}   {aim}{self.note}".rstrip("; ")


def guarded(name: str, measure: Callable[[], Iterable[Figure]]) -> Iterator[Figure]:
    """What is measured; where that breaks, a figure that says so and is not kept, and the rest goes on."""
    try:
        yield from measure()
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
        yield Figure(name, math.nan, "", 0.0, f"could not be measured: {reason}")


def progress(line: str) -> None:
    """A word for who watches a long run."""
    print(line, file=sys.stderr, flush=True)
