"""What an action works with: what is known, the ways to the cluster, and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lazycelery.actions.audit import AuditLog
from lazycelery.model.beat import Beat
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import Task
from lazycelery.model.worker import Worker, WorkerDetail
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.queues import QueueOps
from lazycelery.sources.protocols.remote import Remote
from lazycelery.sources.protocols.results import Results
from lazycelery.sources.protocols.services import Commands


class RawMessages(Protocol):
    """True messages that were seen before."""

    def get(self, id: str) -> StoredMessage | None:
        """The message of a task, or `None`."""

    def holder(self, step: str) -> str | None:
        """The task whose message embedded a step, or `None`."""


class StoreView(Protocol):
    """The little that actions ask of the store."""

    @property
    def raw(self) -> RawMessages:
        """Messages seen before."""

    def task(self, id: str, now: float) -> Task | None:
        """One task, or `None`."""

    def select(self, filter: str, limit: int, now: float) -> list[str]:
        """Ids that match, newest first. Raises `UsageError` for a wrong filter."""

    def resolve(self, prefix: str) -> list[str]:
        """Ids that begin so: at most a few."""

    def workers(self, now: float) -> list[Worker]:
        """All known workers."""

    def worker(self, name: str, now: float) -> WorkerDetail | None:
        """A worker with its lists, or `None`."""

    def young(self, name: str, now: float) -> bool:
        """Whether a worker came a moment ago and has not answered yet: it may not listen."""

    def queues(self, now: float) -> list[Queue]:
        """All known queues."""

    def note_sent(self, id: str, name: str, queue: str, at: float, retry_of: str, tag: str = "") -> None:
        """A task was sent by ourselves."""


class BeatView(Protocol):
    """Beat's schedule, as actions need it."""

    async def read(self, max_age: float) -> Beat:
        """All entries, not redacted, at most `max_age` seconds old."""

    async def switch(self, name: str, on: bool) -> bool:
        """Enable or disable an entry; false when it was so already."""


@dataclass
class Context:
    """The surroundings of every action."""

    profile: Profile
    store: StoreView
    queues: QueueOps
    remote: Remote
    codec: Codec
    results: Results | None
    audit: AuditLog
    redactor: Redactor
    clock: Callable[[], float]
    services: Commands
    beats: BeatView | None = None
    patience: float = 3.0
    """Seconds to watch for a proof."""

    def task(self, id: str) -> Task | None:
        """What is known of a task now."""
        return self.store.task(id, self.clock())

    def online(self) -> list[Worker]:
        """Workers that live, as far as known."""
        return [
            worker
            for worker in self.store.workers(self.clock())
            if worker.state in ("online", "busy", "deaf")
        ]

    def consumers(self, queue: str) -> list[Worker]:
        """Living workers that consume a queue."""
        return [worker for worker in self.online() if queue in worker.queues]

    def pool(self, worker: str) -> str | None:
        """The kind of a worker's pool; `None` when it did not tell."""
        return next((each.pool for each in self.store.workers(self.clock()) if each.name == worker), None)

    @property
    def broker(self) -> str:
        """The broker's URL without credentials."""
        return self.redactor.url(self.profile.broker)
