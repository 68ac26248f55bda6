"""What waits to be written to the history, while the disk or the database is slow or away: bounded in number
and in memory, whatever is in it. The oldest goes first, and is counted.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lazycelery.store.history.storage import Hour, Note
from lazycelery.store.history.taking import FAILED, Copied
from lazycelery.store.told import BATCH, Told, joined, weight

MOST_EVENTS = 400_000
MOST_BYTES = 64 << 20
"""Of events. Plain ones take 56 bytes each once they are packed, so that as many as may wait fit in."""
LOOSE = 20_000
"""Events that wait as they came; what comes then is put together and packed at once."""
LOOSE_BYTES = 16 << 20
"""The same for their long texts, where events wait with them."""
PORTION = 1_000
"""Events that are packed together: a batch takes hundreds of bytes beside its events, and may be of one."""
PORTION_BYTES = 1 << 20
MOST_TASKS = 100_000
MOST_TASK_BYTES = 32 << 20
"""Of tasks that left the store unwritten: of those that failed, and of the others too."""
MOST_NOTES = 10_000
MOST_NOTE_BYTES = 16 << 20
T = TypeVar("T")


@dataclass(slots=True)
class Entry(Generic[T]):
    """Something that waits."""

    item: T
    count: int
    """Events in it."""
    size: int
    """Bytes, about."""
    turn: int = 0
    """The order in which entries of two queues came."""


class Waiting(Generic[T]):
    """A queue from the engine's loop to a thread, without a lock. The loop puts in, and lets the oldest go
    where there is too much; the thread takes out, and what it has taken counts until it is `done`."""

    def __init__(self, most: int, most_bytes: int, missed: Callable[[T], bool] = lambda _: True) -> None:
        """`missed` tells whether one that has to go is lost: another one may say the same."""
        self._most, self._most_bytes, self._missed = most, most_bytes, missed
        self._entries: deque[Entry[T]] = deque()
        self._came = self._bytes_came = 0
        """Changed by the loop alone."""
        self._went = self._bytes_went = 0
        """Changed by the thread alone."""

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def count(self) -> int:
        """How many wait, with those that are being written."""
        return self._came - self._went

    @property
    def size(self) -> int:
        """Bytes that they take, about."""
        return self._bytes_came - self._bytes_went

    @property
    def items(self) -> list[T]:
        """Those that nobody has taken, the oldest first."""
        return [entry.item for entry in self._entries.copy()]

    # for the loop

    def put(self, item: T, count: int, size: int, turn: int = 0) -> int:
        """Another one. Returns how many were lost for it."""
        self._came += count  # First: the thread may have taken and written it at once.
        self._bytes_came += size
        self._entries.append(Entry(item, count, size, turn))
        lost = 0
        while self.count > self._most or self.size > self._most_bytes:
            try:
                entry = self._entries.popleft()
            except IndexError:
                break
            self._came -= entry.count
            self._bytes_came -= entry.size
            lost += entry.count if self._missed(entry.item) else 0
        return lost

    def take_back(self, item: T) -> Entry[T] | None:
        """The last one, where it is this one and nobody has taken it."""
        try:
            entry = self._entries.pop()
        except IndexError:
            return None
        if entry.item is not item:
            self._entries.append(entry)
            return None
        self._came -= entry.count
        self._bytes_came -= entry.size
        return entry

    # for the thread

    def take(self, most: int, until: int | None = None) -> list[Entry[T]]:
        """The oldest, until they are so many, and of no later turn than `until`; the loop may take some too,
        where there is too much."""
        taken: list[Entry[T]] = []
        count = 0
        with contextlib.suppress(IndexError):
            while count < most:
                entry = self._entries.popleft()
                if until is not None and entry.turn > until:
                    self._entries.appendleft(entry)
                    break
                taken.append(entry)
                count += entry.count
        return taken

    def put_back(self, taken: Sequence[Entry[T]]) -> None:
        """They could not be written, and are the oldest again."""
        self._entries.extendleft(reversed(taken))

    def done(self, taken: Sequence[Entry[T]]) -> None:
        """They are written, or not wanted any more."""
        self._went += sum(entry.count for entry in taken)
        self._bytes_went += sum(entry.size for entry in taken)

    def forget(self) -> list[T]:
        """All of them; returns what they were."""
        forgotten: list[T] = []
        while taken := self.take(PORTION):
            self.done(taken)
            forgotten += [entry.item for entry in taken]
        return forgotten


class Backlog:
    """Events, notes, and tasks that have left the store. `pack` puts a batch into less room, as the medium
    will write it."""

    def __init__(self, pack: Callable[[Told], Told]) -> None:
        self._pack = pack
        self.events: Waiting[Told] = Waiting(MOST_EVENTS, MOST_BYTES)
        self.notes: Waiting[Note] = Waiting(MOST_NOTES, MOST_NOTE_BYTES, self._missed)
        self.failed: Waiting[Copied] = Waiting(MOST_TASKS, MOST_TASK_BYTES)
        self.left: Waiting[Copied] = Waiting(MOST_TASKS, MOST_TASK_BYTES)
        """The other tasks: however many succeed, no failure has to go for them."""
        self._turn = 0
        """Of the last tasks that left; whatever left until then is in its queue."""
        self._hours: dict[tuple[object, ...], int] = {}
        """The last note of each hour, by its address: an older one of the same is no loss."""
        self._open: Told | None = None
        """The last batch, where more is to be put to it."""

    def put(self, told: Told) -> int:
        """Another batch, from the loop. Returns how many events were lost for it. Costs an append while what
        waits is written soon."""
        size, waiting = weight(told), self.events
        if waiting.count > LOOSE or waiting.size + size > LOOSE_BYTES:
            told, size = self._packed(told, size)
        return waiting.put(told, len(told.rows), size)

    def note(self, note: Note) -> int:
        """Another note, from the loop. Returns how many were lost for it."""
        if isinstance(note, Hour):
            if len(self._hours) > 2 * MOST_NOTES:
                self._hours = {one[:3]: id(one) for one in self.notes.items if isinstance(one, Hour)}
            self._hours[note[:3]] = id(note)
        return self.notes.put(note, 1, sum(map(sys.getsizeof, note)))

    def leave(self, told: Copied) -> int:
        """Tasks that leave the store, of one kind, from the loop. Returns how many were lost for them."""
        waiting = self.failed if FAILED[int(told.states[0])] else self.left
        turn = self._turn + 1
        lost = waiting.put(told, len(told.ids), told.size, turn)
        self._turn = turn  # Last: the thread takes nothing of a turn that is not known.
        return lost

    def take_tasks(self, most: int) -> list[Entry[Copied]]:
        """So many tasks that have left, as they left: one may have come again and left once more, and its
        newest row tells. That failures are dear decides only what goes where there is no room."""
        until, count, taken = self._turn, 0, list[Entry[Copied]]()
        waiting = [*self.failed.take(most, until), *self.left.take(most, until)]
        waiting.sort(key=lambda entry: entry.turn)
        for place, entry in enumerate(waiting):
            if count >= most:
                self.put_back_tasks(waiting[place:])
                break
            taken.append(entry)
            count += entry.count
        return taken

    def put_back_tasks(self, taken: Sequence[Entry[Copied]]) -> None:
        """They could not be written."""
        for waiting, own in self._split(taken):
            waiting.put_back(own)

    def tasks_done(self, taken: Sequence[Entry[Copied]]) -> None:
        """They are written."""
        for waiting, own in self._split(taken):
            waiting.done(own)

    def _split(self, taken: Sequence[Entry[Copied]]) -> list[tuple[Waiting[Copied], list[Entry[Copied]]]]:
        failed = [FAILED[int(entry.item.states[0])] for entry in taken]
        return [
            (self.failed, [one for one, bad in zip(taken, failed, strict=True) if bad]),
            (self.left, [one for one, bad in zip(taken, failed, strict=True) if not bad]),
        ]

    def _missed(self, note: Note) -> bool:
        """Whether nothing later says the same. Addresses tell it: the older one is still here."""
        return not isinstance(note, Hour) or self._hours.get(note[:3], id(note)) == id(note)

    def forget(self) -> list[Note]:
        """Somebody else writes all of it. Returns the notes."""
        for waiting in (self.events, self.failed, self.left):
            waiting.forget()
        return self.notes.forget()

    def _packed(self, told: Told, size: int) -> tuple[Told, int]:
        """The batch with the small ones before it, packed once they are enough."""
        before = self.events.take_back(self._open) if self._open is not None else None
        if before is not None:
            told, size = joined(before.item, told), before.size + size - BATCH
        if len(told.rows) < PORTION and size < PORTION_BYTES:
            self._open = told
            return told, size
        self._open, told = None, self._pack(told)
        return told, weight(told)
