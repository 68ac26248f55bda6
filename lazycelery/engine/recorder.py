"""Writes the history: a thread of its own, a batch every quarter of a second.

The engine's loop only hands over. Whatever the disk does, the monitor goes on: what could not be written
is tried again, and said.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lazycelery.model.event import Event
from lazycelery.model.history import HistoryStatus
from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history.files import Files, forget_strangers, put_aside
from lazycelery.store.history.lock import Lock
from lazycelery.store.history.taking import Changes
from lazycelery.store.history.writer import Newer, Numbers, Writer, seal

logger = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between two batches: what a crash may cost."""
PATIENCE = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Seconds before each new try after the disk refused."""
TAKE_OVER = 5.0
"""Seconds between two looks whether the other writer has gone."""
SWEEP_EVERY = 60.0
MOST_WAITING = 400_000
"""Events that wait for a disk; tasks need no room, as the store has them."""
JUMP = 3600.0
"""Seconds by which the clock may be moved before ages are not believed any more."""
NO_ROOM = "The disk is full"
NOT_WRITTEN = "History is not written: {reason}."


class Recorder:
    """Keeps a cluster's history while it runs. `hand_over` and `note` are for the engine's loop, and cost
    an append."""

    def __init__(
        self,
        columns: Columns,
        files: Files,
        redactor: Redactor,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._columns, self._files, self._redactor, self._clock = columns, files, redactor, clock
        self._changed = changed
        self.numbers = Numbers(columns)
        self.status = HistoryStatus(state="reading", directory=str(files.directory))
        self._changes = Changes(columns)
        self._lock = Lock(files.directory)
        self._batches: deque[Sequence[Event]] = deque()
        self._handed = self._done = 0
        """Events that came in, and that wait no more; each is counted by one thread alone."""
        self._rest: deque[tuple[str, Any]] = deque(maxlen=10_000)
        self._writer: Writer | None = None
        self._failures = 0
        self._next_try = 0.0
        self._next_sweep = 0.0
        self._offset = clock() - time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._unsealed = False
        self._sealer: threading.Thread | None = None
        self._along = False
        """Another one was writing."""

    # for the engine's loop

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def hand_over(self, events: Sequence[Event]) -> None:
        """Events that the store has taken in."""
        self._batches.append(events)
        self._handed += len(events)
        while self._handed - self._done > MOST_WAITING:
            try:
                lost = len(self._batches.popleft())
            except IndexError:
                break
            self._handed -= lost
            self.status.dropped += lost

    def note(self, statement: str, values: tuple[Any, ...]) -> None:
        """Something else to be written with the next batch."""
        self._rest.append((statement, values))

    def stop(self) -> None:
        """Write what is left and end; waits for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)
        if self._sealer is not None:  # Its last round may have begun one.
            self._sealer.join(10)

    # the thread

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self._round()
        self._round(last=True)
        if self._writer is not None:
            try:
                self._writer.close(self._clock())
            except (OSError, sqlite3.Error) as problem:
                logger.warning("history: %s", problem)
        self._lock.give_back()

    def _round(self, last: bool = False) -> None:
        """One batch. Nothing that goes wrong here may end the thread, or anything else."""
        now = time.monotonic()
        if now < self._next_try and not last:
            return
        try:
            if not self._may_write(now):
                return
            self._follow_the_day()
            self._write(now, last)
            if self._sealer is None or not self._sealer.is_alive():
                self._sweep(now)
                self._seal()
        except (OSError, sqlite3.Error, Newer) as problem:
            self._refused(problem, now)
        except Exception as fault:
            logger.exception("history")
            self._refused(fault, now)
        else:
            self._failures = 0
            self._tell("writing", "", "")

    def _may_write(self, now: float) -> bool:
        if self._lock.held and not self._files.directory.exists():
            self._lock.give_back()  # Somebody removed it: begin anew.
        if not self._lock.held:
            self._files.make_directory()
            if not self._lock.take():
                self._next_try = now + TAKE_OVER
                self._forget_waiting()
                self._changes.skip()  # The other one writes it.
                self._along, self.status.interrupted = True, False
                self._tell(
                    "reading",
                    f"Another monitor records the history ({self._lock.holder()}); this one reads along",
                    "It goes on with recording when the other one ends.",
                )
                return False
        return True

    def _forget_waiting(self) -> None:
        self._done += sum(map(len, self._waiting()))
        self._rest.clear()

    def _waiting(self) -> list[Sequence[Event]]:
        """Takes what was handed over; the loop may do so too, where there is too much."""
        batches: list[Sequence[Event]] = []
        with contextlib.suppress(IndexError):
            while True:
                batches.append(self._batches.popleft())
        return batches

    def _follow_the_day(self) -> None:
        """Open the file of today, and the next one when it is time."""
        present = self._writer.path if self._writer else None
        path = self._files.current(self._clock(), present)
        if self._writer is not None and (path == present and path.exists()):
            return
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            if path == present:
                self.numbers.file = ""  # It was removed: nothing is in it any more.
        self._writer = self._open(path)
        self._unsealed, self._next_sweep = True, 0.0
        if self._along:
            self._along = False
            self._writer.adopt()

    def _open(self, path: Path) -> Writer:
        try:
            writer = Writer(path, self._columns, self.numbers, self._redactor)
        except sqlite3.DatabaseError as problem:
            if not _is_damage(problem):
                raise
            put_aside(path, self._clock())
            writer = Writer(path, self._columns, self.numbers, self._redactor)
        writer.begin_run(self._clock())
        return writer

    def _write(self, now: float, last: bool) -> None:
        assert self._writer is not None
        batches = self._waiting()
        rest: list[tuple[str, Any]] = []
        while self._rest:
            rest.append(self._rest.popleft())
        # The events first, then what they made of the tasks: never a task older than its events.
        slots = self._changes.due(now, all=last)
        if not batches and not rest and not len(slots):
            return
        began = self._clock()
        try:
            self._writer.write(slots, [event for batch in batches for event in batch], rest)
        except BaseException:
            self._changes.put_back(slots)
            self._batches.extendleft(reversed(batches))
            self._rest.extendleft(reversed(rest))
            raise
        self._done += sum(map(len, batches))
        self.status.written, self.status.behind = began, max(0, self._handed - self._done)

    def _sweep(self, now: float) -> None:
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_EVERY
        # After a jump of the clock nobody knows how old a file is.
        believed = abs(self._clock() - time.monotonic() - self._offset) < JUMP
        for path in self._files.sweep(self._clock(), by_age=believed):
            logger.info("history: removed %s", path.name)
        if believed:
            forget_strangers(self._files.directory.parent, self._files.days, self._clock())

    def _seal(self) -> None:
        """Files that are finished get their index, in a thread: on a large one it takes seconds, and
        nothing may wait for it. Only what the sweep has left, and no sweep meanwhile."""
        if self._unsealed and self._writer is not None:
            self._unsealed = False
            finished = [each for each in self._files.all() if each != self._writer.path]
            self._sealer = threading.Thread(target=_seal, args=(finished,), name="history-seal", daemon=True)
            self._sealer.start()

    def _refused(self, problem: Exception, now: float) -> None:
        self._next_try = now + PATIENCE[min(self._failures, len(PATIENCE) - 1)]
        self._failures += 1
        reason = _reason(problem)
        if self._failures == 1:
            logger.warning("history: %s", problem)
        if self._writer is not None and not isinstance(problem, Newer):
            writer, self._writer = self._writer, None
            with contextlib.suppress(OSError, sqlite3.Error):
                writer.close()
            if _is_damage(problem):
                with contextlib.suppress(OSError):  # Where nothing can be renamed, the next try tells.
                    put_aside(writer.path, self._clock())
                self.numbers.file = ""
        self._tell(
            "broken",
            NOT_WRITTEN.format(reason=reason[:1].lower() + reason[1:]),
            f"Its place is {self._files.directory}. It goes on by itself once that can be written. "
            "history_dir chooses another place, history = false does without.",
        )

    def _tell(self, state: Any, reason: str, hint: str) -> None:
        status = self.status
        if (status.state, status.reason) != (state, reason):
            status.state, status.reason, status.hint = state, reason, hint
            self._changed()


def _seal(paths: list[Path]) -> None:
    for path in paths:
        try:
            seal(path)
        except (OSError, sqlite3.Error) as problem:
            logger.warning("history: %s: %s", path.name, problem)


def _is_damage(problem: Exception) -> bool:
    """Whether the file is no (whole) database: it is put aside then, and never written over."""
    return isinstance(problem, sqlite3.DatabaseError) and not isinstance(
        problem, (sqlite3.OperationalError, sqlite3.IntegrityError)
    )


def _reason(problem: Exception) -> str:
    """Why, in words."""
    if isinstance(problem, Newer):
        return f"{problem} was written by a later version of lazycelery"
    if isinstance(problem, OSError):
        full = problem.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)
        return NO_ROOM if full else f"{problem.strerror or problem}".rstrip(".")
    text = str(problem)
    if "full" in text or "disk I/O" in text:
        return NO_ROOM if "full" in text else "The disk refuses (full, or broken)"
    if "readonly" in text or "unable to open" in text:
        return "The directory is read-only"
    return text.rstrip(".") or type(problem).__name__
