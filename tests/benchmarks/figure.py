"""One measured figure and the limit that it must keep."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    limit: float
    note: str = ""
    least: bool = False
    """Whether the limit is the least that is wanted, not the most."""

    @property
    def kept(self) -> bool:
        return self.value >= self.limit if self.least else self.value <= self.limit

    def line(self) -> str:
        mark = "ok" if self.kept else "MISSED"
        value = f"{self.value:>10,.3f} {self.unit:<6}"
        limit = "least" if self.least else "limit"
        return f"{mark:<7}{self.name:<54}{value} {limit} {self.limit:>10,.2f}   {self.note}".rstrip()
