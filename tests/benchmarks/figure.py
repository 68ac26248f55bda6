"""One measured figure and the limit that it must keep."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    name: str
    value: float
    unit: str
    limit: float
    note: str = ""

    @property
    def kept(self) -> bool:
        return self.value <= self.limit

    def line(self) -> str:
        mark = "ok" if self.kept else "MISSED"
        value = f"{self.value:>10,.3f} {self.unit:<6}"
        return f"{mark:<7}{self.name:<54}{value} limit {self.limit:>10,.2f}   {self.note}".rstrip()
