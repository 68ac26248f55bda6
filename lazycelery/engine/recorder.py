"""Writes the history: a thread of its own, a batch every quarter of a second.

The engine's loop only hands over. Whatever the disk or the database does, the monitor goes on: what could
not be written waits in a `Backlog`, is tried again, and said. Tasks need no room while the store has them;
those that leave it before they were written wait there too.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from lazycelery.engine.backlog import Backlog
from lazycelery.engine.steadiness import Ages
from lazycelery.model.event import Event
from lazycelery.model.history import HistoryStatus
from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history.storage import Dropped, Note, Recording, Storage
from lazycelery.store.history.taking import Changes, Slots
from lazycelery.store.told import Told

logger = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between two batches: what a crash may cost."""
PATIENCE = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before each new try after the disk refused."""
TAKE_OVER = 5.0
"""Seconds between two looks whether the other writer has gone."""
SWEEP_EVERY = 60.0
SLOW = 15.0
"""Seconds that a batch may take; then what does not answer is given up, and tried again. A database is told
to give up before (`address.LONGEST`)."""
BACKLOG = 100_000
"""Events that wait: from here on tasks are written without their long texts, which follow later."""
LEAN_AFTER = 3.0
"""Seconds that a batch took, after which the next one is without long texts too."""
EVENTS_AT_ONCE = 20_000
TASKS_AT_ONCE = 10_000
"""Of a batch, about: after a pause there is more to write than should be one."""
AT_THE_END = 7.0
"""Seconds for what is left when the monitor ends."""
NOT_WRITTEN = "History is not written: {reason}."


class Recorder:
    """Keeps a cluster's history while it runs. `hand_over` and `note` are for the engine's loop, and cost
    an append."""

    def __init__(
        self,
        columns: Columns,
        storage: Storage,
        redactor: Redactor,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._storage, self._clock, self._changed = storage, clock, changed
        self.redactor = redactor
        self.recording: Recording = storage.recording(columns, redactor, clock)
        self.status = HistoryStatus(state="reading", directory=storage.place)
        self._changes = Changes(columns)
        self.backlog = Backlog(self.recording.packed)
        columns.leaving = self.leaving
        self.along = False
        """Another one records."""
        self._failures = 0
        self._next_try = 0.0
        self._next_sweep = 0.0
        self._busy_since: float | None = None
        self._slow = False
        """The last batch took long."""
        self._more = False
        """More waits than the last batch took."""
        self._until = 0.0
        self._ages = Ages(self.recording.now, note=storage.clock_note)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # for the engine's loop

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def hand_over(self, told: Told) -> None:
        """A batch of events that the store has taken in."""
        if not len(told.rows):
            return  # Heartbeats alone: nothing of them is an event of the history.
        # What is not written need not wait with it.
        told = told._replace(signs=(), refused=(), events=self._wanted(told))
        self.status.dropped += self.backlog.put(told)

    def _wanted(self, told: Told) -> Sequence[Event]:
        """The events themselves, where they are needed: those that the store took."""
        if not self.recording.wants_events:
            return ()
        if not told.refused:
            return told.events
        refused = set(map(id, told.refused))
        return [event for event in told.events if id(event) not in refused]

    def leaving(self, slots: Slots) -> None:
        """These tasks are about to leave the full store."""
        slots = self._changes.unwritten(slots)
        if len(slots):
            self.status.dropped_tasks += self.backlog.leave(self.recording.copied(slots))

    def note(self, note: Note) -> None:
        """Something else to be written with the next batch."""
        self.status.dropped_notes += self.backlog.note(note)

    def watch(self) -> None:
        """Once a second: what has not answered for too long is let go."""
        since = self._busy_since
        if since is not None and time.monotonic() - since > SLOW:
            self.recording.abort()

    def stop(self) -> None:
        """Write what is left and end; waits for the thread."""
        self._until = time.monotonic() + AT_THE_END
        self._stop.set()
        if self._thread is not None:
            self._thread.join(AT_THE_END)
            if self._thread.is_alive():
                self.recording.abort()
                self._thread.join(3)

    # the thread

    def _run(self) -> None:
        while not self._stop.wait(0.0 if self._more else EVERY):
            self._round()
        self._round(last=True)
        while self._more and time.monotonic() < self._until:
            self._round(last=True)
        self.recording.close(self._clock())

    def _round(self, last: bool = False) -> None:
        """One batch. Nothing that goes wrong here may end the thread, or anything else."""
        now = time.monotonic()
        if now < self._next_try and not last:
            return
        self._busy_since, self._more = now, False
        try:
            if not self._may_write(now):
                return
            self._write(now, last)
            self._sweep(now)
        except Exception as problem:
            self._refused(problem, now)
        else:
            self._failures = 0
            self._tell("writing", "", "")
        finally:
            self._busy_since = None

    def _may_write(self, now: float) -> bool:
        other = self.recording.ready()
        self.along = bool(other)
        if other:
            self._next_try = now + TAKE_OVER
            self.recording.passed_over(self.backlog.forget())
            self._changes.skip()  # The other one writes it.
            self.status.interrupted = False
            self._tell(
                "reading",
                f"Another monitor records the history ({other}); this one reads along",
                "It goes on with recording when the other one ends.",
            )
        return not other

    def _write(self, now: float, last: bool) -> None:
        waiting, notes = self.backlog.events, self.backlog.notes
        batches, rest = waiting.take(EVENTS_AT_ONCE), notes.take(EVENTS_AT_ONCE)
        # The events first, then what they made of the tasks: never a task older than its events.
        lean = not last and (self._slow or waiting.count > BACKLOG)
        if not lean and self.status.lean and not waiting:
            self._changes.fill_in(TASKS_AT_ONCE)
        slots = self._changes.due(now, all=last)
        newest = self._changes.newest
        left = self.backlog.take_tasks(TASKS_AT_ONCE)
        # Who has left may have come again: never an older row after a newer one.
        most = 0 if self.backlog.failed or self.backlog.left else TASKS_AT_ONCE
        if len(slots) > most:
            self._changes.put_back(slots[most:])
            slots, self._more = slots[:most], True
        if not batches and not rest and not len(slots) and not left:
            self._slow = False
            return
        began = self._clock()
        try:
            told, said = [each.item for each in batches], [each.item for each in rest]
            dropped = Dropped(self.status.dropped, self.status.dropped_notes, self.status.dropped_tasks)
            gone = [each.item for each in left]
            left_out = self.recording.write(slots, told, said, lean, dropped, gone, newest)
        except BaseException:
            self._more = False
            self._changes.put_back(slots)
            self.backlog.put_back_tasks(left)
            waiting.put_back(batches)
            notes.put_back(rest)
            raise
        self._slow = time.monotonic() - now > LEAN_AFTER
        self.status.lean = self._changes.written(slots, left_out)
        self._more = self._more or bool(waiting) or not most or (last and bool(self.status.lean))
        waiting.done(batches)
        notes.done(rest)
        self.backlog.tasks_done(left)
        self.status.written, self.status.behind = began, waiting.count

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep and not self.recording.fresh:
            return
        # At the start, and after a jump of the clock, nobody knows how old anything is.
        if self.recording.upkeep(self._ages.believed()):
            self._next_sweep = now + SWEEP_EVERY
        if self.status.put_off != self.recording.put_off:
            self.status.put_off = self.recording.put_off
            self._changed()

    def _refused(self, problem: Exception, now: float) -> None:
        self._next_try = now + PATIENCE[min(self._failures, len(PATIENCE) - 1)]
        self._failures += 1
        reason = self.recording.refused(problem)
        if reason is None:
            logger.error("history", exc_info=problem)
            reason = str(problem).rstrip(".") or type(problem).__name__
        elif self._failures == 1:
            logger.warning("history: %s", problem)
        self._tell(
            "broken",
            NOT_WRITTEN.format(reason=reason[:1].lower() + reason[1:]),
            f"Its place is {self._storage.place}. It goes on by itself once that can be written. "
            f"{self._storage.advice}",
        )

    def _tell(self, state: Any, reason: str, hint: str) -> None:
        status = self.status
        if (status.state, status.reason) != (state, reason):
            status.state, status.reason, status.hint = state, reason, hint
            self._changed()
