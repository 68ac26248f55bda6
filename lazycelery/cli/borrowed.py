"""Words that people bring from `celery` and other tools' command lines, and the command here that does it."""

from __future__ import annotations

from collections.abc import Sequence

BORROWED = {
    "call": "send",
    "control": "worker",
    "inspect": "workers",
    "active": "tasks state:started",
    "reserved": "tasks state:received",
    "scheduled": "tasks state:scheduled",
    "revoked": "tasks state:revoked",
    "stats": "workers",
    "active_queues": "workers",
    "result": "task",
    "list": "tasks",
    "log": "worker logs",
    "logs": "worker logs",
    "ping": "worker ping",
    "shutdown": "worker shutdown",
    "start": "worker service start",
    "stop": "worker service stop",
    "restart": "worker service restart",
    "pool_grow": "worker pool grow",
    "pool_shrink": "worker pool shrink",
    "pool_restart": "worker restart",
    "autoscale": "worker autoscale",
    "add_consumer": "worker consume",
    "cancel_consumer": "worker cancel",
    "hold": "worker hold",
    "pause": "worker hold",
    "resume": "worker resume",
    "rate_limit": "worker rate-limit",
    "time_limit": "worker time-limit",
    "enable_events": "worker events on",
    "disable_events": "worker events off",
    "revoke_by_stamped_headers": "revoke --stamp NAME=VALUE",
    "terminate": "terminate",
    "revoke": "revoke",
    "orphans": "restore --orphans",
}
"""The word, with `_` for `-`, and what is written here instead of it."""
GROUPS = ("control", "inspect")
"""Commands of Celery that take the word behind them."""


def hint(words: Sequence[str]) -> str | None:
    """A sentence that says what is written here instead of `words`, a command line without the program.

    `None` when they are not known.
    """
    name, *behind = (word.replace("-", "_") for word in words)
    if name == "undo":
        return "An outcome names the command that undoes it; on the screen u does it."
    if name in GROUPS:
        name = next((word for word in behind if word in BORROWED and word not in GROUPS), name)
    return f"Here it is: lazycelery {BORROWED[name]}" if name in BORROWED else None
