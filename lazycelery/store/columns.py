"""The tasks in columns: one slot a task, numbers in flat arrays, texts in lists.

A slot is a place and is used again after its task has left; a row number is an identity and is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.coding import Words
from lazycelery.store.faults.kinds import Kinds
from lazycelery.store.marks import TELLERS, TOLD
from lazycelery.store.notes import Notes
from lazycelery.store.sealing import FIELDS, Sealed, Steps
from lazycelery.store.shards import MASK, Shards, Sparse
from lazycelery.store.untouched import untouched

NAN = float("nan")
BLOCK = 32_768
AT_ONCE = 1024
"""Slots for which numpy is asked once."""
SLACK = 4096
"""Slots beyond the bound: tasks leave in chunks of this size at most."""

NUMBERS: dict[str, str] = {
    "row": "q",  # identity, and the order of first sight; 0 marks a free slot
    "stamp": "q",
    "head": "Q",  # first bytes of the id, to find it by its beginning
    "clock": "q",  # of the newest worker event of the present attempt
    "told": "q",  # source by field, where it is not the event stream
    "faulted": "q",  # stamp at which `fault` was read
    "parent": "q",  # hash of the parent's id, to find children by one comparison
    "first": "d",
    "since": "d",
    "seen": "d",
    "sent": "d",
    "received": "d",
    "started": "d",
    "finished": "d",
    "runtime": "d",
    "wait": "d",
    "name": "i",
    "worker": "i",
    "queue": "i",
    "fault": "i",  # kind of failure, as far as asked for
    "retries": "h",
    "attempt": "H",
    "marks": "H",
    "state": "B",
    "sources": "B",
    "cut": "B",
}
UNKNOWN: dict[str, float] = {
    **dict.fromkeys(("sent", "received", "started", "finished", "runtime", "wait"), NAN),
    "retries": -1,
}
"""What stands where nothing is known, and is not 0."""
EMPTIED = (
    *("clock", "told", "parent", "name", "worker", "queue", "attempt", "marks", "state", "sources", "cut"),
    *UNKNOWN,
)
"""What must not be left to the next task of a slot."""


class PastAttempt(msgspec.Struct, gc=False):
    """An attempt that another one followed; what is open stays NaN."""

    number: int
    worker: int = 0
    retries: int = -1
    sent: float = NAN
    received: float = NAN
    started: float = NAN
    finished: float = NAN
    by_result: bool = False
    """Whether `finished` is what the result backend says."""
    state: int = 0
    error: str | None = None
    traceback: str | None = None


class Extra(msgspec.Struct, gc=False):
    """What only few tasks have. Nothing that the garbage collector must visit, as far as possible:
    a million of them held it for a second."""

    past: tuple[PastAttempt, ...] = ()
    group_id: str | None = None
    exchange: str | None = None
    routing_key: str | None = None
    priority: int | None = None
    pid: int | None = None
    redelivered: bool | None = None
    content_type: str | None = None
    message_seen: float = 0.0
    """When its message was last seen on the broker, our clock."""
    progress: str | None = None
    """JSON text."""
    children: tuple[str, ...] = ()
    retry_of: str | None = None


class Columns:
    """All tasks. Numbers are memoryviews (fast to set one by one); `vector` is the same memory for numpy."""

    row: memoryview[int]
    stamp: memoryview[int]
    head: memoryview[int]
    clock: memoryview[int]
    told: memoryview[int]
    faulted: memoryview[int]
    parent: memoryview[int]
    first: memoryview[float]
    since: memoryview[float]
    seen: memoryview[float]
    sent: memoryview[float]
    received: memoryview[float]
    started: memoryview[float]
    finished: memoryview[float]
    runtime: memoryview[float]
    wait: memoryview[float]
    name: memoryview[int]
    worker: memoryview[int]
    queue: memoryview[int]
    fault: memoryview[int]
    retries: memoryview[int]
    attempt: memoryview[int]
    marks: memoryview[int]
    state: memoryview[int]
    sources: memoryview[int]
    cut: memoryview[int]

    def __init__(self, max_tasks: int) -> None:
        self.max_tasks = max_tasks
        self.capacity = max_tasks + SLACK
        self.make_room: Callable[[], None] | None = None
        """Called when one task more would be one too many."""
        self.leaving: Callable[[npt.NDArray[np.intp]], None] | None = None
        """Called with the slots of tasks that are about to be forgotten."""
        self.used = 0
        """Slots ever used: what lies beyond has never been touched."""
        self.free: list[int] = []
        self._blank = 0
        """Slots up to here have been made ready."""
        self._headless: list[int] = []
        """Slots whose `head` is still to be written."""
        self.rows = 0
        self._vectors: dict[str, npt.NDArray[Any]] = {}
        for name, code in NUMBERS.items():
            self._reserve(name, code)
        self.notes = Notes()
        self.names = Words()
        self.workers = Words()
        self.queues = Words()
        self.kinds = Kinds(self)
        self.slots: Shards[str, int] = Shards()
        self.id: list[str] = []
        self.args: list[str | None] = []
        self.kwargs: list[str | None] = []
        self.result: list[str | None] = []
        self.error: list[str | None] = []
        self.sealed = Sealed({field: getattr(self, field) for field in FIELDS})
        """Reads what stands in these lists; of tasks that are over it is kept elsewhere."""
        self.root_id: list[str | None] = []
        self.parent_id: list[str | None] = []
        self.traceback: Sparse[str] = Sparse(self.capacity)
        self.eta: Sparse[str] = Sparse(self.capacity)
        self.expires: Sparse[str] = Sparse(self.capacity)
        self.extra: Sparse[Extra] = Sparse(self.capacity)
        self._oldest = 0, 0
        """Slot and row of the oldest task, when last looked for."""
        self.by_state: list[int] = [0] * len(State)
        self.changes = 0
        """Grows with every change; a slot's `stamp` is its value when the slot last changed."""
        self.life = bytearray(self.capacity)
        """How far a task has come of whose events none was unusual (`store/plain.py`), else 0."""

    def _reserve(self, name: str, code: str) -> None:
        # There is nothing to grow and copy.
        self._vectors[name] = untouched(self.capacity, code)
        setattr(self, name, self._vectors[name].data)

    def vector(self, name: str) -> npt.NDArray[Any]:
        """A column as numpy sees it, used slots only."""
        return self._vectors[name][: self.used]

    def rows_of(self, slots: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
        """The identities of slots' tasks; 0 for -1, which is no slot."""
        rows: npt.NDArray[np.int64] = self._vectors["row"][slots]
        rows[slots < 0] = 0
        return rows

    def __len__(self) -> int:
        return self.used - len(self.free)

    def add(self, id: str, at: float) -> int:
        """A fresh slot for a task that is new to us."""
        if self.used - len(self.free) >= self.max_tasks and self.make_room is not None:
            self.make_room()
        if self.free:
            slot = self.free.pop()
            self.id[slot] = id
        else:
            slot = self.used
            if slot >= self._blank:
                self._make_ready()
            self.used += 1
            self.id.append(id)
            self.args.append(None)
            self.kwargs.append(None)
            self.result.append(None)
            self.error.append(None)
            self.root_id.append(None)
            self.parent_id.append(None)
        self.slots.parts[hash(id) & MASK][id] = slot
        self.rows += 1
        self.row[slot] = self.rows
        self.first[slot] = self.since[slot] = at
        self.by_state[0] += 1
        self._headless.append(slot)
        if len(self._headless) >= AT_ONCE:
            self._write_heads()
        return slot

    def _make_ready(self) -> None:
        """The next slots get what stands where nothing is known; together, as numpy does it in no time."""
        start, self._blank = self.used, min(self.used + AT_ONCE, self.capacity)
        for name in UNKNOWN:
            self._vectors[name][start : self._blank] = UNKNOWN[name]

    def _write_heads(self) -> None:
        slots, self._headless = self._headless, []
        ids = "".join([self.id[slot][:8] for slot in slots])
        if len(ids) == 8 * len(slots) and ids.isascii():
            self._vectors["head"][slots] = np.frombuffer(ids.encode(), dtype=">u8")
            return
        for slot in slots:
            self.head[slot] = _head(self.id[slot], b"\x00")

    def blank(self, used: int) -> None:
        """Have so many slots in use, of which somebody writes the new ones whole now."""
        more, self.used, self._blank = used - self.used, used, used
        self.id.extend([""] * more)
        for texts in (self.args, self.kwargs, self.result, self.error, self.root_id, self.parent_id):
            texts.extend([None] * more)

    def let_go(self) -> None:
        """Give the memory back; nothing can be asked any more."""
        self.__dict__.clear()

    def remove(self, slots: npt.NDArray[np.intp]) -> None:
        """Forget tasks, each once; their slots are free for others."""
        if self.leaving is not None:
            self.leaving(slots)
        vectors = self._vectors
        vectors["row"][slots] = 0  # First: who reads from another thread must see that they are going.
        places, parts, ids, life = slots.tolist(), self.slots.parts, self.id, self.life
        for slot in places:
            own = ids[slot]
            parts[hash(own) & MASK].pop(own, None)
            ids[slot] = ""
            life[slot] = 0
        for texts in (self.args, self.kwargs, self.result, self.error, self.root_id, self.parent_id):
            for slot in places:
                texts[slot] = None
        for rare in (self.traceback, self.eta, self.expires, self.extra):
            rare.drop(slots)
        for state, count in enumerate(np.bincount(vectors["state"][slots]).tolist()):
            self.by_state[state] -= count
        for name in EMPTIED:
            vectors[name][slots] = UNKNOWN.get(name, 0)
        # The stamps first, as `touch` does.
        vectors["stamp"][slots] = np.arange(self.changes + 1, self.changes + 1 + len(places))
        self.changes += len(places)
        self.free += places

    def touch(self, slot: int) -> None:
        """Note that a slot changed."""
        # The stamp first: who reads in another thread takes all up to `changes` as looked at.
        self.stamp[slot] = self.changes + 1
        self.changes += 1
        self.life[slot] = 0

    def set_state(self, slot: int, state: int, since: float) -> None:
        """Move a task to a state, as an event says it."""
        old = self.state[slot]
        if self.told[slot]:
            self.tell(slot, "state", "event")
        if old != state:
            self.by_state[old] -= 1
            self.by_state[state] += 1
            self.state[slot] = state
        self.since[slot] = since

    def beginning(self, prefix: str, limit: int) -> list[str]:
        """Ids that begin with `prefix`, at most `limit`."""
        self._write_heads()
        least, most = _head(prefix, b"\x00"), _head(prefix, b"\xff")
        # one comparison for two: what lies below `least` wraps around
        near = (
            start + np.flatnonzero((heads - np.uint64(least)) <= np.uint64(most - least))
            for start, heads in self._blocks("head")
        )
        found = (self.id[slot] for slots in near for slot in slots.tolist() if self.row[slot])
        return list(islice((one for one in found if one.startswith(prefix)), limit))

    def oldest(self) -> float | None:
        """First sight of the task that came first, of those that are still here."""
        slot, row = self._oldest
        if not row or self.row[slot] != row:
            if not len(self):
                return None
            least = [
                (int(numbers[place]), start + int(place))
                for start, numbers in self._blocks("row")
                for place in [np.where(numbers == 0, self.rows + 1, numbers).argmin()]
                if numbers[place]
            ]
            row, slot = min(least)
            self._oldest = slot, row
        return self.first[slot]

    def came_before(self, slot: int, row: int) -> None:
        """A task of the history took its place, with a row number below those of the tasks that are here."""
        if row < self._oldest[1]:
            self._oldest = slot, row

    def _blocks(self, name: str) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """A column in blocks: fresh memory for one as large as the whole costs more than the search."""
        whole = self.vector(name)
        for start in range(0, len(whole), BLOCK):
            yield start, whole[start : start + BLOCK]

    def seal(self) -> Steps:
        """Join the texts of tasks that are over, in slices of a few milliseconds; once a second or so."""
        numbers = {name: self.vector(name) for name in ("stamp", "state", "row")}
        return self.sealed.steps(self.used, self.changes, numbers, self.id)

    def extras(self, slot: int) -> Extra:
        """The slot's rare things, made when there are none yet."""
        extra = self.extra.get(slot)
        if extra is None:
            extra = self.extra[slot] = Extra()
        return extra

    def group_of(self, slot: int) -> str | None:
        """The task's group, where it is known."""
        extra = self.extra.get(slot)
        return extra.group_id if extra is not None else None

    def tell(self, slot: int, field: str, source: str) -> None:
        """Note where a field came from."""
        place = TOLD[field]
        self.told[slot] = self.told[slot] & ~(7 << place) | TELLERS.index(source) << place

    def teller(self, slot: int, field: str) -> str:
        """Where a field came from, as far as noted; else the event stream."""
        place = self.told[slot] >> TOLD[field] & 7
        return TELLERS[place] if place < len(TELLERS) else "event"  # A damaged history tells any.


def _head(id: str, filler: bytes) -> int:
    return int.from_bytes(id[:8].encode("utf-8", "replace")[:8].ljust(8, filler), "big")
