"""The history of one machine: SQLite files, one a day, written by one process at a time."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history import reader
from lazycelery.store.history.damage import is_damage
from lazycelery.store.history.files import CLOCK, Files, put_aside, was_put_aside
from lazycelery.store.history.lock import Lock
from lazycelery.store.history.marking import FileMarks
from lazycelery.store.history.numbers import Numbers
from lazycelery.store.history.overlap import SPAN
from lazycelery.store.history.standing import Standing, follow
from lazycelery.store.history.storage import (
    NOTHING,
    Dropped,
    FindingBegan,
    FindingEnded,
    Newer,
    Note,
    Part,
    Sample,
)
from lazycelery.store.history.strangers import forget_strangers, tell_retention
from lazycelery.store.history.taking import NEWEST, Copied, Slots, snapshot
from lazycelery.store.history.writer import BEGAN, UNKNOWN, Run, Writer, seal
from lazycelery.store.told import Told

logger = logging.getLogger(__name__)

NO_ROOM = "The disk is full"
SAMPLE = "INSERT INTO samples (at, queues, workers) VALUES (?, ?, ?)"
ENDED = "UPDATE findings SET ended = ? WHERE code = ? AND subject = ? AND ended IS NULL"
HOUR = "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?, ?, ?, ?)"


class Local:
    """The `Storage` of a directory."""

    medium = "disk"
    cells_a_second = 200

    def __init__(self, files: Files) -> None:
        self.files = files
        self._damaged: set[Path] = set()
        """Files that somebody found to be damaged, from any thread: who records puts them aside."""

    @property
    def place(self) -> str:
        """The directory."""
        return str(self.files.directory)

    @property
    def advice(self) -> str:
        """What helps."""
        return "history_dir in the profile chooses another place, history = false does without."

    @property
    def clock_note(self) -> Path:
        """A file beside them."""
        return self.files.directory / CLOCK

    def opened(self, unread: list[str], until: str = "") -> Generator[Part, None, None]:
        """The files, newest first."""
        if hidden := self.files.hidden():
            unread.append(hidden)
        yield from reader.opened(self.files.readable(), unread, until, self._damaged.add)

    def hindered(self) -> str:
        """A directory that is not for us to write."""
        directory = self.files.directory
        nearest = next((each for each in (directory, *directory.parents) if each.exists()), directory)
        return "" if os.access(nearest, os.W_OK | os.X_OK) else f"{nearest} cannot be written"

    def close(self) -> None:
        """A disk that hangs cannot be hurried."""

    def marks(self) -> FileMarks:
        """A file beside them."""
        return FileMarks(self.files.directory)

    def dealt(self) -> None:
        """Each person has a file of their own."""

    def recording(self, columns: Columns, redactor: Redactor, clock: Callable[[], float]) -> LocalRecording:
        """To write it."""
        return LocalRecording(self.files, columns, redactor, clock, self._damaged)


class LocalRecording:
    """The `Recording` of a directory."""

    wants_events = False

    def __init__(
        self,
        files: Files,
        columns: Columns,
        redactor: Redactor,
        clock: Callable[[], float],
        damaged: set[Path],
    ) -> None:
        self._files, self._columns, self._redactor, self._clock = files, columns, redactor, clock
        self._damaged = damaged
        self.numbers = Numbers(columns)
        self._standing: Standing = {}
        self._run: Run | None = None
        """Of the file that is written, also while it is closed after the disk refused."""
        self.writer: Writer | None = None
        self._lock = Lock(files.directory, looked_at=True)
        self._unsealed = False
        self._sealer: threading.Thread | None = None
        self._along = False
        """Another one was writing, whose rows and events are to be gone on with."""
        self._adopted = ""
        """The file of which these rows are known."""
        self.put_off = ""

    def packed(self, told: Told) -> Told:
        """It is as small as can be: without its events."""
        return told

    def copied(self, slots: Slots) -> Copied:
        """As they are."""
        return snapshot(self._columns, slots, UNKNOWN)

    def ready(self) -> str:
        """The lock, and the file of today."""
        if self._lock.held and not self._lock.stands():
            self._begin_anew()
        if not self._lock.held:
            self._files.make_directory()
            if not self._lock.take():
                self._along = True
                return self._lock.holder()
        self._put_damaged_aside()
        self._follow_the_day()
        return ""

    def _put_damaged_aside(self) -> None:
        """What was found while it was read or indexed. What cannot be renamed stays, and is found again."""
        while self._damaged:
            path = self._damaged.pop()
            if was_put_aside(path) or not path.exists():
                continue
            try:
                put_aside(path, self._clock())
            except OSError as problem:
                logger.warning("history: %s", problem)
                continue
            logger.warning("history: %s is damaged, and was put aside", path.name)
            if self.writer is not None and self.writer.path == path:
                self._leave()

    def _void(self) -> None:
        """What is known of the rows is of none any more."""
        self.numbers.void()
        self._adopted = ""

    def _leave(self) -> None:
        """Close the file that was written to; nothing is numbered any more."""
        writer, self.writer = self.writer, None
        self._void()
        if writer is not None:
            with contextlib.suppress(OSError, sqlite3.Error):
                writer.close()

    def _begin_anew(self) -> None:
        """Somebody removed the directory, or the lock in it; another one may write there by now."""
        self._lock.give_back()
        self._along = True
        self._run = None
        self._leave()

    def _follow_the_day(self) -> None:
        """Open the file of today, and the next one when it is time."""
        present = self.writer.path if self.writer else None
        path = self._files.current(self._clock(), present)
        if self.writer is not None and (path == present and path.exists()):
            return
        if self.writer is not None:
            writer, self.writer = self.writer, None
            try:
                writer.close(self._clock())
            except (OSError, sqlite3.Error) as problem:  # Nothing that was to be written is lost by it.
                logger.warning("history: %s: %s", writer.path.name, problem)
            if path == present:
                self._void()  # It was removed: nothing is in it any more.
        self.writer = self._open(path)
        self._unsealed = True
        if self._along or (present is None and self._clock() < self.writer.sight + SPAN):
            # The one before may have written on while we began, and what we have heard since.
            self._along = True  # Until that is done and written: a writer that is refused goes.
            self.writer.skip_written(self._clock())
            if self._adopted != path.name:
                self.writer.adopt()
                self._adopted = path.name

    def _open(self, path: Path) -> Writer:
        try:
            return self._begun(path)
        except sqlite3.DatabaseError as problem:
            if not is_damage(problem):
                raise
            put_aside(path, self._clock())
            return self._begun(self._files.current(self._clock()))

    def _begun(self, path: Path) -> Writer:
        writer = Writer(path, self._columns, self.numbers, self._redactor)
        try:
            writer.begin_run(self._clock(), self._run, self._standing.values())
        except BaseException:
            writer.close()
            raise
        self._run = writer.run
        return writer

    def write(
        self,
        slots: Slots,
        told: Sequence[Told],
        notes: Sequence[Note],
        lean: bool = False,
        dropped: Dropped = NOTHING,
        left: Sequence[Copied] = (),
        newest: int = NEWEST,
    ) -> bool:
        """Into the file of today."""
        assert self.writer is not None
        self.writer.write(slots, told, list(chain.from_iterable(map(_statements, notes))), left, newest)
        self._along = self._along and self.writer.overlaps
        follow(self._standing, notes)
        return False

    def passed_over(self, notes: Sequence[Note]) -> None:
        """What stands is begun when we write."""
        follow(self._standing, notes)

    def abort(self) -> None:
        """A disk that hangs cannot be hurried."""

    def known(self, part: str, slots: Any, numbers: Any, rows: Any) -> None:
        """Only of the file that is written on."""
        self.numbers.learn(part, slots, numbers, rows)

    def now(self) -> float:
        """This machine's clock."""
        return self._clock()

    def upkeep(self, by_age: bool) -> bool:
        """Delete files, and index what is finished."""
        if self._sealer is not None and self._sealer.is_alive():
            return False  # Nothing may be deleted meanwhile.
        tell_retention(self._files.directory, self._files.days)
        swept = self._files.sweep(self._clock(), by_age=by_age)
        for path in swept.removed:
            logger.info("history: removed %s", path.name)
        self.put_off = "" if swept.refused is None else f"remove old days: {_begun(_reason(swept.refused))}"
        if by_age:
            for directory in forget_strangers(self._files.directory, self._clock()):
                logger.info("history: removed %s, which nobody watches any more", directory.name)
        self._seal()
        return True

    @property
    def fresh(self) -> bool:
        """Whether another file was begun, so that the one before is due for upkeep."""
        return self._unsealed

    def _seal(self) -> None:
        """Files that are finished get their index, in a thread: on a large one it takes seconds, and
        nothing may wait for it."""
        if self._unsealed and self.writer is not None:
            self._unsealed = False
            finished = [each for each in self._files.all() if each != self.writer.path]
            told = finished, self._clock(), self._damaged.add
            self._sealer = threading.Thread(target=_seal, args=told, name="history-seal", daemon=True)
            self._sealer.start()

    def refused(self, problem: Exception) -> str | None:
        """Close the file; one that is damaged is put aside."""
        if self.writer is not None and not isinstance(problem, Newer):
            writer, self.writer = self.writer, None
            with contextlib.suppress(OSError, sqlite3.Error):
                writer.close()
            if is_damage(problem):
                with contextlib.suppress(OSError):  # Where nothing can be renamed, the next try tells.
                    put_aside(writer.path, self._clock())
                self._void()
        return _reason(problem) if isinstance(problem, (OSError, sqlite3.Error, Newer)) else None

    def close(self, now: float) -> None:
        """Close the file, and let another one write."""
        try:
            if self.writer is not None:
                self.writer.close(now)
        except (OSError, sqlite3.Error) as problem:
            logger.warning("history: %s", problem)
        if self._sealer is not None:  # The last round may have begun one.
            self._sealer.join(10)
        self._lock.give_back()


def _statements(note: Note) -> list[tuple[str, Any]]:
    if isinstance(note, FindingBegan):
        # The end of the one before may have been lost.
        return [(ENDED, (note.began, note.code, note.subject)), (BEGAN, note)]
    statement = SAMPLE if isinstance(note, Sample) else ENDED if isinstance(note, FindingEnded) else HOUR
    return [(statement, note)]


def _seal(paths: list[Path], now: float, noticed: Callable[[Path], object]) -> None:
    for path in paths:
        try:
            seal(path, now)
        except (OSError, sqlite3.Error) as problem:
            if is_damage(problem):
                noticed(path)
            logger.warning("history: %s: %s", path.name, problem)


def _begun(text: str) -> str:
    return text[:1].lower() + text[1:]


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
