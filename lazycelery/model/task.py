"""A task: one id, its attempts, and where each thing known about it came from."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lazycelery.model.canvas import Member

Source = Literal["event", "control", "broker", "result", "inferred", "agent"]
"""Where a field came from. Trust, highest first: broker, result, control, event, inferred."""

Sort = Literal["newest", "runtime", "wait", "name", "state", "worker", "queue", "retries"]
"""Orders of tasks."""

TRUST: dict[str, int] = {"broker": 5, "result": 4, "control": 3, "agent": 3, "event": 2, "inferred": 1}


class Attempt(msgspec.Struct, kw_only=True):
    """One run of a task. A retry, or a redelivery, opens another one under the same id.

    Times are epoch seconds on the sender's clock, `None` where unknown.
    """

    number: int
    worker: str | None = None
    pid: int | None = None
    """The child process, where a source tells it."""
    sent: float | None = None
    """When this run was sent; `None` also for a redelivery, which nobody sent."""
    received: float | None = None
    started: float | None = None
    finished: float | None = None
    state: str = "unknown"
    error: str | None = None
    traceback: str | None = None
    inferred: list[str] = []
    """Fields that no source told and that follow from others."""


class Dealt(msgspec.Struct, kw_only=True):
    """Somebody has dealt with a failed task: a note of ours, never the cluster's."""

    at: float
    """Epoch seconds."""
    by: str
    note: str = ""


class Task(msgspec.Struct, kw_only=True):
    """All that is known of one task. Field names are the JSON contract of `lazycelery tasks`.

    `args` and `kwargs` are real values where a source gave them (`sources` says control, broker or
    result) and the publisher's repr text otherwise (event). `truncated` names the fields that were
    cut at their source.
    """

    id: str
    name: str | None = None
    state: str = "unknown"
    worker: str | None = None
    queue: str | None = None
    sent: float | None = None
    received: float | None = None
    started: float | None = None
    finished: float | None = None
    runtime: float | None = None
    wait: float | None = None
    """Seconds from sent, or its ETA, to started; `None` where nobody told when it was sent. Never negative:
    clamped ones are in `marks`."""
    eta: str | None = None
    expires: str | None = None
    retries: int | None = None
    args: Any = None
    kwargs: Any = None
    result: Any = None
    error: str | None = None
    traceback: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    group_id: str | None = None
    truncated: list[str] = []
    not_kept: list[str] = []
    """Fields whose long text this monitor let go, as more came in than it could take."""
    sources: dict[str, str] = {}
    priority: int | None = None
    pid: int | None = None
    redelivered: bool | None = None
    exchange: str | None = None
    routing_key: str | None = None
    content_type: str | None = None
    progress: Any = None
    """Last custom state or event of the task, as its sender wrote it."""
    attempts: list[Attempt] = []
    children: list[str] = []
    marks: list[str] = []
    """Doubts: "wait-clamped", "state-inferred" …; `model.doubts` has their sentences."""
    tag: str | None = None
    """By which tag we sent it, as far as this machine knows, or its message told."""
    dealt: Dealt | None = None
    """Marked as dealt with, since it came into its present state."""
    seen: float | None = None
    """When any source last spoke of it, our clock."""
    later: list[Member] = []
    """Steps after it that no source has seen sent, in order, as messages tell that were seen."""
    never_ran: str | None = None
    """The step before it that failed: Celery calls this one failed too, and nobody ever ran it."""


NEVER_RAN = "never ran"
"""The state, for people, of a step that Celery calls failed because one before it failed."""


def next_try(task: Task) -> int | None:
    """The number of the run that a task in state retry waits for; `None` when nobody told its retries."""
    if task.retries is None:
        return None
    # Where only its sending is known of a run, that is the one it waits for.
    sent_already = task.sent is not None and task.received is None and task.started is None
    return task.retries + (1 if sent_already else 2)


class TaskRow(msgspec.Struct, kw_only=True):
    """A task as a list shows it: short texts only, `stamp` differs whenever the row differs."""

    row: int
    """Identity within the store's life; never reused."""
    stamp: int
    id: str
    name: str | None = None
    state: str = "unknown"
    worker: str | None = None
    queue: str | None = None
    since: float | None = None
    """When it came into its present state, epoch seconds."""
    at_least: bool = False
    """No source told that moment: `since` is when it was first seen so, and it may be so for longer."""
    first: float | None = None
    """When it was first seen anywhere, epoch seconds."""
    runtime: float | None = None
    wait: float | None = None
    retries: int | None = None
    args: str | None = None
    """args and kwargs as one short line, at most 200 characters."""
    error: str | None = None
    """Error or result as one short line, at most 200 characters."""
    truncated: bool = False
    not_kept: bool = False
    """A long text of it was let go under load."""
    dealt: bool = False
    """Marked as dealt with."""
    past: bool = False
    """Known from the recorded history alone: no source has spoken of it since this monitor began."""
    never_ran: bool = False
    """A step of a chain before it failed, and Celery calls this one failed too."""


class TaskQuery(msgspec.Struct, kw_only=True):
    """A window on an order of tasks."""

    filter: str = ""
    sort: Sort = "newest"
    reverse: bool = False
    offset: int = 0
    """First line wanted; with `hold`, relative to the held task's line (may be negative)."""
    limit: int = 100
    hold: str | None = None
    """Id of the task that must not run away. Unknown or filtered out: counted from the top."""
    patience: float | None = None
    """Seconds after which a search through texts answers with what it has found (`searched` is below 1
    then), or before as soon as that fills the window; asked again, it goes on. `None` waits for all."""


class TaskPage(msgspec.Struct, kw_only=True):
    """The answer to a `TaskQuery`."""

    rows: list[TaskRow] = []
    start: int = 0
    """Line of the first row."""
    matched: int = 0
    known: int = 0
    """Tasks in the store."""
    held: int | None = None
    """Line of the held task, where it is shown."""
    oldest: float | None = None
    """First sight of the oldest task still known, epoch seconds."""
    evicted: int = 0
    """Tasks that left the store because it is bounded."""
    stamp: int = 0
    """The store's stamp when this was read."""
    searched: float = 1.0
    """Share of the tasks that were looked at; below 1, `rows` and `matched` grow when it is asked again."""
