"""A dict in many parts: one of a million keys grows in a tenth of a second, and nobody may wait so long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

K = TypeVar("K", str, int)
V = TypeVar("V")

PARTS = 256
"""A power of two. A part of a million keys grows in well under a millisecond."""
MASK = PARTS - 1


class Shards(Generic[K, V]):
    """The part of a dict's manners that the store needs."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[dict[K, V]] = [{} for _ in range(PARTS)]
        """A key is in the one numbered `hash(key) & MASK`; for who has no time for a call."""

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __contains__(self, key: K) -> bool:
        return key in self.parts[hash(key) & MASK]

    def __getitem__(self, key: K) -> V:
        return self.parts[hash(key) & MASK][key]

    def __setitem__(self, key: K, value: V) -> None:
        self.parts[hash(key) & MASK][key] = value

    def get(self, key: K) -> V | None:
        """The value, or `None`."""
        return self.parts[hash(key) & MASK].get(key)

    def many(self, keys: Iterable[K]) -> list[V | None]:
        """The value of each key, or `None`."""
        parts = self.parts
        return [parts[hash(key) & MASK].get(key) for key in keys]

    def pop(self, key: K) -> V | None:
        """Take a value out, or `None` when there is none."""
        return self.parts[hash(key) & MASK].pop(key, None)


class Sparse(Generic[V]):
    """Values of few slots. Which slots have one is seen at once for many of them."""

    __slots__ = ("_has", "_values")

    def __init__(self, capacity: int) -> None:
        self._values: Shards[int, V] = Shards()
        # Untouched memory costs nothing.
        self._has: npt.NDArray[np.bool_] = np.zeros(capacity, dtype=np.bool_)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, slot: int) -> bool:
        return slot in self._values

    def __getitem__(self, slot: int) -> V:
        return self._values[slot]

    def __setitem__(self, slot: int, value: V) -> None:
        self._values[slot] = value
        self._has[slot] = True

    def get(self, slot: int) -> V | None:
        """The value, or `None`."""
        return self._values.parts[slot & MASK].get(slot)  # A slot is its own hash.

    def many(self, slots: Sequence[int] | npt.NDArray[np.intp], nothing: Any = None) -> list[Any]:
        """The value of each slot, or `nothing`."""
        found: list[Any] = [nothing] * len(slots)
        for place in np.flatnonzero(self._has[slots]).tolist():
            value = self._values.get(int(slots[place]))
            found[place] = nothing if value is None else value
        return found

    def pop(self, slot: int) -> V | None:
        """Take a value out, or `None` when there is none."""
        value = self._values.pop(slot)
        if value is not None:
            self._has[slot] = False
        return value

    def drop(self, slots: npt.NDArray[np.intp]) -> None:
        """Take the values of many slots out."""
        for slot in slots[self._has[slots]].tolist():
            self.pop(slot)
