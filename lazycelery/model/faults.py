"""Errors in groups: failures that are the same but for their ids, numbers and names."""

from __future__ import annotations

from typing import Literal

import msgspec

ErrorSort = Literal["count", "last", "first"]
"""The most frequent first, the one seen last, or the one that is newest of all."""
HeatBy = Literal["worker", "hour"]


class Mark(msgspec.Struct, kw_only=True):
    """A moment from which on errors count as new: a release, or workers that began anew."""

    at: float
    """Epoch seconds."""
    name: str
    by: Literal["person", "workers"] = "person"
    """Who set it: somebody, or what was seen of the workers."""
    user: str = ""
    kept: bool = True
    """Whether it outlasts this session."""


class Share(msgspec.Struct, kw_only=True, gc=False):
    """How many of a group's tasks have a value."""

    value: str
    count: int


class ErrorGroup(msgspec.Struct, kw_only=True):
    """Field names are the JSON contract of `lazycelery errors`. Times are epoch seconds."""

    id: str
    """The same in every process and after every restart; `error_group:ID` filters its tasks."""
    type: str
    """Name of the exception; "" where only a text was told."""
    message: str
    """One harmless line; what differs stands as `<n>`, `<path>`, `<text>` and the like."""
    place: str | None = None
    """Top own frame: `shop/gateway.py in charge`; `None` without a traceback."""
    code: str | None = None
    """The line of code there."""
    count: int = 0
    """Tasks that are known and failed so, or wait for a retry after it."""
    failed: int = 0
    retrying: int = 0
    dealt: int = 0
    """Of `count`: those that somebody ticked off."""
    rate: float | None = None
    """A second, over the last five minutes."""
    first: float | None = None
    """First seen, as far back as `ErrorPage.since` reaches."""
    last: float | None = None
    new: bool | None = None
    """Not seen before the mark; `None` without a mark, or where nobody watched before it."""
    tasks: list[Share] = []
    """The most frequent task names; likewise workers and queues."""
    workers: list[Share] = []
    queues: list[Share] = []
    history: list[int] = []
    """Failures by step of `ErrorPage.step` seconds, the last one under way."""
    sample: str = ""
    """Id of its newest task."""


class ErrorQuery(msgspec.Struct, kw_only=True):
    """What is asked of the groups."""

    filter: str = ""
    """Only tasks that match, in the language of `tasks`."""
    since: str = ""
    """Only failures after this moment, as a filter says it: `2h`, `2026-11-25T10:00`."""
    sort: ErrorSort = "count"
    new: bool = False
    """Only what is new since the mark."""
    limit: int = 200
    mark: str = ""
    """Name of the mark that `new` means; "" for the last one."""


class ErrorPage(msgspec.Struct, kw_only=True):
    """The groups, and how far they reach."""

    groups: list[ErrorGroup] = []
    matched: int = 0
    """Groups in all; `groups` holds at most `limit`."""
    failures: int = 0
    """Tasks in all groups."""
    cut: int = 0
    """Failures that were left out, as more are known than are looked at: the oldest."""
    since: float | None = None
    """First sight of the oldest task that is known: nothing is known of the time before."""
    step: float = 60.0
    """Seconds of a step of the groups' history."""
    now: float = 0.0
    mark: Mark | None = None
    """What `new` counts from."""
    marks: list[Mark] = []
    """The last ones, newest first."""


class Difference(msgspec.Struct, kw_only=True):
    """One thing that a group's tasks have in common, or in which they differ."""

    field: str
    """task, worker, queue, hour, retries, or a path such as `args.0`."""
    same: bool
    values: list[Share] = []
    """The most frequent first, at most five."""
    distinct: int = 0
    known: int = 0
    """Tasks of which it is known."""
    filter: str = ""
    """What narrows the tasks down to the first value; "" where the language cannot say it."""


class ErrorDetail(msgspec.Struct, kw_only=True):
    """One group, and what its tasks have in common."""

    group: ErrorGroup
    differences: list[Difference] = []
    looked_at: int = 0
    """Newest tasks that were compared."""


class HeatMap(msgspec.Struct, kw_only=True):
    """Failures by task name (lines) and worker or hour (columns). The worst come first; hours ascend."""

    by: HeatBy
    rows: list[str] = []
    columns: list[str] = []
    """Names of workers, or the beginnings of hours in epoch seconds as text."""
    failed: list[list[int]] = []
    ended: list[list[int]] = []
    """Tasks that succeeded or failed, to take a share of. What has left the monitor is in neither."""
    rows_left_out: int = 0
    columns_left_out: int = 0
    since: float | None = None
