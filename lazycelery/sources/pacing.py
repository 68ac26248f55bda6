"""Messages of a pass in parts, at the pace that somebody wants of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from lazycelery.sources.protocols.sifting import HALTED, Pace, Shifted

T = TypeVar("T")


class Paced:
    """Whether a pass goes on, and how many messages go together. Without a pace: all, at once."""

    def __init__(self, told: Shifted, pace: Pace | None) -> None:
        self._told, self._pace = told, pace
        self._owed = 0

    def room(self, most: int) -> int:
        """How many may go together."""
        return most if self._pace is None else self._pace.page(most)

    async def goes_on(self) -> bool:
        """Waits until the next ones may go; false when nothing more is to be begun, and why is told."""
        if self._pace is not None and self._owed and not self._told.problem:
            owed, self._owed = self._owed, 0
            await self._pace.pace(owed)
        if self._pace is not None and self._pace.halting and not self._told.problem:
            self._told.problem = HALTED
        return not self._told.problem

    def sent(self, number: int, refused: int, target: str) -> None:
        """What became of one part: when all of it was refused, so will be the next."""
        if self._pace is None:
            return
        self._owed += number
        if number and refused == number:
            self._told.problem = f"{target} does not take them"

    async def parts(self, picked: Sequence[T]) -> AsyncIterator[Sequence[T]]:
        """One after the other, as long as it goes on."""
        at = 0
        while at < len(picked) and await self.goes_on():
            part = picked[at : at + self.room(len(picked))]
            at += len(part)
            yield part
