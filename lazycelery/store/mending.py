"""Events that are not as they should be: checked, and made right where that can be."""

from __future__ import annotations

import math
from typing import Any

from lazycelery.model.event import Event
from lazycelery.store.values import bounded

MAX_ID = 512
_TEXTS = (
    *("name", "args", "kwargs", "root_id", "parent_id", "eta", "expires", "queue", "exchange", "routing_key"),
    *("result", "exception", "traceback", "sw_ident", "sw_ver", "sw_sys"),
)
_NUMBERS = ("runtime", "freq")
_COUNTS = ("pid", "clock", "retries", "active", "processed")


def mend(event: Event) -> Event | None:
    """A copy with every field of its right type, or unknown; `None` when nothing sensible is left."""
    if not isinstance(event.type, str) or not _finite(event.timestamp):
        return None
    fields: dict[str, Any] = {
        "type": event.type,
        "hostname": event.hostname[:MAX_ID] if isinstance(event.hostname, str) else "",
        "timestamp": float(event.timestamp),
        "received": float(event.received) if _finite(event.received) else 0.0,
        "uuid": event.uuid if isinstance(event.uuid, str) and len(event.uuid) <= MAX_ID else None,
    }
    if fields["uuid"] is None and event.type.startswith("task-"):
        return None
    for name in _TEXTS:
        value = getattr(event, name)
        fields[name] = None if value is None else bounded(value)
    for name in _NUMBERS:
        fields[name] = float(getattr(event, name)) if _finite(getattr(event, name)) else None
    for name in _COUNTS:
        fields[name] = _count(getattr(event, name))
    for name in ("terminated", "expired", "requeue"):
        fields[name] = getattr(event, name) is True
    if isinstance(event.loadavg, list) and all(_finite(load) for load in event.loadavg):
        fields["loadavg"] = [float(load) for load in event.loadavg[:3]]
    return Event(**fields, extra=event.extra if isinstance(event.extra, dict) else None)


def checked(event: Event) -> Event:
    """The event itself when its own fields have their types. Raises `TypeError`."""
    uuid = event.uuid
    if type(uuid) is not str or len(uuid) > MAX_ID or type(event.hostname) is not str:
        raise TypeError("not a task event")
    if not math.isfinite(event.timestamp):
        raise ValueError("not a time")
    return event


def _finite(value: Any) -> bool:
    try:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # No float holds it.
        return False


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62:
        return value
    return None
