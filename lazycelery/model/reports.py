"""What a source said, typed, before it is merged: the currency between `sources` and `store`."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Phase = Literal["active", "reserved", "scheduled", "revoked"]


class TaskReport(msgspec.Struct, kw_only=True):
    """A task as a worker's `active`, `reserved`, `scheduled` or `query_task` reply tells it.

    `args` and `kwargs` are real values, or repr text when `safe` is true (`active(safe=True)`).
    """

    id: str
    phase: Phase
    worker: str
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    safe: bool = False
    time_start: float | None = None
    acknowledged: bool | None = None
    routing_key: str | None = None
    exchange: str | None = None
    priority: int | None = None
    redelivered: bool | None = None
    pid: int | None = None
    """The child process that runs it."""
    eta: str | None = None


class ActiveQueue(msgspec.Struct, kw_only=True):
    """A queue that a worker consumes, from `active_queues`."""

    name: str
    type: str | None = None
    exchange: str | None = None
    exchange_type: str | None = None
    routing_key: str | None = None
    arguments: dict[str, Any] | None = None
    """`queue_arguments`: RabbitMQ ends a worker that declares them otherwise."""


class TaskLimits(msgspec.Struct, kw_only=True):
    """How one worker limits one task; `None` is no limit of its own."""

    rate: str | None = None
    """As Celery writes it: `10/m`, `0` for none."""
    soft: float | None = None
    """Seconds."""
    hard: float | None = None
    """Seconds."""


class WorkerStats(msgspec.Struct, kw_only=True):
    """The parts of a worker's `stats` that we show. Times in seconds, sizes in bytes."""

    worker: str
    pool: str | None = None
    """prefork, threads, solo, eventlet, gevent, or the class name."""
    concurrency: int | None = None
    """Live size of the pool: the number of processes where they are known."""
    processes: list[int] = []
    pid: int | None = None
    uptime: float | None = None
    prefetch: int | None = None
    rss: int | None = None
    """Its peak, taken for kB as Linux tells it; macOS tells bytes."""
    clock: int | None = None
    totals: dict[str, int] = {}
    """Tasks accepted since start, by name."""
    autoscaler: dict[str, Any] | None = None
    broker: dict[str, Any] = {}
    """Connection facts without credentials."""


class WorkerReport(msgspec.Struct, kw_only=True):
    """What one round of control calls told about one worker; `None` means it was not asked or silent."""

    worker: str
    at: float
    """Arrival, our clock."""
    asked: float | None = None
    """When it was asked, our clock, where that is known: it may have answered at once, and gone since."""
    ping: bool | None = None
    """True: answered. False: asked and silent."""
    listening: bool | None = None
    """Of a silent one: whether its mailbox has a listener, where the broker tells. Then it is held up,
    and not gone."""
    stats: WorkerStats | None = None
    queues: list[ActiveQueue] | None = None
    registered: list[str] | None = None
    limits: dict[str, TaskLimits] = {}
    """Limits in force of tasks that have one, by name; told with `registered`."""
    conf: dict[str, Any] | None = None
    active: list[TaskReport] | None = None
    reserved: list[TaskReport] | None = None
    scheduled: list[TaskReport] | None = None
    errors: dict[str, str] = {}
    """Error text by method, for replies of the form {"error": …}."""


class ResultReport(msgspec.Struct, kw_only=True):
    """A `celery-task-meta-…` document, decoded."""

    id: str
    status: str
    result: Any = None
    traceback: str | None = None
    date_done: float | None = None
    children: list[str] = []
    parent_id: str | None = None
    group_id: str | None = None
    name: str | None = None
    args: Any = None
    kwargs: Any = None
    worker: str | None = None
    retries: int | None = None
    queue: str | None = None
    size: int = 0
    """Bytes on the wire."""
    cut: bool = False
    """True when `result` was too large to keep and is a prefix of its text."""


class Limit(msgspec.Struct, kw_only=True):
    """What a queue holds before the broker loses messages, or doubles them; not one at which it refuses."""

    messages: int | None = None
    bytes: int | None = None
    """Of bodies."""
    beyond: str = "drops its oldest ones beyond that"
    """What the broker does then."""

    @property
    def text(self) -> str:
        """`5 messages or 1,000 bytes`."""
        said = {"message": self.messages, "byte": self.bytes}
        return " or ".join(
            f"{number:,} {noun}{'' if number == 1 else 's'}"
            for noun, number in said.items()
            if number is not None
        )


class QueueReport(msgspec.Struct, kw_only=True):
    """One look at one queue."""

    name: str
    at: float
    type: str | None = None
    """list (Redis), classic, quorum, stream …"""
    messages: int | None = None
    """Ready messages, all priorities."""
    unacked: int | None = None
    consumers: int | None = None
    priorities: dict[str, int] = {}
    oldest_age: float | None = None
    """Seconds the next message has waited; `None` where the broker cannot tell."""
    unacked_age: float | None = None
    """Seconds since the oldest unacknowledged delivery."""
    size: int | None = None
    """Bytes of the bodies of ready messages, where the broker tells; some seconds old."""
    limit: Limit | None = None
    limit_unknown: bool = False
    """There may be a limit, and nobody tells."""
    error: str | None = None
    bound: bool = True
    """False: a list of that name exists, but no binding names it."""
    in_rate: float | None = None
    out_rate: float | None = None
    """Messages a second, as the broker counts them; `None` where it does not."""
    memory: int | None = None
    """Bytes of the broker's memory."""
    policy: str | None = None
    history: list[int] = []
    """Depths of the last minutes that the broker remembers, oldest first; told once, at the start."""
    first_priority: int | None = None
    """The priority that runs first, where the queue has priorities of RabbitMQ."""
    dead_letter_exchange: str | None = None
    dead_letter_to: str | None = None
    dead_letter_from: list[str] = []
    dead_letter_lost: str | None = None
    delayed: int | None = None
    """Tasks for this queue that the broker holds until their ETA, beside `messages`."""
    folded: str | None = None
    """It is no queue but several of the broker's own, told as one: what they hold, in a sentence."""
    workers: list[str] = []
    """Its consumers that are workers, as the broker tells."""


class InFlight(msgspec.Struct, kw_only=True):
    """A message that was delivered and not acknowledged (Redis: `unacked`)."""

    tag: str
    id: str | None
    task: str | None
    queue: str
    delivered: float | None
    """Epoch seconds."""
    raw: bytes = b""
    """The message alone, exact bytes."""
