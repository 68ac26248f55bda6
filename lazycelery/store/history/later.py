"""Which tasks went on in a newer row, of the same file or of a newer one, for one question and the pages that
follow: that row tells of them, and no older one is listed beside it. What is written after the question began
is on none of its pages, and so takes no older row away.

The file that is being written has no index on ids. Who asks for few tasks has it looked through; who goes
on has it read once, a hash and a number a task.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

ASKED = 900
"""Ids asked for at once: an older SQLite takes no more values."""
LOOKS = 4
"""Times that a file without an index is looked through; to read all of its ids takes about as long."""


class Newer(Protocol):
    """A file."""

    name: str

    @property
    def indexed(self) -> bool:
        """Whether it is quick to find a task by its id."""

    def among(self, ids: Sequence[str], until: int, above: int = 0) -> list[tuple[int, str]]:
        """The rows of these tasks behind a number and up to another: number and id."""

    def all_ids(self, until: int) -> Iterator[list[tuple[int, str]]]:
        """The same of all rows up to this number."""


class Later:
    """What is known of it."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        """The last row of each part when the question began."""
        self._looks: dict[str, int] = {}
        self._known: dict[str, tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        """Hashes of ids, sorted, and the numbers of their rows, those of one id in order; of two ids in a
        thousand millions of millions one is taken for the other."""
        self._lock = threading.Lock()
        """Pages may be asked for together."""

    @property
    def begun(self) -> bool:
        """Whether the parts have been seen."""
        return bool(self._ends)

    def saw(self, name: str, last: int) -> None:
        """A part, and its last row: what comes into it from now on is on no page."""
        self._ends.setdefault(name, last)

    def end(self, name: str) -> int:
        """The last row of a part that counts, 0 for none."""
        return self._ends.get(name, 0)

    @property
    def last(self) -> int:
        """The highest number of all rows that count, where numbers go on from part to part."""
        return max(self._ends.values(), default=0)

    def of(self, file: Newer, rows: Mapping[str, int], go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks that have a row in this file, behind the number that is told."""
        until, ids = self.end(file.name), list(rows)
        if not until or not ids:
            return set()
        if not file.indexed:
            with self._lock:
                if self._ids(file, len(ids), until, go_on):
                    return self._found(*self._known[file.name], rows)
        found, above = set[str](), min(rows.values())
        for start in range(0, len(ids), ASKED):
            if go_on():
                some = file.among(ids[start : start + ASKED], until, above)
                found.update(own for number, own in some if number > rows.get(own, number))
        return found

    def _ids(self, file: Newer, many: int, until: int, go_on: Callable[[], bool]) -> bool:
        """Whether all ids of a file are known, or shall be from now on."""
        if file.name in self._known:
            return True
        looks = self._looks[file.name] = self._looks.get(file.name, 0) + -(-many // ASKED)
        if looks <= LOOKS:
            return False
        told = [np.zeros((0, 2), dtype=np.int64)]
        for rows in file.all_ids(until):
            if not go_on():
                return False
            told.append(np.array([(hash(own), number) for number, own in rows], dtype=np.int64))
        hashes, numbers = np.concatenate(told).T
        order = np.lexsort((numbers, hashes))
        self._known[file.name] = hashes[order], numbers[order]
        return True

    @staticmethod
    def _found(
        known: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], rows: Mapping[str, int]
    ) -> set[str]:
        ids = list(rows)
        hashes = np.array([hash(own) for own in ids], dtype=np.int64)
        places = np.searchsorted(known, hashes, "right") - 1
        own = np.fromiter(rows.values(), dtype=np.int64, count=len(ids))
        inside = np.flatnonzero(places >= 0)
        newer = (known[places[inside]] == hashes[inside]) & (numbers[places[inside]] > own[inside])
        return {ids[at] for at in inside[newer].tolist()}
