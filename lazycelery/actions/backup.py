"""Backups of messages: exact bytes, one JSON line a message, safe on disk before anything is removed.

A file has a header line, one line a message, and a footer with the count and a SHA-256 of all lines
before it. While it is written its name ends in `.part`; without a footer it is *incomplete*: its whole
lines are good, and what it was to hold beyond them is not known.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from lazycelery.actions.files import (
    claim,
    claimed,
    make_private_directory,
    open_private,
    state_directory,
    sync_directory,
    write_all,
)
from lazycelery.errors import LazyCeleryError, NothingFound, Refused
from lazycelery.model.faces import by_face
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile

VERSION = 1
PAGE = 500
"""Messages read, and put back, at once."""
PAGE_BYTES = 8 * 1024 * 1024
LONGEST_LINE = 1024 * 1024 * 1024
"""Twice the largest value a Redis holds."""


class Header(msgspec.Struct, kw_only=True, tag_field="line", tag="header"):
    """The first line."""

    version: int = VERSION
    time: float
    """Epoch seconds."""
    broker: str
    """Without credentials."""
    transport: str
    queue: str
    action: str = "purge"
    """What wrote it: purge, delete, move …: how it is restored depends on that."""
    to: str | None = None
    """Where a move put the messages."""
    whole: bool = False
    """All that waited was meant: one that was cut off can be gone on with without knowing which."""


class Line(msgspec.Struct, kw_only=True, tag_field="line", tag="message"):
    """One message. `id` and `task` are for people; `raw` holds the exact bytes (base64 in the file)."""

    queue: str
    priority: int
    position: int
    id: str | None = None
    task: str | None = None
    raw: bytes

    def message(self) -> StoredMessage:
        """The message as queues know it."""
        return StoredMessage(queue=self.queue, priority=self.priority, raw=self.raw, position=self.position)


class Settled(msgspec.Struct, kw_only=True, tag_field="line", tag="settled"):
    """All messages before this line are where they were to be; of those after the last one nobody knows."""

    count: int
    void: list[int] = []
    """Which of them (0 is the first of the file) stayed in their queue, or went to a worker: not ours."""


class Footer(msgspec.Struct, kw_only=True, tag_field="line", tag="footer"):
    """The last line."""

    count: int
    sha256: str


class BackupWriter:
    """Writes one backup. `add` returns when the messages are safe; `finish` gives the file its name.

    Never overwrites: raises `Refused` when the file, or a part of it, exists.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.count = self.void = 0
        self._hash = hashlib.sha256()
        try:
            make_private_directory(path.parent)
            if os.path.lexists(path):
                raise FileExistsError(17, "it exists", str(path))
            self._file: int | None = open_private(self.part, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except OSError as error:
            raise _unwritable(path, error) from error
        claim(self._file)
        self._write([header])
        sync_directory(path.parent)

    @classmethod
    def take_up(cls, file: BackupFile) -> BackupWriter:
        """Go on with a part, behind its last sound line. Raises `Refused` while another session is at it."""
        one = cls.__new__(cls)
        one.part, one.path = file.path, file.path.with_name(file.path.name.removesuffix(".part"))
        one.count, one.void = len(file), len(file) - file.total
        try:
            one._file = open_private(one.part, os.O_RDWR)
            if not claimed(one._file):
                os.close(one._file)
                raise Refused(f"{one.part} is being written by another session.", nothing_done=True)
            os.ftruncate(one._file, file.sound)
            one._hash = hashlib.sha256()
            while data := os.read(one._file, PAGE_BYTES):
                one._hash.update(data)
        except OSError as error:
            raise _unwritable(one.path, error) from error
        return one

    def add(self, lines: Sequence[Line]) -> None:
        """Append messages. Raises `Refused` when the disk does not take them."""
        self._write(lines)
        self.count += len(lines)

    def settle(self, done: Sequence[bool]) -> None:
        """What became of the last messages that were added; those that were not done no longer count."""
        first = self.count - len(done)
        void = [first + place for place, good in enumerate(done) if not good]
        self._write([Settled(count=self.count, void=void)])
        self.void += len(void)

    def leave_out(self, numbers: Collection[int]) -> None:
        """All that were added are known now: these stayed in their queue, and no longer count."""
        self._write([Settled(count=self.count, void=sorted(numbers))])
        self.void += len(numbers)

    def finish(self) -> Path:
        """Write the footer and take the final name; returns it.

        Raises `Refused` when that fails: the part then still holds every message.
        """
        self._write([Footer(count=self.count, sha256=self._hash.hexdigest())])
        self.keep()
        try:
            if os.path.lexists(self.path):
                raise FileExistsError(17, "it exists", str(self.path))
            self.part.rename(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self.path

    def keep(self) -> Path:
        """Stop, and leave the part: it holds messages that may be nowhere else. May be called again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        return self.part

    def discard(self) -> None:
        """Stop, and remove the part: every message is still in its queue."""
        self.keep().unlink(missing_ok=True)

    def _write(self, lines: Sequence[Header | Line | Settled | Footer]) -> None:
        if self._file is None:
            raise ValueError("this backup is closed")
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        try:
            write_all(self._file, data)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._hash.update(data)


class BackupFile:
    """A backup that was read through and found sound.

    `counts` are messages by (queue, priority); `complete` is false when the footer is missing;
    `dropped` tells that its last line was cut and is not counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[tuple[str, int]] = Counter()
        self.sha256 = ""
        self.complete = False
        self.dropped = False
        self._read = 0
        """Lines after the header."""
        self.sound = 0
        """Bytes that were read through; what a crash left half-written lies behind them."""
        self.settled = 0
        """Messages of whom it is known that they were moved or removed; of later ones it is not."""
        self._lines: list[tuple[str, int]] = []
        self._void: set[int] = set()
        self._pages: list[tuple[int, int, int]] = []
        with _opened(path) as file:
            self.header = _header(path, file.readline(LONGEST_LINE))
            file.seek(0)
            self._read_through(file)

    @property
    def total(self) -> int:
        """Messages in it."""
        return sum(self.counts.values())

    def __len__(self) -> int:
        """Messages in it, those that do not count any more among them."""
        return len(self._lines)

    def leave_out(self, numbers: Collection[int]) -> None:
        """These messages do not count: they are where they were."""
        for number in numbers:
            if 0 <= number < len(self._lines) and number not in self._void:
                self._void.add(number)
                self.counts.subtract((self._lines[number],))
        self.counts = +self.counts

    @property
    def doubtful(self) -> int:
        """Messages of which nobody knows whether they were moved or removed: the last ones of the file."""
        return 0 if self.complete else len(self._lines) - self.settled

    def pages(self, *, last_first: bool = False) -> Iterator[list[StoredMessage]]:
        """The messages in pages bounded in number and bytes, each page in the file's order."""
        for page in self.numbered(last_first=last_first):
            yield [message for _, message in page]

    def numbered(self, *, last_first: bool = False) -> Iterator[list[tuple[int, StoredMessage]]]:
        """The same, each message with its number in the file."""
        with _opened(self.path) as file:
            for at, first, number in reversed(self._pages) if last_first else self._pages:
                file.seek(at)
                every = [(line, self._message(file)) for line in range(first, first + number)]
                if page := [each for each in every if each[0] not in self._void]:
                    yield page

    def _message(self, file: BinaryIO) -> StoredMessage:
        line = _decode(file.readline(LONGEST_LINE))
        while isinstance(line, Settled):
            line = _decode(file.readline(LONGEST_LINE))
        if not isinstance(line, Line):
            raise Refused(f"The backup {self.path} changed while it was read.", "Run it again.")
        return line.message()

    def _read_through(self, file: BinaryIO) -> None:
        digest = hashlib.sha256(file.readline(LONGEST_LINE))
        at, start, number = file.tell(), file.tell(), 0
        while raw := file.readline(LONGEST_LINE):
            line = _decode(raw)
            if isinstance(line, Footer):
                self._check(line, digest.hexdigest(), file.read(1))
                break
            if line is None or isinstance(line, Header):
                self._broken(file, raw)
                break
            if isinstance(line, Line) and number and (number == PAGE or at + len(raw) - start > PAGE_BYTES):
                self._pages.append((start, len(self._lines) - number, number))
                start, number = at, 0
            digest.update(raw)
            at += len(raw)
            self._read += 1
            if isinstance(line, Settled):
                self._settle(line)
            else:
                self.counts[line.queue, line.priority] += 1
                self._lines.append((line.queue, line.priority))
                number += 1
        if number:
            self._pages.append((start, len(self._lines) - number, number))
        self.sha256, self.sound = digest.hexdigest(), at

    def _settle(self, line: Settled) -> None:
        self.settled = line.count
        self.leave_out(line.void)

    def _check(self, footer: Footer, sha256: str, more: bytes) -> None:
        if footer.count != len(self._lines) or footer.sha256 != sha256 or more:
            raise _damaged(self.path, "its content does not match its checksum")
        self.complete = True

    def _broken(self, file: BinaryIO, raw: bytes) -> None:
        if raw.endswith(b"\n") or file.read(1):
            raise _damaged(self.path, f"line {self._read + 2} cannot be read")
        self.dropped = True


def default_path(profile: Profile, queue: str, now: float) -> Path:
    """Where the backup of a queue goes: `<UTC time>-<queue>.ndjson`, a name that is still free."""
    directory = Path(profile.backup_dir).expanduser() if profile.backup_dir else state_directory() / "backups"
    # Plan files and the audit log name it: they are read from other directories.
    return free_path(directory.absolute(), queue, now)


def free_path(directory: Path, queue: str, now: float) -> Path:
    """A name in this directory that neither a backup nor a part of one has."""
    stem = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)) + "-" + _sanitised(queue)
    for number in range(1, 10_000):
        name = f"{stem}.ndjson" if number == 1 else f"{stem}-{number}.ndjson"
        path = directory / name
        if not path.exists() and not path.with_name(name + ".part").exists():
            return path
    raise Refused(
        f"{directory} holds too many backups of this second.",
        by_face("Give another with --backup.", "Try again in a second."),
    )


