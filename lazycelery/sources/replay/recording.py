"""A broker that writes down what it says: everything goes through, and secrets are taken out of the copy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.cluster import TapeStatus
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.events import Deliver, EventBatch, EventStream
from lazycelery.sources.protocols.mailbox import Mailbox, Replies
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.replay.said import LINKS
from lazycelery.sources.replay.tape import Answer, TapeWriter
from lazycelery.sources.replay.taping import Taping
from lazycelery.sources.replay.veiling import Veil
from lazycelery.sources.whole import WholeBroker

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode


class RecordingBroker(WholeBroker):
    """A `WholeBroker` with a tape. When the tape cannot be written any more it ends, and nothing else.
    Nothing waits for it but `close`."""

    def __init__(
        self, broker: WholeBroker, path: Path, redactor: Redactor, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises `UsageError` when the file cannot be made, or is there already."""
        super().__init__(broker)
        self._clock, self.path = clock, path
        self._links = dict.fromkeys(LINKS, StatusChange("connecting"))
        """As they were written down last."""
        try:
            # An engine that takes another one's place must not write over what that one recorded.
            self.path = path = _free(path)
            tape = TapeWriter(path)
        except OSError as problem:
            taken = isinstance(problem, FileExistsError)
            raise UsageError(
                f"{path} cannot be recorded to: {problem.strerror}.",
                "A recording is always a new file." if taken else "Choose another place, or make room.",
            ) from None
        self.tape = Taping(tape, Veil(redactor))
        self.lacks = broker.lacks
        if broker.events is not None:
            self.events = _Events(broker.events, self)
        self.mailbox = _Mailbox(broker.mailbox, self)
        self.queues = _queues(broker.queues, self)

    @property
    def notes(self) -> list[str]:
        """Also that this is recorded, while all of it is."""
        whole = not self.tape.problem and not self.tape.missing
        return [*super().notes, *([f"Everything is recorded in {self.path}."] if whole else ())]

    @property
    def status(self) -> TapeStatus:
        """How the recording is."""
        return TapeStatus(path=str(self.path), missing=self.tape.missing, problem=self.tape.problem)

    def link(self, name: str, change: StatusChange) -> None:
        """Write down how a link is, where that is new; the events' one has its own frames."""
        if (last := self._links.get(name)) is None:
            return
        self._links[name] = change
        if (change.state, change.reason, change.code) != (last.state, last.reason, last.code):
            self.tape.put(self.now(), name, change)

    def now(self) -> float:
        """The time by the recording's clock, epoch seconds."""
        return self._clock()

    async def close(self) -> None:
        """As the broker does; then what is left is written."""
        await super().close()
        await asyncio.to_thread(self.tape.close)


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{number}")
    return free


class _Events:
    def __init__(self, events: EventStream, broker: RecordingBroker) -> None:
        self._events, self._broker = events, broker

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        def both(batch: EventBatch) -> None:
            # Before the store has them: under load it takes texts out of them.
            self._broker.tape.events(self._broker.now(), batch.events)
            deliver(batch)

        def told(change: StatusChange) -> None:
            status(change)
            if change.state == "connecting":  # It is what it was before.
                return
            self._broker.tape.put(self._broker.now(), "links", change)

        await self._events.run(both, told)


class _Mailbox:
    def __init__(self, mailbox: Mailbox, broker: RecordingBroker) -> None:
        self._mailbox, self._broker = mailbox, broker

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        asked = self._broker.now()
        replies = await self._mailbox.call(
            method, arguments, destination=destination, expect=expect, timeout=timeout
        )
        if destination is None:
            told, size = [], 0
            for reply in replies.replies:
                value = msgspec.Raw(_encode(reply.value))  # Who asked takes them apart.
                told.append(msgspec.structs.replace(reply, value=value))
                size += len(bytes(value))
                await asyncio.sleep(0)  # Those of hundreds of workers take a while.
            kept = msgspec.structs.replace(replies, replies=told, asked=asked)
            self._broker.tape.put(self._broker.now(), "answer", Answer(method, kept), size)
        return replies

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        return await self._mailbox.cast(method, arguments, destination=destination)

    async def workers(self) -> list[str]:
        names = await self._mailbox.workers()
        self._broker.tape.put(self._broker.now(), "workers", list(names), _length(names))
        return names


def _queues(queues: Any, broker: RecordingBroker) -> Any:
    return _Queues(queues, broker)


class _Queues:
    """The queues themselves, but for the two questions whose answers are kept."""

    def __init__(self, queues: Any, broker: RecordingBroker) -> None:
        self._queues, self._broker = queues, broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queues, name)

    async def names(self) -> list[str]:
        names: list[str] = await self._queues.names()
        self._broker.tape.put(self._broker.now(), "names", list(names), _length(names))
        return names

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        reports: list[QueueReport] = await self._queues.probe(names)
        kept = [msgspec.structs.replace(report) for report in reports]
        self._broker.tape.put(self._broker.now(), "depths", kept, 500 * len(kept))
        return reports


def _length(names: Sequence[str]) -> int:
    return sum(map(len, names)) + 50 * len(names)
