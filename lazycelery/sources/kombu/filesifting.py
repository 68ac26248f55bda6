"""Looking through a folder's queue, and moving or removing some of its messages.

A message is moved by renaming its file, in one step: it is always in one of the two queues.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import GONE, Looked, Pick, Save, Settled, Shifted

if sys.platform != "win32":
    import fcntl
else:
    fcntl = None

WRITING = 2.0
"""Seconds in which a file is filled by its sender."""
PAGE = 100
"""Messages read at once."""
MOST_BYTES = 256 * 1024 * 1024
"""Bytes of messages that one pass looks through."""
Picked = tuple[str, StoredMessage, str]
"""File, message, and where it goes."""


def in_front() -> Iterator[str]:
    """Beginnings of file names that sort before all others, in order; those of a later call before these.

    Kombu writes milliseconds without a leading zero.
    """
    begin = f"0{10**15 - time.time_ns() // 1_000_000:016d}"
    number = 0
    while True:
        yield f"{begin}{number:06d}"
        number += 1


def whole(path: Path) -> bytes:
    """The content of a message's file, which its sender makes first and then fills, under a lock. Raises
    `FileNotFoundError`."""
    deadline = time.monotonic() + WRITING
    with path.open("rb") as file:
        while not (unlocked(file.fileno()) and (data := file.read())):
            old = time.time() - os.fstat(file.fileno()).st_mtime > WRITING
            if old or time.monotonic() > deadline:
                return file.read()
            file.seek(0)
            time.sleep(0.01)
        return data


def unlocked(descriptor: int) -> bool:
    """Whether nobody holds a file locked to write it, as far as the platform tells."""
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # A file system without locks.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


class FileSift:
    """One pass over one queue; its steps run in the thread, the picking does not."""

    def __init__(self, folder: Path, queue: str, most: int) -> None:
        self._folder, self._queue, self._most = folder, queue, most
        self._bytes = MOST_BYTES
        self.told = Shifted(total=0, looked=0)

    def read(self, files: Sequence[str], start: int) -> list[tuple[str, StoredMessage]]:
        """A page: file and message; what workers have taken meanwhile is left out."""
        found = []
        for position, name in enumerate(files, start):
            try:
                raw = whole(self._folder / name)
            except FileNotFoundError:
                continue
            self._bytes -= len(raw)
            message = StoredMessage(queue=self._queue, priority=0, raw=raw, position=position)
            found.append((name, message))
        self.told.looked += len(found)
        return found

    def pages(self, files: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
        """Pages of files, up to the bounds."""
        self.told.total = len(files)
        if len(files) > self._most:
            self.told.cut = "that is as many as one pass looks at"
        for start in range(0, min(len(files), self._most), PAGE):
            if self._bytes <= 0:
                self.told.cut = "that is as much as one pass looks at"
                return
            yield start, files[start : min(start + PAGE, self._most)]

    def carry(self, picked: Sequence[Picked], stamps: Iterator[str], save: Save, settled: Settled) -> None:
        """Save, and then move or remove; in the thread."""
        if not picked:
            return
        save([message for _, message, _ in picked])
        settled([self._carry_one(name, target, stamps) for name, _, target in picked])

    def _carry_one(self, name: str, target: str, stamps: Iterator[str]) -> bool:
        try:
            if target == GONE:
                (self._folder / name).unlink()
            else:
                unique = name.partition("_")[2].partition(".")[0]
                (self._folder / name).rename(self._folder / f"{next(stamps)}_{unique}.{target}.msg")
        except FileNotFoundError:
            self.told.missed += 1
            return False
        self.told.done[target] = self.told.done.get(target, 0) + 1
        return True

    def looked(self) -> Looked:
        """How far it came."""
        return Looked(total=self.told.total, looked=self.told.looked, cut=self.told.cut)


def picked_of(page: Sequence[tuple[str, StoredMessage]], pick: Pick) -> list[Picked]:
    """What of a page goes somewhere."""
    found = []
    for name, message in page:
        target = pick(message)
        if target is not None:
            found.append((name, message, target))
    return found