def _sanitised(queue: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", queue)[:80].strip("_") or "queue"


def _decode(raw: bytes) -> Header | Line | Settled | Footer | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        return _DECODER.decode(raw)
    except msgspec.MsgspecError:
        return None


_DECODER: msgspec.json.Decoder[Header | Line | Settled | Footer] = msgspec.json.Decoder(
    Header | Line | Settled | Footer
)


def _header(path: Path, raw: bytes) -> Header:
    header = _decode(raw)
    if not isinstance(header, Header):
        raise Refused(
            f"{path} is not a backup of LazyCelery.",
            "Purge, delete and move write them; "
            + by_face("`lazycelery audit` names them.", ":view.audit names them."),
        )
    if header.version != VERSION:
        raise Refused(
            f"{path} has the backup format {header.version}; this LazyCelery reads {VERSION}.",
            "Restore it with the version that wrote it, or a newer one.",
        )
    return header


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise NothingFound(
            f"There is no file {path}.",
            by_face("`lazycelery audit action:purge` names them.", ":view.audit names them."),
        ) from None
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror or error}.", "Check its permissions."
        ) from error


def _damaged(path: Path, why: str) -> Refused:
    return Refused(
        f"The backup {path} is damaged: {why}.",
        "Nothing was restored. Look for another copy; each sound line holds one message, base64 in `raw`.",
    )


def _unwritable(path: Path, error: OSError) -> LazyCeleryError:
    return Refused(
        f"The backup {path} cannot be written: {error.strerror or error}.",
        "Nothing is removed without a backup. Make room, or choose another "
        + by_face("file with --backup.", "backup_dir in the profile."),
    )
