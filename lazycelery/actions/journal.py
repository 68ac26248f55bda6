"""The plan file of a bulk action: what is to be done, and, line by line, what was.

A private file of JSON lines in the state directory: a header, one line a target (of a retry with the exact
message that is sent, its arguments in it; of a move with the mark by which its message is known again), then
`sending` before each page and `told` after it. Each is on the disk before anything goes on, so that whoever
dies in the middle leaves at most one page in doubt. A file whose work is done loses its messages and keeps
the names. No credential is ever in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from lazycelery.actions.files import (
    being_written,
    claimed,
    make_private_directory,
    new_private,
    open_private,
    state_directory,
    sync_directory,
    write_all,
)
from lazycelery.errors import LazyCeleryError, NothingFound, Refused
from lazycelery.model.action import ActionName
from lazycelery.model.bulk import ItemState
from lazycelery.model.faces import by_face

OPEN, DONE, DAMAGED = ".plan", ".done", ".damaged"
NAMED = re.compile(rf"\d{{8}}T\d{{6}}Z-(?:{'|'.join(get_args(ActionName))})-[0-9a-z]+\.(?:plan|done)")
KEPT = 50
"""Files of finished plans that are kept, the newest."""
MOST = 1000
"""Files that are looked at."""
LONGEST = 256 * 1024 * 1024
"""Bytes of a file that is read."""
MOST_BYTES = LONGEST - 1024 * 1024
"""Bytes of a file that is written: what becomes of its targets must fit behind them."""
LONGEST_HEADER = 64 * 1024
OLD = 3600.0
"""Seconds after which a file that is not finished is nobody's any more."""
VERSION = 1


