"""What can be done where, and why something cannot: the table of docs/brokers.md is made from this.

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
    print(table(), end="")
