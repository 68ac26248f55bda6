"""Which tasks went on in a newer file, for one question and the pages that follow: the newer row tells of
them, and no older one is listed beside it. What is written after the question began is on none of its pages,
and so takes no older row away.

The file that is being written has no index on ids. Who asks for few tasks has it looked through; who goes
on has it read once, a hash a task.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

ASKED = 900
"""Ids asked for at once: an older SQLite takes no more values."""
LOOKS = 4
"""Times that a file without an index is looked through; to read all of its ids takes about as long."""


class Newer(Protocol):
    """A newer file."""

    name: str

    @property
    def indexed(self) -> bool:
        """Whether it is quick to find a task by its id."""

    def among(self, ids: Sequence[str], until: int) -> list[str]:
        """Those of these tasks that have a row up to this number."""

    def all_ids(self, until: int) -> Iterator[list[str]]:
        """Of all rows up to this number."""


class Later:
    """What is known of it."""

    def __init__(self) -> None:
        self._ends: dict[str, int] = {}
        """The last row of each part when the question began."""
        self._looks: dict[str, int] = {}
        self._known: dict[str, npt.NDArray[np.int64]] = {}
        """Hashes of ids, sorted; of two ids in a thousand millions of millions one is taken for the other."""
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

    def of(self, file: Newer, ids: Sequence[str], go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks that have a row in a newer file."""
        until = self.end(file.name)
        if not until or not ids:
            return set()
        if not file.indexed:
            with self._lock:
                if self._ids(file, len(ids), until, go_on):
                    return self._found(self._known[file.name], ids)
        found: set[str] = set()
        for start in range(0, len(ids), ASKED):
            if go_on():
                found.update(file.among(ids[start : start + ASKED], until))
        return found

    def _ids(self, file: Newer, many: int, until: int, go_on: Callable[[], bool]) -> bool:
        """Whether all ids of a file are known, or shall be from now on."""
        if file.name in self._known:
            return True
        looks = self._looks[file.name] = self._looks.get(file.name, 0) + -(-many // ASKED)
        if looks <= LOOKS:
            return False
        hashes = [np.zeros(0, dtype=np.int64)]
        for ids in file.all_ids(until):
            if not go_on():
                return False
            hashes.append(np.array([hash(own) for own in ids], dtype=np.int64))
        self._known[file.name] = np.sort(np.concatenate(hashes))
        return True

    @staticmethod
    def _found(known: npt.NDArray[np.int64], ids: Sequence[str]) -> set[str]:
        hashes = np.array([hash(own) for own in ids], dtype=np.int64)
        places = np.searchsorted(known, hashes)
        inside = np.flatnonzero(places < len(known))
        return {ids[at] for at in inside[known[places[inside]] == hashes[inside]].tolist()}
