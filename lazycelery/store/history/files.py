"""Where a cluster's history is, and which of its files go when it gets old or large.

Files are named by their day in UTC and a part: `2026-11-25-000.sqlite3`. What is old is deleted with its
file, which costs nothing. No file that sorts before the newest is ever begun, whatever the clock says: what
is written while the newest one's day is still to come goes into a next part of it, whose name tells its
own day: `2036-01-01-001-of-2026-11-25.sqlite3`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import stat
import time
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

SUFFIX = ".sqlite3"
COMPANIONS = ("", "-wal", "-shm", "-journal")
DAY = 86_400.0
PARTS = 8
"""A file that holds this share of all permitted bytes is followed by another part."""
LEAST_PART = GROWS = 1 << 20
_DAY = r"(\d{4}-\d{2}-\d{2})"
_NAME = re.compile(_DAY + r"-(\d{3,})(?:-of-" + _DAY + r")?\.sqlite3")
_OWN = re.compile(_NAME.pattern + r"(?:\.damaged-\d+)?(?:-wal|-shm|-journal)?")
_NAME_OR_ASIDE = re.compile(_NAME.pattern + r"(?:\.damaged-\d+)?")
"""Also of one that was put aside."""
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")
PRIVATE = 0o700
SYSTEM = 0
"""The user to whom the system itself belongs."""
SAFE = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
"""A link under a name of ours was laid there: it may lead anywhere."""


def directory_of(root: Path, profile: str, broker: str) -> Path:
    """The directory of a cluster: by profile and broker, without the broker's credentials."""
    place = ";".join(without_credentials(url) for url in broker.split(";"))
    digest = hashlib.sha256(f"{profile}\n{place}".encode()).hexdigest()[:8]
    host = place.partition("://")[2] or place
    words = [_UNSAFE.sub("-", word).strip("-.")[:40] for word in (profile, host)]
    return root / "-".join([*filter(None, words), digest])


def without_credentials(url: str) -> str:
    """A broker's place: its URL without user, password and options."""
    scheme, mark, rest = url.strip().partition("://")
    if not mark:
        scheme, rest = "", url
    return f"{scheme}{mark}{rest.partition('?')[0].rpartition('@')[2]}"


class Swept(NamedTuple):
    """What a sweep did."""

    removed: list[Path]
    refused: OSError | None = None
    """Why a file that is due is still there."""


