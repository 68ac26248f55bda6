"""Result backends, read only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from lazycelery.model.canvas import Counter
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.status import TellStatus

DeliverResults = Callable[[list[ResultReport]], None]


class Results(Protocol):
    """A result backend, read only."""

    url: str
    """Without credentials."""
    one_by_one: bool
    """Whether it reads each result by itself."""

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out."""

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """Some of the newest results, by a bounded scan; best effort."""

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Deliver results as they are written, until cancelled. A backend that cannot returns at once."""

    def commands_sent(self) -> int:
        """Commands sent since the start."""

    async def close(self) -> None:
        """Let go of the connections."""


@runtime_checkable
class CountsChords(Protocol):
    """What a `Results` can do that tells how far chords are (Redis)."""

    async def counters(self, groups: Sequence[str]) -> dict[str, Counter]:
        """What is counted of these chords, a bounded number of parts each; one of which nothing is left is
        not among them."""
