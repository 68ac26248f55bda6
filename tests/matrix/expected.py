"""What can be done where, and why something cannot: a table each of docs/brokers.md and docs/operations.md.

python -m tests.matrix.expected
"""

from __future__ import annotations

from typing import get_args

from lazycelery.model.action import ActionName

PLACES = {
    "redis": "Redis, Valkey",
    "classic": "RabbitMQ, classic",
    "quorum": "RabbitMQ, quorum",
    "filesystem": "Filesystem",
    "sqlalchemy": "SQL",
    "memory": "Memory",
}
"""All that a test can have on any machine."""
POOLS = ("prefork", "threads", "solo")
POOLED = ("redis", "classic", "quorum")
"""Where every pool is tried, and every way to give an order."""
ELSEWHERE = {
    *("mongodb", "pgmq", "sqs", "gcpubsub", "kafka", "zookeeper", "etcd", "consul"),
    *("azurestoragequeues", "azureservicebus"),
}
"""Kombu's transports that need a server, tested in their own rooms as far as one can be had."""
CANVAS = ("retry --canvas", "revoke --canvas", "terminate --canvas")
WORKERS = ("events", "pool", "consumers", "limits", "shutdown")
SINGLE = ("move", "delete", "requeue", "export")
NO_FANOUT, WHOLE = "^SQL has no fanout: workers cannot be asked or told", "^Of SQL only whole queues are"
NOBODY = "No worker is called|did not answer|no worker answered|No source knows"
REFUSED: dict[tuple[str, str], str] = {
    ("requeue", "redis"): "Only RabbitMQ's dead letters do",
    ("requeue", "filesystem"): "Only RabbitMQ's dead letters do",
    **{(action, "sqlalchemy"): NO_FANOUT for action in ("revoke", "terminate", *CANVAS[1:], *WORKERS)},
    ("retry --canvas", "filesystem"): "what follows it is not known",
    ("retry --canvas", "sqlalchemy"): "no step has failed: 1 member is waiting",
    **{(action, "sqlalchemy"): WHOLE for action in SINGLE},
    ("service", "sqlalchemy"): "ended well; what became of it cannot be seen: SQL has no fanout",
    **{(action, "memory"): NOBODY for action in ("retry", "revoke", "terminate", *CANVAS, *WORKERS)},
    **{(action, "memory"): "messages cannot be saved before they are" for action in ("purge", *SINGLE)},
    ("service", "memory"): "ended well, but no sign of it yet",
}
"""By action and place: why it cannot be had, in words that are shown."""
RESIZED = ("pool", "pool shrink", "pool size", "pool autoscale")
LATE = "hears nothing until the task ends|no source tells whether it runs"
UNABLE: dict[tuple[str, str], str] = {
    **{(each, "threads"): "its pool of threads keeps the size it was started with" for each in RESIZED},
    **{(each, "solo"): "a solo pool has one place, and that is the worker itself" for each in RESIZED},
    ("pool restart", "threads"): "its pool is threads: only a prefork pool has processes to replace",
    ("pool restart", "solo"): "its pool is solo: only a prefork pool has processes to replace",
    **{
        (each, "threads"): "a thread cannot be ended from outside"
        for each in ("terminate", "terminate --filter")
    },
    **{(each, "solo"): LATE for each in ("terminate", "terminate --filter")},
    ("terminate --canvas", "solo"): "did not answer",
}
"""By action and pool: the same."""
ELSEWISE: dict[tuple[str, str], str] = {
    ("requeue FILTER", "redis"): REFUSED["requeue", "redis"],
    **{
        ("restore --orphans", place): "This broker puts back by itself what a lost worker held"
        for place in ("classic", "quorum")
    },
}
"""Of other ways than the usual one, by way and place: the same."""
INSTEAD = {
    ("terminate --canvas", "threads"): "revoked only",
    ("terminate --canvas", "solo"): "not heard until the task ends",
    ("limits time", "threads"): "set, and ends nothing",
    ("limits time", "solo"): "set, and ends nothing",
}
"""What a pool makes of it, where that is neither the usual nor a refusal."""


def why_not(action: str, place: str, pool: str) -> str | None:
    """Why a cell is a refusal, in words that are shown; `None` where it is not."""
    for told, key in ((REFUSED, place), (ELSEWISE, place), (UNABLE, pool)):
        if (action, key) in told:
            return told[action, key]
    return None


def pools() -> str:
    """A Markdown table of what not every pool can."""
    rows = sorted({action for action, _ in {**UNABLE, **INSTEAD}})
    lines = [_line("action", *POOLS), "|" + "---|" * (len(POOLS) + 1)]
    lines += [_line(action, *(_pooled(action, pool) for pool in POOLS)) for action in rows]
    return "\n".join(lines) + "\n"


def _pooled(action: str, pool: str) -> str:
    return INSTEAD.get((action, pool)) or ("–" if (action, pool) in UNABLE else "yes")


def table() -> str:
    """A Markdown table: a line an action, a column a place."""
    lines = [_line("action", *PLACES.values()), "|" + "---|" * (len(PLACES) + 1)]
    lines += [
        _line(action, *(_cell(action, place) for place in PLACES))
        for action in (*get_args(ActionName), *CANVAS)
    ]
    return "\n".join(lines) + "\n"


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(action: str, place: str) -> str:
    why = REFUSED.get((action, place))
    return "yes" if why is None else "not seen" if "ended well" in why else "–"


if __name__ == "__main__":
    print(table(), pools(), sep="\n", end="")
