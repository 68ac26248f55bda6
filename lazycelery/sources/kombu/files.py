"""Queues of the filesystem transport: one file a message, `{ms}_{uuid}.{queue}.msg`, sorted by name.

Looks and counts read the folder and touch nothing. Kombu takes the first name of a queue next.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound
from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.reports import QueueReport
from lazycelery.sources.jsontext import size_text
from lazycelery.sources.kombu.filesifting import FileSift, in_front, picked_of, whole
from lazycelery.sources.kombu.internal import Internal
from lazycelery.sources.kombu.lane import Lane
from lazycelery.sources.pacing import Paced
from lazycelery.sources.protocols.queues import Found, PurgeResult
from lazycelery.sources.protocols.sifting import Looked, Pace, Pick, Save, Settled, Shifted
from lazycelery.sources.wire import read_message, task_id_of

T = TypeVar("T")
MOST_FILES = 200_000
"""Files of a folder that are looked at; with more, nothing is counted."""
MAX_MESSAGE = 8 * 1024 * 1024
MAX_PEEK = 16 * 1024 * 1024
"""Bytes that one look reads."""
PATIENCE = 3600.0
"""Seconds for what changes something: a thread goes on when nobody waits for it, and nobody knows how far."""
PAGE = 200
"""Messages saved at once by a purge."""
ASIDE = "lazycelery-purge-"
"""Folders, beside the messages, that hold what a purge has taken and not yet saved."""


class FileQueues:
    """The `QueueOps` of the filesystem transport, but for messages in flight: they are in no file."""

    free_looks = True
    may_double = False
    fills_front = True

    def __init__(self, lane: Lane, internal: Internal, shown: Sequence[str]) -> None:
        self._lane, self._internal, self._shown = lane, internal, shown
        self._in = Path(lane.address.options["data_folder_in"])
        self._control = Path(lane.address.options["control_folder"])
        self._last = 0

    async def names(self) -> list[str]:
        """Queues that bindings, messages or the profile name, sorted."""

        def look() -> list[str]:
            return sorted({*self._bound(), *self._shown, *self._folder()})

        return [name for name in await self._do(look) if self._internal.holds_tasks(name)]

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths and the age of the first message, in one look at the folder."""

        def look() -> list[QueueReport]:
            files, bound, at = self._folder(), self._bound(), time.time()
            return [self._report(name, files.get(name, []), bound, at) for name in names]

        return await self._do(look)

    def _report(self, name: str, files: list[str], bound: set[str], at: float) -> QueueReport:
        report = QueueReport(name=name, at=at, type="folder", messages=len(files), bound=name in bound)
        if files:
            with suppress(OSError):
                report.oldest_age = max(0.0, at - (self._in / min(files)).stat().st_mtime)
        return report

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages, next to run first; nothing is taken."""

        def look() -> PeekPage:
            at = time.time()
            files = sorted(self._folder().get(queue, []))
            page, size = PeekPage(queue=queue, at=at, total=len(files)), 0
            for position, name in enumerate(files[offset : offset + limit], offset):
                raw = self._read(name)
                if raw is None:
                    continue  # A worker was quicker.
                page.messages.append(read_message(raw, position))
                size += len(raw)
                if size >= MAX_PEEK:
                    page.note = f"Stopped after {size_text(size)}."
                    break
            return page

        return await self._do(look)

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, StoredMessage]:
        """Waiting messages of these tasks; those that a worker holds are in no file."""

        def look() -> Found:
            found, wanted, seen = Found(), set(ids), 0
            for queue, files in self._folder().items():
                if not self._internal.holds_tasks(queue):
                    continue
                for position, name in enumerate(sorted(files)):
                    if seen >= limit:
                        found.cut = seen
                        return found
                    seen += 1
                    raw = self._read(name)
                    named = task_id_of(raw) if raw is not None else None
                    if raw is not None and named in wanted:
                        found[str(named)] = StoredMessage(queue=queue, priority=0, raw=raw, position=position)
                        if len(found) == len(wanted):
                            return found
            return found

        return await self._do(look)

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages at the end, in order; each file appears whole."""
        return await self._do(lambda: self._write(messages, self._stamps()), PATIENCE)

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """Put messages in front of all that wait, in the order of their positions."""
        ordered = sorted(messages, key=lambda message: message.position)
        stamps = [stamp for stamp, _ in zip(in_front(), ordered, strict=False)]
        # The last one first: what is not reached is at the beginning, as callers expect.
        return await self._do(lambda: self._write(ordered[::-1], iter(stamps[::-1])), PATIENCE)

    def _stamps(self) -> Iterator[str]:
        while True:
            self._last = max(self._last + 1, round(time.monotonic() * 1000))
            yield str(self._last)

    def _write(self, messages: Sequence[StoredMessage], stamps: Iterator[str]) -> int:
        if not self._in.is_dir():
            raise NothingFound(f"There is no folder {self._in}.")
        sent = 0
        for message, stamp in zip(messages, stamps, strict=False):
            name = f"{stamp}_{uuid.uuid4()}.{message.queue}.msg"
            hidden = self._in / f".{name}"
            try:
                with hidden.open("xb") as file:
                    file.write(_checked(message))
                hidden.rename(self._in / name)
            except OSError as error:
                hidden.unlink(missing_ok=True)
                if sent:
                    return sent
                raise ConnectionProblem(
                    f"The message could not be written: {error.strerror or 'disk error'}.",
                    f"Is there room in {self._in}, and may it be written?",
                    nothing_done=True,
                ) from None
            sent += 1
        return sent

    async def purge(self, queue: str, save: Save) -> PurgeResult:
        """Move every message aside, save it, and remove all of them when the last is safe."""
        return await self._lane.do(lambda channel: self._purge(queue, save), PATIENCE)

    def _purge(self, queue: str, save: Save) -> PurgeResult:
        files = sorted(self._folder().get(queue, []))
        aside = self._in / f"{ASIDE}{uuid.uuid4().hex}"
        aside.mkdir(mode=0o700)
        taken: list[str] = []
        try:
            for start in range(0, len(files), PAGE):
                page = self._set_aside(aside, queue, files[start : start + PAGE], start, taken)
                if page:
                    save(page)
        except BaseException as error:
            problem = _not_saved(queue, error)
            problem.nothing_done = _move_back(aside, self._in) == len(taken)
            raise problem from None
        for name in taken:
            (aside / name).unlink(missing_ok=True)
        aside.rmdir()
        after = len(self._folder().get(queue, []))
        return PurgeResult(before=len(files), removed=len(taken), after=after)

    def _set_aside(
        self, aside: Path, queue: str, files: list[str], start: int, taken: list[str]
    ) -> list[StoredMessage]:
        page = []
        for position, name in enumerate(files, start):
            with suppress(FileNotFoundError):  # A worker was quicker.
                (self._in / name).rename(aside / name)
                taken.append(name)
                raw = whole(aside / name)
                page.append(StoredMessage(queue=queue, priority=0, raw=raw, position=position))
        return page

    # ---- some messages of a queue

    async def cost(self, queue: str) -> list[str]:
        """Nothing: files are read without touching them."""
        return []

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        """Show waiting messages, next to run first, in pages."""
        sift = FileSift(self._in, queue, most)
        files = await self._do(lambda: sorted(self._folder().get(queue, [])))
        for start, names in sift.pages(files):
            for _, message in await self._do(partial(sift.read, names, start)):
                show(message)
        return sift.looked()

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        """Rename or remove the files that are picked; each of them in one step."""
        sift, stamps = FileSift(self._in, queue, most), in_front() if front else self._stamps()
        paced = Paced(sift.told, pace)
        try:
            files = await self._do(lambda: sorted(self._folder().get(queue, [])))
            for start, names in sift.pages(files):
                page = await self._do(partial(sift.read, names, start))
                async for part in paced.parts(picked_of(page, pick)):
                    await self._do(partial(sift.carry, part, stamps, save, settled), PATIENCE)
                    paced.sent(len(part), 0, queue)
                if not await paced.goes_on():
                    break
        except LazyCeleryError as problem:
            problem.nothing_done = not sum(sift.told.done.values())
            if problem.nothing_done:
                raise
            sift.told.problem = problem.title
        return sift.told

    # ---- purges that were cut off

    async def leftovers(self) -> list[str]:
        """Folders with messages that a purge of a killed process took."""
        return await self._do(lambda: sorted(each.name for each in self._in.glob(f"{ASIDE}*")))

    def left_of(self, key: str, queue: str) -> bool:
        """Whether a leftover holds messages of this queue."""
        return any(each.name.partition(".")[2] == f"{queue}.msg" for each in (self._in / key).glob("*.msg"))

    async def recover(self, key: str) -> int:
        """Move the messages of one leftover back, under their own names, so in their old order."""
        return await self._do(lambda: _move_back(self._in / key, self._in))

    # ---- files

    def _folder(self) -> dict[str, list[str]]:
        """File names by queue. Raises `ConnectionProblem` when there are too many to count."""
        queues: dict[str, list[str]] = {}
        with os.scandir(self._in) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST_FILES:
                    raise ConnectionProblem(
                        f"{self._in} holds more than {MOST_FILES:,} files: they are not counted.",
                        "Is a queue there that nobody reads?",
                    )
                queue = entry.name.partition(".")[2]
                if queue.endswith(".msg") and not entry.name.startswith("."):
                    queues.setdefault(queue.removesuffix(".msg"), []).append(entry.name)
        return queues

    def _bound(self) -> set[str]:
        """Queues that an exchange's file names: [[routing key, pattern, queue], …]."""
        found: set[str] = set()
        for file in self._control.glob("*.exchange"):
            with suppress(OSError, ValueError, TypeError, IndexError):
                found.update(str(binding[2]) for binding in json.loads(file.read_bytes()))
        return found

    def _read(self, name: str) -> bytes | None:
        with suppress(OSError), open(self._in / name, "rb") as file:
            return file.read(MAX_MESSAGE)
        return None

    async def _do(self, work: Callable[[], T], patience: float | None = None) -> T:
        return await self._lane.do(lambda channel: work(), patience)


def _move_back(aside: Path, folder: Path) -> int:
    """How many files of a folder are back where they were; the folder goes when it is empty."""
    back = 0
    for file in sorted(aside.glob("*.msg")):
        with suppress(OSError):
            file.rename(folder / file.name)
            back += 1
    with suppress(OSError):
        aside.rmdir()
    return back


def _not_saved(queue: str, error: BaseException) -> LazyCeleryError:
    if isinstance(error, LazyCeleryError):
        return error
    why = error.strerror if isinstance(error, OSError) else type(error).__name__
    return LazyCeleryError(
        f"The messages of {queue} could not be saved: {why or 'disk error'}.",
        "Nothing was removed; they are back in the queue.",
    )


def _checked(message: StoredMessage) -> bytes:
    """The bytes of a Kombu envelope. Raises `LazyCeleryError` for anything that a worker would choke on."""
    try:
        document = json.loads(message.raw)
        document["properties"]["delivery_tag"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise LazyCeleryError(
            "This message has no Kombu envelope; it was not written.", nothing_done=True
        ) from None
    return message.raw
