"""The commands to workers that actions use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from lazycelery.model.reports import TaskLimits, TaskReport, WorkerReport
from lazycelery.sources.protocols.mailbox import Replies

WorkerCommand = Literal[
    "pool_grow",
    "pool_shrink",
    "pool_restart",
    "autoscale",
    "add_consumer",
    "cancel_consumer",
    "rate_limit",
    "time_limit",
    "revoke_by_stamped_headers",
]
"""What a worker may be told by name. Never `election`: it ends a lone worker."""


class Census(msgspec.Struct, kw_only=True):
    """What all workers say they hold of some tasks, and whether these are all workers."""

    reports: list[TaskReport] = []
    answered: list[str] = []
    """Workers that answered, by name."""
    errors: list[str] = []
    """Those of them that could not tell."""
    silent: int | None = None
    """Workers that are connected and did not answer; `None` where the broker does not tell how many are."""
    named: list[str] = []
    """Workers that have a mailbox: it stays behind a killed one."""
    limited: list[str] = []
    """Task names with a rate limit: what it keeps back at a worker is in none of its lists."""


class Remote(Protocol):
    """The remote control commands that actions use; `lazycelery.sources.control.Control` is one."""

    async def revoke(
        self,
        ids: Sequence[str],
        *,
        terminate: bool = False,
        signal: str | None = None,
        destination: Sequence[str] | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell workers to discard these tasks, or with `terminate` to end their processes."""

    async def query_tasks(self, ids: Sequence[str], *, timeout: float = 2.0) -> list[TaskReport]:
        """What workers hold of these tasks, with real arguments."""

    async def census(self, ids: Sequence[str], *, timeout: float = 2.0) -> Census:
        """Ask every worker which of these tasks it holds."""

    async def set_events(
        self, on: bool, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> Replies:
        """Switch task events on or off."""

    async def tell(
        self,
        command: WorkerCommand,
        arguments: Mapping[str, Any],
        workers: Sequence[str],
        *,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell these workers something. Without names it raises `UsageError`: nothing is ever broadcast."""

    async def shut_down(self, workers: Sequence[str]) -> None:
        """Ask these workers to stop warmly; nobody answers. Without names it raises `UsageError`."""

    async def look(
        self, workers: Sequence[str], what: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, WorkerReport]:
        """What these workers say now, by name; a silent one has `ping` False where that was asked, and is
        left out else."""

    async def limits(
        self, workers: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, dict[str, TaskLimits]]:
        """Rate and time limits in force, by worker and task; a silent worker is left out."""
