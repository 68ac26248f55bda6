"""Every action there is, and what drafts its plan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lazycelery.actions import (
    consumers,
    delete,
    events,
    export,
    limits,
    move,
    pool,
    purge,
    requeue,
    restore,
    retry,
    revoke,
    schedule,
    send,
    shutdown,
    supervise,
    terminate,
)
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.model.action import ActionName, Order

DRAFTS: dict[ActionName, Callable[[Context, Order], Awaitable[Draft]]] = {
    "retry": retry.draft,
    "revoke": revoke.draft,
    "terminate": terminate.draft,
    "purge": purge.draft,
    "move": move.draft,
    "delete": delete.draft,
    "requeue": requeue.draft,
    "export": export.draft,
    "restore": restore.draft,
    "events": events.draft,
    "pool": pool.draft,
    "consumers": consumers.draft,
    "limits": limits.draft,
    "shutdown": shutdown.draft,
    "service": supervise.draft,
    "send": send.draft,
    "beat": schedule.draft,
}
"""By the action's name, which is also the permission it needs."""
