"""Which tasks a task sent, over all that a history holds: a child's row may be anywhere, and only it tells.

Who asks for one page of a few tasks gets an answer of the medium. Who goes on through many pages has each
part read once, a hash and an id a child, so that what is asked of a million tasks is still little. Of more
than some millions of children the newest are forgotten, and who had them is told to have more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.model.task import Task
from lazycelery.store.history.packed_ids import pack, unpack
from lazycelery.store.history.storage import Part, Storage, Unreadable
from lazycelery.store.views import MAX_CHILDREN

FEW = 500
"""Tasks for which the medium is asked: an older SQLite takes few values."""
AT_ONCE = 20_000
"""Rows read together."""
MOST = 3_000_000
"""Children that are known at once, of half as many in one part: 32 bytes each, where ids are UUIDs."""
BEYOND = 1 << 25
"""Bytes for what is known of the parents of all others."""
TOLD = MAX_CHILDREN + 1
"""Children looked at of one task: one more tells that there are more."""
CUT = "children"
"""Stands in `Task.truncated` then."""


class Known(NamedTuple):
    """The children in one part, sorted by their parents, and then by age."""

    parents: npt.NDArray[np.int64]
    """Hashes of ids."""
    places: npt.NDArray[np.uint32]
    """Of each child, in the order in which `ids` has them."""
    ends: npt.NDArray[np.uint32] | npt.NDArray[np.int64]
    """Where each of them ends."""
    ids: bytearray
    """As `pack` writes them."""

    def of(self, parents: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
        """The ids of the children of those that have any."""
        first = np.searchsorted(self.parents, parents, "left")
        last = np.searchsorted(self.parents, parents, "right")
        for at in np.flatnonzero(last > first).tolist():
            places = self.places[first[at] : last[at]][:TOLD]
            yield parents[at], [self._id(place) for place in places.tolist()]

    def _id(self, place: int) -> str:
        return unpack(self.ids[self.ends[place - 1] if place else 0 : self.ends[place]])


class Kinship:
    """What is known of it, for one question and the pages that follow."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        """By part, the newest first; the newest go where there are too many."""
        self._read_so_far: list[str] = []
        """Parts, also of those that went."""
        self._beyond: Beyond | None = None
        """Who has children that are not known any more."""
        self._whole = False
        """No older part is left."""
        self._lock = threading.Lock()
        """Pages may be asked for together."""

    def put(
        self,
        storage: Storage,
        tasks: Sequence[Task],
        oldest: str,
        go_on: Callable[[], bool],
        unread: list[str],
        many: bool,
    ) -> None:
        """Tell these tasks' children, of the parts up to that of the `oldest` of these tasks, and of the one
        before it: a task that lasted over midnight stands behind its children. `many`: more pages follow."""
        wanted = {hash(task.id): task for task in tasks}
        told: dict[int, list[str]] = {}
        beyond = set[int]()
        try:
            if many or len(wanted) > FEW:
                with self._lock:
                    self._read(storage, oldest, go_on, unread)
                    found = [list(known.of(list(wanted))) for known in self._known.values()]
                    beyond = self._beyond.of(list(wanted)) if self._beyond else beyond
            else:
                own = [task.id for task in tasks]
                found = [_asked(part, own, go_on) for part in _up_to(storage, oldest, go_on, unread)]
        except Unreadable as problem:
            unread.append(f"which tasks others sent: {problem}")
            return
        for part in reversed(found):
            for parent, ids in part:
                told.setdefault(parent, []).extend(ids)
        for parent in wanted.keys() & (told.keys() | beyond):
            task, ids = wanted[parent], told.get(parent, [])
            all_of_it = list(dict.fromkeys([*ids, *task.children]))
            task.children = all_of_it[:MAX_CHILDREN]
            if len(all_of_it) > MAX_CHILDREN or parent in beyond:
                task.truncated = [*task.truncated, CUT]

    def _read(self, storage: Storage, oldest: str, go_on: Callable[[], bool], unread: list[str]) -> None:
        if self._whole or not self._ends_with(oldest):
            return
        for part in _up_to(storage, oldest, go_on, unread):
            if part.name not in self._read_so_far:
                if (known := self._all(part, go_on)) is None:
                    return
                self._known[part.name] = known
                self._read_so_far.append(part.name)
                self._let_go()
        self._whole = go_on() and self._ends_with(oldest)

    def _ends_with(self, oldest: str) -> bool:
        """Whether no part was read that is older than this one."""
        return oldest not in self._read_so_far or self._read_so_far[-1] == oldest

    def _let_go(self) -> None:
        """Who asks goes back in time: the newest parts tell least of what is still to come."""
        while sum(len(known.ends) for known in self._known.values()) > MOST:
            self._more(self._known.pop(next(iter(self._known))).parents)

    def _more(self, parents: npt.NDArray[np.int64]) -> None:
        self._beyond = self._beyond or Beyond()
        self._beyond.add(parents)

    def _all(self, part: Part, go_on: Callable[[], bool]) -> Known | None:
        """All children in a part, as far as they have room; `None` once nobody wants to know."""
        parents, lengths = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int32)]
        ids, known, after = bytearray(), 0, 0
        while True:
            if not go_on():
                return None
            if not (rows := part.children((), after, AT_ONCE)):
                break
            after = rows[-1][0]
            hashes = np.array([hash(parent) for _, parent, _ in rows], dtype=np.int64)
            room = MOST // 2 - known
            if len(rows) > room:
                self._more(hashes[room:])
            parents.append(hashes[:room])
            packed, each = pack([child for _, _, child in rows[:room]])
            ids += packed
            lengths.append(each)
            known += len(each)
        hashes = np.concatenate(parents)
        places = np.argsort(hashes, kind="stable").astype(np.uint32)
        ends = np.cumsum(np.concatenate(lengths), dtype=np.uint32 if len(ids) < 1 << 32 else np.int64)
        return Known(hashes[places], places, ends, ids)


class Beyond:
    """Parents of children that are not known one by one: that somebody has some is never missed, and of a
    few who have none it is told too."""

    def __init__(self) -> None:
        self._some = np.zeros(BEYOND, dtype=np.bool_)

    def add(self, parents: npt.NDArray[np.int64]) -> None:
        """More of them, by the hashes of their ids."""
        self._some[parents % BEYOND] = True

    def of(self, parents: Sequence[int]) -> set[int]:
        """Those of these that are among them."""
        return {parent for parent in parents if self._some[parent % BEYOND]}


def _up_to(storage: Storage, oldest: str, go_on: Callable[[], bool], unread: list[str]) -> Iterator[Part]:
    """The parts, newest first, up to the one behind this one."""
    behind = False
    for part in storage.opened(unread):
        if not go_on():
            return
        part.while_wanted(go_on)
        yield part
        if behind:
            return
        behind = part.name == oldest


def _asked(part: Part, parents: Sequence[str], go_on: Callable[[], bool]) -> list[tuple[int, list[str]]]:
    """The children of few, which may have a million of them."""
    found: dict[str, list[str]] = {parent: [] for parent in parents}
    after, wanted = 0, list(parents)
    while wanted and go_on() and (rows := part.children(wanted, after, AT_ONCE)):
        after = rows[-1][0]
        for _, parent, child in rows:
            if len(found.setdefault(parent, [])) < TOLD:
                found[parent].append(child)
        if len(rows) < AT_ONCE:
            break
        wanted = [parent for parent in wanted if len(found[parent]) < TOLD]
    return [(hash(parent), ids) for parent, ids in found.items() if ids]
