"""A broker that writes down what it says: everything goes through, and secrets are taken out of the copy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.errors import LazyCeleryError
from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.events import Deliver, EventBatch, EventStream
from lazycelery.sources.protocols.mailbox import Mailbox, Replies
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.replay.said import LINKS
from lazycelery.sources.replay.tape import Answer, Said, TapeWriter
from lazycelery.sources.whole import WholeBroker

logger = logging.getLogger(__name__)

TEXTS = ("args", "kwargs", "result", "exception", "traceback")


class RecordingBroker(WholeBroker):
    """A `WholeBroker` with a tape. When the tape cannot be written any more it ends, and nothing else."""

    def __init__(
        self, broker: WholeBroker, path: Path, redactor: Redactor, clock: Callable[[], float] = time.time
    ) -> None:
        """Raises `LazyCeleryError` when the file cannot be made, or is there already."""
        super().__init__(broker)
        self._redactor, self._clock, self.path = redactor, clock, path
        self.problem = ""
        self._links = dict.fromkeys(LINKS, StatusChange("connecting"))
        """As they were written down last."""
        try:
            # An engine that takes another one's place must not write over what that one recorded.
            self.path = path = _free(path)
            self._tape: TapeWriter | None = TapeWriter(path)
        except OSError as problem:
            raise LazyCeleryError(
                f"{path} cannot be recorded to: {problem.strerror}.", "A recording is always a new file."
            ) from None
        self.lacks = broker.lacks
        if broker.events is not None:
            self.events = _Events(broker.events, self)
        self.mailbox = _Mailbox(broker.mailbox, self)
        self.queues = _queues(broker.queues, self)

    @property
    def notes(self) -> list[str]:
        """Also that this is recorded, or why no more."""
        told = self.problem or f"Everything is recorded in {self.path}."
        return [*super().notes, told]

    def keep(self, kind: str, said: Said) -> None:
        """Write down what a source said."""
        if self._tape is None:
            return
        try:
            self._tape.write(self._clock(), kind, said)
        except OSError as problem:
            self.problem = f"The recording in {self.path} has ended: {problem.strerror}."
            logger.warning("%s", self.problem)
            self._end()

    def link(self, name: str, change: StatusChange) -> None:
        """Write down how a link is, where that is new; the events' one has its own frames."""
        if (last := self._links.get(name)) is None:
            return
        self._links[name] = change
        if (change.state, change.reason, change.code) != (last.state, last.reason, last.code):
            self.keep(name, self.shown(change))

    def shown(self, change: StatusChange) -> StatusChange:
        """A word of a link without secrets."""
        return msgspec.structs.replace(change, reason=str(self.value(change.reason)))

    def veiled(self, event: Event) -> Event:
        """A copy without secrets; what lost one looks cut, so that nobody takes it for the whole."""
        changed: dict[str, Any] = {}
        for name in TEXTS:
            text = getattr(event, name)
            if isinstance(text, str) and (shown := self._redactor.text(text)) != text:
                changed[name] = f"{shown}..."
        if event.extra is not None:
            changed["extra"] = self._redactor.value(event.extra)
        return msgspec.structs.replace(event, **changed) if changed else event

    def now(self) -> float:
        """The time by the recording's clock, epoch seconds."""
        return self._clock()

    def value(self, value: Any) -> Any:
        """A reply without secrets."""
        return self._redactor.value(value)

    async def close(self) -> None:
        """As the broker does."""
        await super().close()
        self._end()

    def _end(self) -> None:
        if self._tape is not None:
            self._tape.close()
            self._tape = None


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
            self._broker.keep("events", [self._broker.veiled(event) for event in batch.events])
            deliver(batch)

        def told(change: StatusChange) -> None:
            status(change)
            if change.state == "connecting":  # It is what it was before.
                return
            self._broker.keep("links", self._broker.shown(change))

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
            told = []
            for reply in replies.replies:
                told.append(msgspec.structs.replace(reply, value=self._broker.value(reply.value)))
                await asyncio.sleep(0)  # Those of hundreds of workers take a while.
            kept = msgspec.structs.replace(replies, replies=told, asked=asked)
            self._broker.keep("answer", Answer(method, kept))
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
        self._broker.keep("workers", names)
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
        self._broker.keep("names", names)
        return names

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        reports: list[QueueReport] = await self._queues.probe(names)
        self._broker.keep("depths", reports)
        return reports