class Files:
    """The files of one cluster's history, and how long they are kept."""

    def __init__(self, directory: Path, days: float = 7.0, max_bytes: int = 2_000_000_000) -> None:
        self.directory, self.days, self.max_bytes = directory, days, max_bytes

    def all(self) -> list[Path]:
        """Oldest first; none where nothing was ever written, or nothing may be read."""
        return [path for path in self.readable() if not was_put_aside(path)]

    def readable(self) -> list[Path]:
        """The same, and those that were put aside as damaged: of them there is often much to be had."""
        try:
            names = [e.name for e in os.scandir(self.directory) if _NAME_OR_ASIDE.fullmatch(e.name)]
        except OSError:
            return []
        return [self.directory / name for name in sorted(names, key=order)]

    def hidden(self) -> str:
        """Why it cannot be seen whether there are any; "" where it can."""
        try:
            os.scandir(self.directory).close()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError as problem:
            return f"{self.directory}: {problem.strerror or problem}"
        return ""

    def make_directory(self) -> None:
        """For the owner alone. Raises `OSError`."""
        missing = [each for each in (self.directory, *self.directory.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(mode=PRIVATE, exist_ok=True)
        _not_laid_there(self.directory)

    def current(self, now: float, present: Path | None = None) -> Path:
        """The file to write to: the one of today, or today's part of the newest if the clock is behind that;
        another part once one has grown large, or is damaged. `present` is the one written to so far."""
        files = self.readable()
        newest = files[-1] if files else present
        day = _day(now)
        if newest is None:
            return self.directory / f"{day}-000{SUFFIX}"
        last = _Name.of(newest)
        if day > last.day:
            return self.directory / f"{day}-000{SUFFIX}"
        own = day if day < last.day else ""
        large = size_of(newest) > max(LEAST_PART, self.max_bytes / PARTS)
        if (own and own != last.own) or large or was_put_aside(newest):
            marked = f"-of-{own}" if own else ""
            return self.directory / f"{last.day}-{last.part + 1:03d}{marked}{SUFFIX}"
        return newest

    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(map(size_of, self.readable()))

    def sweep(self, now: float, by_age: bool = True) -> Swept:
        """Delete what is too old, then the oldest while all are too large; the newest always stays."""
        swept = Swept([])
        kept = self.readable()
        oldest = _day(now - self.days * DAY)
        due = _due([_Name.of(path) for path in kept], _day(now), oldest, self.days)
        sizes = {path: size_of(path) for path in kept}
        while len(kept) > 1:
            old = by_age and due[-len(kept)]
            if not old and sum(sizes[path] for path in kept) <= self.max_bytes:
                break
            path = kept.pop(0)
            try:
                remove(path)
            except OSError as problem:
                swept = swept._replace(refused=problem)
            else:
                swept.removed.append(path)
        return swept


def size_of(path: Path) -> int:
    """Bytes of a file with its companions."""
    total = 0
    for companion in COMPANIONS[:2]:
        with contextlib.suppress(OSError):
            total += os.stat(f"{path}{companion}").st_size
    return total


def more_rows(path: Path) -> int:
    """More than any table of a file has: a row takes some bytes, and it may grow while it is read."""
    return size_of(path) + GROWS


def remove(path: Path) -> None:
    """Delete a file and its companions. Raises `OSError` when it is still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    for companion in COMPANIONS[1:]:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}{companion}")


def put_aside(path: Path, now: float) -> None:
    """Keep a damaged file, with its companions, under a name that nobody writes to. Raises `OSError`."""
    stamp = int(now)
    while any(os.path.exists(f"{path}.damaged-{stamp}{companion}") for companion in COMPANIONS):
        stamp += 1
    for companion in COMPANIONS:
        if os.path.exists(f"{path}{companion}"):
            os.rename(f"{path}{companion}", f"{path}.damaged-{stamp}{companion}")


def was_put_aside(path: Path) -> bool:
    """Whether it was damaged, and is only read."""
    return not path.name.endswith(SUFFIX)


def _not_laid_there(directory: Path) -> None:
    """Where everybody may write, somebody else may have made a directory of this name for our files. Raises
    `OSError`."""
    if os.name != "posix" or not os.stat(directory.parent).st_mode & stat.S_IWOTH:
        return
    if os.lstat(directory).st_uid not in (os.geteuid(), SYSTEM):
        raise PermissionError(errno.EPERM, "it belongs to another user", str(directory))


def make_private(path: Path) -> None:
    """Create a file for the owner alone, before SQLite does with the common mode. Its companions take
    the same mode. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | SAFE, 0o600)
    try:
        if os.name == "posix" and stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def is_ours(name: str) -> bool:
    """Whether this is the name of a history file, of a companion of one, or of one that was put aside."""
    return _OWN.fullmatch(name) is not None


def day_named(name: str) -> str:
    """The day that the name of a history file tells, `2026-11-25`; "" for anything else."""
    match = _NAME.fullmatch(name)
    return (match[3] or match[1]) if match else ""


LOCK = "lock"
MARKS = "marks.ndjson"
"""Deploy marks: lines that any session appends."""
RETENTION = "retention.json"
"""For how long this history is kept."""
CLOCK = "clock.json"
"""How steadily the clock of who writes it went."""


class _Name(NamedTuple):
    """What the name of a file tells."""

    day: str
    """Of the clock, when the first of this day was begun: files sort by it, and by part."""
    part: int
    own: str
    """The day on which it was begun, where that was before `day`; "" for the same."""

    @classmethod
    def of(cls, path: Path) -> _Name:
        match = _NAME_OR_ASIDE.fullmatch(path.name)
        assert match
        return cls(match[1], int(match[2]), match[3] or "")


def order(name: str) -> tuple[str, int]:
    """What the names of files sort by, the oldest first; also of one that is no more."""
    match = _NAME_OR_ASIDE.fullmatch(name)
    return (match[1], int(match[2])) if match else (name, 0)


def _days(names: Sequence[_Name], today: str) -> list[str]:
    """The day of each file, none before that of the one before it. A day that is still to come is no day
    of a file: the clock was ahead, and it was written not after the one that follows."""
    days, after = [""] * len(names), today
    for place in range(len(names) - 1, -1, -1):
        day, _, own = names[place]
        found = own if day > today else day
        days[place] = after = found if found and found <= today else after
    return list(accumulate(days, max))


def _due(names: Sequence[_Name], today: str, oldest: str, days: float) -> list[bool]:
    """Whether each file is too old. Where a day is still to come, the clock was ahead or is behind now:
    so many days must have been written since under the name of the newest one."""
    since = {each.own for each in names if each.own and each.day == names[-1].day}
    return [
        day < oldest and (name.day <= today or sum(own > day for own in since) >= days)
        for name, day in zip(names, _days(names, today), strict=True)
    ]


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(max(0.0, moment)))
