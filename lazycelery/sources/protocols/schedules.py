"""Beat's schedules that a scheduler keeps in a store of its own."""

from __future__ import annotations

from typing import Protocol

import msgspec

from lazycelery.model.beat import BeatEntry, SchedulerName


class ScheduleReport(msgspec.Struct, kw_only=True):
    """One look at a scheduler's own store."""

    entries: list[BeatEntry]
    total: int
    """How many there are."""
    present: bool = True
    """Whether there is a schedule at all."""
    locked: float | None = None
    """Seconds for which a beat still holds the scheduler's lock."""
    now: float | None = None
    """The store's clock."""
    note: str = ""
    """What to look at when it is not what was expected."""


class Schedules(Protocol):
    """Beat's schedule where a scheduler keeps it outside of the application."""

    name: SchedulerName
    url: str
    """Without credentials."""

    async def read(self) -> ScheduleReport:
        """All entries, a bounded number. Raises `ConnectionProblem`."""

    async def switch(self, name: str, on: bool) -> bool:
        """Enable or disable an entry, in one atomic step; false when it was so already.

        Raises `NothingFound` when it is not there, `Refused` when it was changed meanwhile."""

    def commands_sent(self) -> int:
        """Commands sent since the start."""

    async def close(self) -> None:
        """Let go of the connections."""
