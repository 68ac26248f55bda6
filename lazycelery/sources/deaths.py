"""What `x-death` tells: why and where a message was dead-lettered. Pure, and it meets hostile values."""

from __future__ import annotations

from typing import Any

from lazycelery.model.message import Death
from lazycelery.sources.jsontext import int_or_none, text_or_none


def death_of(headers: dict[str, Any]) -> Death | None:
    """The last death of a message: RabbitMQ writes the newest first."""
    deaths = headers.get("x-death")
    last = deaths[0] if isinstance(deaths, list) and deaths else None
    if not isinstance(last, dict):
        return None
    queue, reason = text_or_none(last.get("queue")), text_or_none(last.get("reason"))
    if not queue or not reason:
        return None
    return Death(
        queue=queue,
        reason=reason,
        count=int_or_none(last.get("count")),
        exchange=text_or_none(last.get("exchange")),
        at=_seconds(last.get("time")),
    )


def _seconds(value: Any) -> float | None:
    """A time as our envelopes write it: {"__amqp__": "timestamp", "value": …}."""
    number = int_or_none(value.get("value")) if isinstance(value, dict) else int_or_none(value)
    return float(number) if number is not None and 0 <= number < 2**40 else None
