"""Tasks that left the full store before they ended: one that comes back goes on in the row that it had."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

MOST = 100_000
"""Tasks that are known, a hundred bytes each; the ones that left first go first."""


class Away:
    """The rows of such tasks in one file, by a hash of their ids: of two ids in a million millions of
    millions one is taken for the other. Used by the writer's thread."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._again: dict[int, None] = {}

    def left(self, ids: Sequence[str], numbers: npt.NDArray[np.int64]) -> None:
        """Tasks that have left, and the numbers of their rows."""
        self._rows.update(zip(map(hash, ids), numbers.tolist(), strict=True))
        _bound(self._rows)

    def back(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """The rows of those that had left, 0 for any other; they are not away any more."""
        if not self._rows:
            return np.zeros(len(ids), dtype=np.int64)
        found = np.array([self._rows.pop(hash(own), 0) for own in ids], dtype=np.int64)
        self._again.update(dict.fromkeys(found[found != 0].tolist()))
        _bound(self._again)
        return found

    def again(self, number: int) -> bool:
        """Whether this is the row of one that came back: the store has forgotten what it told before."""
        return number in self._again

    def forget(self, first: int) -> None:
        """Rows from this one on are in no file."""
        self._rows = {own: number for own, number in self._rows.items() if number < first}
        self._again = {number: None for number in self._again if number < first}

    def clear(self) -> None:
        """Another file is written."""
        self._rows.clear()
        self._again.clear()

    @property
    def any_again(self) -> bool:
        """Whether any came back."""
        return bool(self._again)


def _bound(known: dict[int, int] | dict[int, None]) -> None:
    for own in list(islice(known, max(0, len(known) - MOST))):
        del known[own]
