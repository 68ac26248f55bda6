"""Celery's remote control on the wire: the command that goes out, and a worker's reply that comes back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lazycelery.sources import pickles
from lazycelery.sources.jsontext import Unreadable, load, plain

MAX_REPLY = 32 * 1024 * 1024
"""Bytes of one reply that are decoded."""
HEAD = 10_000
"""Bytes of an unreadable one that are searched for its worker's name."""
FIRST_KEY = re.compile(rb'\s*\{\s*"([^"\\]{1,300})"')
"""A JSON reply begins with its worker's name."""


def command(
    method: str,
    arguments: Mapping[str, Any] | None,
    destination: Sequence[str] | None,
    reply: tuple[str, str, str] | None,
) -> dict[str, Any]:
    """The body of a command. `reply`: the ticket, and exchange and routing key of the answers."""
    body: dict[str, Any] = {
        "method": method,
        "arguments": dict(arguments or {}),
        "destination": None if destination is None else list(destination),
        "pattern": None,
        "matcher": None,
    }
    if reply is not None:
        ticket, exchange, routing_key = reply
        body |= {"ticket": ticket, "reply_to": {"exchange": exchange, "routing_key": routing_key}}
    return body


def read_reply(data: bytes, content_type: str | None) -> Any:
    """The reply {worker: value}; a worker whose task_serializer is pickle answers in pickle.

    Raises `Unreadable`."""
    if len(data) > MAX_REPLY:
        raise Unreadable("it is too large")
    if content_type == "application/x-python-serialize":
        return pickles.load_plain(data).value
    if content_type == "application/x-msgpack":
        try:
            return plain(msgspec.msgpack.decode(data)).value
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise Unreadable("it is broken msgpack") from error
    return load(data)


def unread(data: bytes, why: Unreadable) -> Any:
    """An error in the name of the worker, where the reply begins with it; else `None`."""
    head = data[:HEAD]
    named = FIRST_KEY.match(head)
    words = [named[1].decode("utf-8", "replace")] if named else pickles.strings(head)[0]
    return {words[0]: {"error": f"The reply was not read: {why}."}} if words else None