class Header(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The first line."""

    plan: str
    version: int = VERSION
    action: ActionName
    title: str
    time: float
    user: str
    host: str
    profile: str
    broker: str
    prefix: str = ""
    """Of the broker's keys, where the profile has one: under another one its queues are others."""
    count: int
    tag: str = ""
    rate: float | None = None
    filter: str | None = None
    """What it was chosen by, secrets blackened."""
    params: dict[str, Any] = {}


class Item(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One target: all that it takes to do it."""

    n: int
    target: str
    was: str = ""
    """Where it was when the plan was made."""
    name: str | None = None
    queue: str | None = None
    priority: int = 0
    grade: str = ""
    new_id: str | None = None
    raw: bytes | None = None
    """The exact message, as its transport's codec wrote it."""
    mark: bytes | None = None
    """move, delete, requeue: what a waiting message is known by. The messages are in the backup."""
    state: ItemState = "waiting"
    why: str = ""


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of items, by their numbers."""

    sending: list[int] = []
    done: list[int] = []
    waiting: list[int] = []
    dropped: list[int] = []
    why: str = ""
    backup: str = ""


_HEADER, _ITEM, _LINE = msgspec.json.Decoder(Header), msgspec.json.Decoder(Item), msgspec.json.Decoder(_Line)
STATES: tuple[ItemState, ...] = ("waiting", "doubt", "done", "dropped")


class Journal:
    """A plan file that this process carries out: locked, open at its end."""

    def __init__(self, path: Path, header: Header, items: list[Item], descriptor: int, why: str = "") -> None:
        self.path, self.header, self.items, self.why = path, header, items, why
        self._descriptor = descriptor
        self._torn = False
        """Whether a line may have been written in part, by a disk that was full."""
        self.backup = str(header.params.get("backup") or "")
        """move, delete, requeue: the file that holds the messages, the newest when there are several."""

    @classmethod
    def create(cls, header: Header, items: list[Item]) -> Journal:
        """Write a new file, whole or not at all. Raises `Refused` when it cannot be written."""
        stamp = _stamp(header.time)
        path = directory() / f"{stamp}-{header.action}-{header.plan}{OPEN}"
        new = path.with_suffix(".new")
        try:
            make_private_directory(path.parent)
            descriptor = open_private(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
            try:
                claimed(descriptor)
                whole = b"".join(msgspec.json.encode(each) + b"\n" for each in (header, *items))
                if len(whole) > MOST_BYTES:
                    raise Refused(
                        f"Their messages are {len(whole):,} bytes together: too many for one plan file.",
                        f"Take fewer: {by_face('--limit, or ', '')}a narrower filter.",
                        nothing_done=True,
                    )
                write_all(descriptor, whole)
                new.replace(path)
                sync_directory(path.parent)
            except BaseException:
                os.close(descriptor)
                new.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise _unwritable(path, error) from error
        return cls(path, header, items, descriptor)

    @classmethod
    def take_up(cls, plan: str) -> Journal:
        """Open a plan file to go on with it. Raises `Refused` when another session is at it."""
        path = find(plan)
        if path.suffix == DONE:
            raise Refused(f"Plan {plan} is done.", f"`lazycelery plan show {plan}` tells what became of it.")
        try:
            descriptor = open_private(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            if not claimed(descriptor):
                raise Refused(f"Plan {plan} is being carried out by another session.", nothing_done=True)
            _end_line(descriptor)
            header, items, why = read(path)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, header, items, descriptor, why)

    def save_to(self, backup: str) -> None:
        """From now on the messages are in another file."""
        self._append(_Line(backup=backup, why=self.why))
        self.backup = self.header.params["backup"] = backup

    def begin(self, page: Sequence[Item]) -> None:
        """These are about to be done: in doubt until they are told. Returns when the disk has it."""
        self._append(_Line(sending=[item.n for item in page]))
        _set(page, "doubt")

    def tell(
        self,
        done: Sequence[Item] = (),
        waiting: Sequence[Item] = (),
        dropped: Sequence[Item] = (),
        why: str = "",
    ) -> None:
        """What became of some; those of a page that are not told stay in doubt."""
        numbers = [[item.n for item in items] for items in (done, waiting, dropped)]
        self._append(_Line(done=numbers[0], waiting=numbers[1], dropped=numbers[2], why=why))
        _set(done, "done")
        _set(waiting, "waiting")
        _set(dropped, "dropped")
        self.why = why or self.why

    def close(self) -> None:
        """Let go of it. One whose work is done loses its messages; older ones of these are removed."""
        try:
            if all(item.state in ("done", "dropped") for item in self.items):
                self._strip()
        finally:
            os.close(self._descriptor)

    def discard(self) -> None:
        """Remove it: nothing of it was done."""
        self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _append(self, line: _Line) -> None:
        try:
            write_all(self._descriptor, (b"\n" if self._torn else b"") + msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._torn = True
            raise _unwritable(self.path, error) from error
        self._torn = False

    def _strip(self) -> None:
        new, target = self.path.with_suffix(".new"), self.path.with_suffix(DONE)
        bare = [msgspec.structs.replace(item, raw=None, mark=None) for item in self.items]
        with contextlib.suppress(OSError):  # It is done all the same; the next start finds it so.
            descriptor = new_private(new)
            try:
                lines = [msgspec.json.encode(each) + b"\n" for each in (self.header, *bare)]
                write_all(descriptor, b"".join(lines))
            finally:
                os.close(descriptor)
            new.replace(self.path)  # A crash in between leaves one file, without messages.
            self.path.rename(target)
            sync_directory(target.parent)
            for old in sorted(directory().glob(f"*{DONE}"))[:-KEPT]:
                old.unlink(missing_ok=True)


def directory() -> Path:
    """Where plan files are."""
    return state_directory() / "plans"


def find(plan: str) -> Path:
    """The file of a plan, by its id or the beginning of it. Raises `NothingFound`."""
    known = files()
    fitting = [path for path in known if re.fullmatch(r"[0-9a-z]+", plan) and id_of(path).startswith(plan)]
    if len(fitting) == 1:
        return fitting[0]
    ids = ", ".join(id_of(path) for path in (fitting or known)[-5:])
    raise NothingFound(
        f"{len(fitting)} plans begin with {plan!r}." if fitting else f"There is no plan {plan!r}.",
        f"Known: {ids}." if ids else "`lazycelery plan list` shows those that are there.",
    )


def read(path: Path) -> tuple[Header, list[Item], str]:
    """Header, items with their states, and why it stopped. Raises `Refused` for a file that is damaged."""
    try:
        if path.stat().st_size > LONGEST:
            raise _damaged(path, "it is too large for a plan")
        first, *lines = path.read_bytes().split(b"\n")
        header = _HEADER.decode(first)
        items = [_ITEM.decode(line) for line in lines[: header.count]]
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror or error}.") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if header.version != VERSION:
        raise _damaged(path, f"it has the format {header.version}, this LazyCelery reads {VERSION}")
    if header.count < 1 or [item.n for item in items] != list(range(header.count)):
        raise _damaged(path, "it lists other targets than it should")
    return header, items, _replay(header, items, lines[header.count :])


def head(path: Path) -> Header | None:
    """The first line of a file whose rest may be damaged; `None` when it cannot be read either."""
    try:
        with path.open("rb") as file:
            return _HEADER.decode(file.readline(LONGEST_HEADER))
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None


def set_aside(path: Path) -> Path:
    """Keep a damaged file under another name, where no plan is looked for; returns it."""
    aside = path.with_name(f"{path.name}{DAMAGED}")
    path.rename(aside)
    sync_directory(path.parent)
    return aside


def _damaged(path: Path, why: str) -> Refused:
    plan = id_of(path)
    return Refused(
        f"{path} is damaged: {why}.",
        f"`lazycelery plan discard {plan}` keeps it aside.",
        nothing_done=True,
    )


def _replay(header: Header, items: list[Item], lines: Sequence[bytes]) -> str:
    """Sets the states; what a crash left half-written was never begun."""
    why = ""
    for line in lines:
        try:
            told = _LINE.decode(line)
        except msgspec.MsgspecError:
            continue
        for numbers, state in (
            (told.sending, "doubt"),
            (told.done, "done"),
            (told.waiting, "waiting"),
            (told.dropped, "dropped"),
        ):
            _set((items[n] for n in numbers if 0 <= n < len(items)), cast("ItemState", state))
        if told.backup:
            header.params["backup"] = told.backup
        why = told.why or ("" if told.sending else why)
    return why


def _set(items: Iterable[Item], state: ItemState) -> None:
    for item in items:
        item.state = state


def files() -> list[Path]:
    """All plan files, the oldest first. What is not named as one is none."""
    try:
        return sorted(path for path in directory().iterdir() if NAMED.fullmatch(path.name))[-MOST:]
    except OSError:
        return []


def tidy(now: float) -> None:
    """Remove what a crash left half-written: it never became a plan, and has messages in it."""
    for path in directory().glob("*.new"):
        with contextlib.suppress(OSError):
            if now - path.stat().st_mtime > OLD and not being_written(path):
                path.unlink()


def action_of(path: Path) -> ActionName:
    """The action that a file is of, as its name tells."""
    return cast("ActionName", path.stem.split("-")[1])


def id_of(path: Path) -> str:
    """The plan that a file is of."""
    return path.stem.rpartition("-")[2]


def _stamp(at: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))


def _end_line(descriptor: int) -> None:
    """End a line that a crash left half-written: what follows it would be lost with it."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if end:
        os.lseek(descriptor, end - 1, os.SEEK_SET)
        if os.read(descriptor, 1) != b"\n":
            write_all(descriptor, b"\n")


def _unwritable(path: Path, error: OSError) -> Refused:
    return Refused(
        f"The plan file {path} cannot be written: {error.strerror or error}.",
        "Make room or mend its permissions: many are never sent without one.",
        nothing_done=True,
    )


@asynccontextmanager
async def kept(journal: Journal | None) -> AsyncIterator[None]:
    """While a plan file is worked through: closed at the end, and discarded where a `LazyCeleryError` is
    raised. That is only when nothing was done at all: nothing is left that could be resumed."""
    try:
        yield
    except LazyCeleryError:
        if journal is not None:
            journal.discard()
            journal = None
        raise
    finally:
        if journal is not None:
            await asyncio.to_thread(journal.close)
