"""Secrets taken out of what is recorded. Most texts hold none: that is found out for many at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import msgspec

from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.sources.event_wire import KNOWN
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.replay.tape import Answer, Said

TEXTS = ("args", "kwargs", "result", "exception", "traceback")
"""What lost a secret here looks cut, so that nobody takes it for the whole."""
WORDS = (
    "type",
    "name",
    "queue",
    "exchange",
    "routing_key",
    "eta",
    "expires",
    "signum",
    "sw_ident",
    "sw_ver",
    "sw_sys",
)
"""Anybody may write anything there too. Ids and hostnames stay: they tell what belongs together; so do types
that Celery knows."""
_fields = attrgetter(*TEXTS, *WORDS)
TOGETHER, LIMIT = 32, 8192
"""Texts looked at together, and their characters."""


class Veil:
    """Makes copies without secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def said(self, kind: str, said: Any) -> Said:
        """What a source said, as it may be written down."""
        found: Said
        if kind == "events":
            found = self.events(said)
        elif kind == "answer":
            found = self._answer(said)
        elif kind == "depths":
            found = [self._plain(report) for report in said]
        elif kind == "names":
            found = [self._redactor.text(name) for name in said]
        elif kind == "workers":
            found = said
        else:
            found = self._plain(said)
        return found

    def events(self, events: Sequence[Event]) -> list[Event]:
        """A batch; events that hold nothing are the same ones."""
        changed = dict(self._changed(set(chain.from_iterable(map(_fields, events)))))
        return [
            self._event(event, changed) if changed or event.extra is not None else event for event in events
        ]

    def _changed(self, texts: set[Any]) -> Iterator[tuple[str, str]]:
        """Texts that hold a secret, and what stands there instead."""
        some: list[str] = []
        size = 0
        for text in texts:
            if type(text) is not str or len(text) < 3 or text in KNOWN:
                continue
            if some and (len(some) == TOGETHER or size + len(text) > LIMIT):
                yield from self._shown(some)
                some, size = [], 0
            some.append(text)
            size += len(text)
        yield from self._shown(some)

    def _shown(self, some: list[str]) -> Iterator[tuple[str, str]]:
        if self._redactor.may_hold("\n".join(some)):
            for text in some:
                if (shown := self._redactor.text(text)) != text:
                    yield text, shown

    def _event(self, event: Event, changed: dict[str, str]) -> Event:
        own: dict[str, Any] = {}
        for name in TEXTS:
            if (shown := changed.get(getattr(event, name))) is not None:
                own[name] = f"{shown}..."
        for name in WORDS:
            if (shown := changed.get(getattr(event, name))) is not None:
                own[name] = shown
        if event.extra is not None:
            own["extra"] = self._redactor.value(event.extra)
        return msgspec.structs.replace(event, **own) if own else event

    def _answer(self, answer: Answer) -> Answer:
        replies: Replies = answer.replies
        told: list[Reply] = []
        for reply in replies.replies:
            value = reply.value
            if isinstance(value, msgspec.Raw):
                value = msgspec.msgpack.decode(value)
            told.append(msgspec.structs.replace(reply, value=self._redactor.value(value)))
        return Answer(answer.method, msgspec.structs.replace(replies, replies=told))

    def _plain(self, struct: Any) -> Any:
        """Any struct of texts, lists of them, and numbers."""
        text, own = self._redactor.text, dict[str, Any]()
        for name, value in msgspec.structs.asdict(struct).items():
            if value and isinstance(value, str):
                own[name] = text(value)
            elif value and isinstance(value, list):
                own[name] = [text(each) if isinstance(each, str) else each for each in value]
        return msgspec.structs.replace(struct, **own)
