"""Every action, one way on each broker and pool: done, seen by others than us, undone where it can be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.matrix.deeds import canvases, queues, schedules, tasks, workers
from tests.matrix.scene import Scene

Deed = Callable[[Scene], Awaitable[None]]
DEEDS: dict[str, Deed] = {
    "retry": tasks.retry,
    "revoke": tasks.revoke,
    "terminate": tasks.terminate,
    "purge": queues.purge,
    "move": queues.move,
    "delete": queues.delete,
    "requeue": queues.requeue,
    "export": queues.export,
    "restore": queues.restore,
    "events": workers.events,
    "pool": workers.pool,
    "consumers": workers.consumers,
    "limits": workers.limits,
    "shutdown": workers.shutdown,
    "service": workers.service,
    "send": tasks.send,
    "beat": schedules.beat,
}
"""By the name of the action."""
WHOLE: dict[str, Deed] = {
    "retry --canvas": canvases.retry_canvas,
    "revoke --canvas": canvases.revoke_canvas,
    "terminate --canvas": canvases.terminate_canvas,
}
"""Of whole chains."""
WAYS: dict[str, Deed] = {
    "retry --filter": tasks.retry_filter,
    "revoke --filter": tasks.revoke_filter,
    "revoke --stamp": tasks.revoke_stamp,
    "terminate --filter": tasks.terminate_filter,
    "send --from": tasks.send_edited,
    "move FILTER": queues.move_filter,
    "requeue FILTER": queues.requeue_filter,
    "restore --orphans": queues.restore_orphans,
    "pool shrink": workers.pool_shrink,
    "pool size": workers.pool_size,
    "pool autoscale": workers.autoscale,
    "pool restart": workers.pool_restart,
    "consumers cancel": workers.cancel,
    "consumers hold": workers.hold,
    "consumers resume": workers.resume,
    "consumers turn": workers.turn,
    "limits time": workers.time_limit,
    "service restart": workers.service_restart,
    "beat enable": schedules.beat_enable,
    "beat run": schedules.beat_run,
    "rule": schedules.rule,
}
"""Other ways to give the same actions, by filter, by what is to be done, by a rule."""
EVERY = {**DEEDS, **WHOLE, **WAYS}
