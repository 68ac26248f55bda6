"""What the history holds beside tasks: events, findings, and samples of queues and workers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

RecordedKind = Literal["events", "findings", "samples"]


class RecordedEvent(msgspec.Struct, kw_only=True):
    """One event, as its worker or sender told it."""

    time: float | None
    """The sender's clock, epoch seconds; `None` where it told none that makes sense."""
    received: float | None
    """Our clock."""
    type: str
    id: str | None = None
    """The task; `None` where no row of the history tells it, and for events of workers."""
    name: str | None = None
    worker: str | None = None
    """Who sent it: a worker, or the client of `task-sent`."""
    fields: dict[str, Any] = {}
    """Of a kind that Celery does not know, without secrets. What other events say stands in the task."""


class RecordedFinding(msgspec.Struct, kw_only=True):
    """Something was wrong for a while."""

    began: float | None
    ended: float | None
    """`None` while it lasts, and where nobody saw its end."""
    code: str
    subject: str
    severity: str
    title: str
    hint: str


class RecordedSample(msgspec.Struct, kw_only=True):
    """A queue or a worker at one moment; what is not its own, or was unknown, is `None`."""

    time: float | None
    queue: str | None = None
    worker: str | None = None
    messages: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    state: str | None = None
    active: int | None = None
    processed: int | None = None
    load: float | None = None
    """The worker's machine, of one minute."""


Recorded = RecordedEvent | RecordedFinding | RecordedSample


class RecordedQuery(msgspec.Struct, kw_only=True):
    """What is asked for: one kind, by a filter of its own fields."""

    kind: RecordedKind
    filter: str = ""
    limit: int = 0
    """How many are enough, of this page: nothing follows it then. 0 for all there are."""
    after: str = ""
    """`RecordedPage.next` of the page before, with the same question; "" begins with the newest."""


class RecordedPage(msgspec.Struct, kw_only=True):
    """Some of one kind, newest first, and what could not be read on the way there."""

    events: list[RecordedEvent] = []
    findings: list[RecordedFinding] = []
    samples: list[RecordedSample] = []
    unread: list[str] = []
    read: bool = False
    """Whether anything of the history could be read."""
    next: str | None = None
    """What `after` must be for the page that follows, once; `None` when there is none."""

    @property
    def entries(self) -> Sequence[Recorded]:
        """Those of the kind that was asked for."""
        return self.events or self.findings or self.samples
