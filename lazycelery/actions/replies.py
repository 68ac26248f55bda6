"""What workers answered, in words: who did it, who failed, who kept silent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lazycelery.actions.context import Context
from lazycelery.actions.wording import listed
from lazycelery.errors import LazyCeleryError
from lazycelery.model.text import clean, short_value
from lazycelery.sources.protocols.mailbox import Replies

LONGEST = 200


def agreed(value: Any) -> bool:
    """Whether a reply is not an error."""
    return not (isinstance(value, dict) and "error" in value)


def said(context: Context, value: Any) -> str:
    """The text of a reply, redacted and cut."""
    if isinstance(value, dict):
        value = value.get("ok", value.get("error", value))
    text = value if isinstance(value, str) else short_value(value, LONGEST)
    return context.redactor.text(clean(text, LONGEST))


PLAIN = (
    ("Can't shrink pool", "all its processes are busy: it cannot be made smaller now"),
    ("with autoscale", "it scales by itself (--autoscale): change that range instead"),
    ("Autoscale not enabled", "it was not started with --autoscale"),
    ("Pool restarts not enabled", "it was started without worker_pool_restarts = True"),
    ("has no attribute 'grow'", "its kind of pool cannot grow"),
    ("has no attribute 'shrink'", "its kind of pool cannot shrink"),
    ("unknown task", "it does not know this task"),
    ("event dispatcher unavailable", "it has no event dispatcher (--without-gossip and --without-heartbeat)"),
)
"""What Celery answers -> what it means."""
UNKNOWN = re.compile(r"^KeyError\('(\w+)'\)$")
"""The answer to a command that a worker does not have."""


def plainly(context: Context, value: Any) -> str:
    """The text of a reply for people: errors of Celery in words, without Python's."""
    text = said(context, value)
    if agreed(value):
        return text
    if missing := UNKNOWN.match(text):
        return f"it has no command {missing[1]}: its Celery is too old for it, or it was taken away"
    return next((words for part, words in PLAIN if part in text), text)


def untold(error: LazyCeleryError) -> tuple[str, bool]:
    """Why a worker's answer is missing, and whether it may have heard all the same: only what was refused
    before it was sent rules that out."""
    if error.nothing_done:
        return f"it could not be sent: {error.title}", False
    return f"whether it was told is not known: {error.title}", True


def shown(context: Context, replies: Replies) -> dict[str, Any]:
    """Replies by worker as outcomes carry them: `{"ok": text}` or `{"error": text}`."""
    return {
        reply.worker: {"ok" if agreed(reply.value) else "error": said(context, reply.value)}
        for reply in replies.replies
    }


def silent(context: Context, replies: Replies, asked: Iterable[str] | None = None) -> list[str]:
    """Workers that should have answered and did not. A broker that counted its receivers is believed."""
    if replies.complete:
        return []
    expected = list(asked) if asked else [worker.name for worker in context.online()]
    return sorted(set(expected) - set(replies.by_worker()))


def account(context: Context, replies: Replies, did: str, asked: Iterable[str] | None = None) -> str:
    """`w1@a and w2@a flagged it; w3@a did not answer`."""
    values = replies.by_worker()
    parts = []
    if willing := sorted(worker for worker, value in values.items() if agreed(value)):
        parts.append(f"{listed(willing)} {did}")
    parts += [
        f"{worker} answered {said(context, value)}" for worker, value in values.items() if not agreed(value)
    ]
    if quiet := silent(context, replies, asked):
        parts.append(f"{listed(quiet)} did not answer")
    return "; ".join(parts) or "no worker answered"
