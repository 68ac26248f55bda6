"""Celery events off the wire: envelope, base64 and event in two typed passes, about 1 µs an event.

What does not fit (custom events, wrong types, odd JSON) takes a slower, lenient way; what is not an
event at all is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from lazycelery.model.event import LARGE, Event, LargeEvent, large
from lazycelery.sources.jsontext import INT_MAX, INT_MIN, Unreadable, load, plain
from lazycelery.sources.wire import read_envelope

MAX_PAYLOAD = 8 * 1024 * 1024
"""Bytes of one published message; larger ones count as malformed."""
_Known = Literal[
    "task-sent",
    "task-received",
    "task-started",
    "task-succeeded",
    "task-failed",
    "task-retried",
    "task-revoked",
    "task-rejected",
    "task-cancelled",
    "worker-online",
    "worker-heartbeat",
    "worker-offline",
]
KNOWN = frozenset(get_args(_Known))
"""Types whose fields are those of `Event`."""

_Moment = Annotated[float, msgspec.Meta(ge=0, lt=1e11)]
"""A time that a calendar knows; another one is told by nobody, and the arrival stands for it."""
_Span = Annotated[float, msgspec.Meta(ge=0, lt=1e10)]
_Int = Annotated[int, msgspec.Meta(ge=INT_MIN, le=INT_MAX)]


class _Event(Event, gc=False):
    """An event of a known type, with numbers that any column can hold: checked in C, as it is decoded."""

    type: _Known
    timestamp: _Moment = 0.0
    runtime: _Span | None = None
    pid: _Int | None = None
    clock: _Int | None = None
    retries: _Int | None = None
    active: _Int | None = None
    processed: _Int | None = None
    extra: None = None
    """Ours alone: an event that has such a field goes the lenient way."""


class _Frame(msgspec.Struct):
    body: bytes
    """msgspec undoes the base64."""


_FRAME = msgspec.json.Decoder(_Frame)
_BODY = msgspec.json.Decoder(list[_Event] | _Event)
_TYPES: dict[str, Any] = {
    name: hint
    for name, hint in get_type_hints(_Event, include_extras=True).items()
    if name not in ("received", "extra")
} | {"type": str}
MOST_HOSTS = 4096
"""Names of hosts that are looked for; then the search begins anew. Not `sys.intern`: some versions of Python
never let go of its texts, and each pod may have a name of its own."""
LONGEST_HOST = 512
_hosts: dict[str, str] = {}
LARGE_OWN = 512
"""Bytes of message, beyond which an event with fields of its own is a large one."""
_BROKEN = (msgspec.MsgspecError, UnicodeError, RecursionError)


def decode_events(payloads: Iterable[bytes], received: float, into: list[Event]) -> int:
    """Append the events of published messages to `into`; returns how many were malformed.

    `received` is our clock, epoch seconds. Never raises.
    """
    frame, malformed = _FRAME.decode, 0
    bodies: list[bytes] = []
    for payload in payloads:
        try:
            bodies.append(frame(payload).body)
        except _BROKEN:
            malformed += decode_event_bodies(bodies, received, into)  # Each message in its place.
            bodies = []
            malformed += _lenient_frame(payload, received, into)
    return malformed + decode_event_bodies(bodies, received, into)


def decode_event_bodies(bodies: Iterable[bytes], received: float, into: list[Event]) -> int:
    """As `decode_events`, for transports that carry the body as it is: AMQP has no envelope."""
    decode, hosts, malformed = _BODY.decode, _hosts, 0
    for body in bodies:
        try:
            found = decode(body)
        except _BROKEN:
            malformed += _lenient(body, received, into)
            continue
        events = found if type(found) is list else [found]
        for event in events:
            # One text for all events of a host: a log of twenty thousand holds them, and each is looked up.
            name = event.hostname
            host = hosts.get(name)
            if host is None:
                if len(hosts) >= MOST_HOSTS:
                    hosts.clear()
                host = name
                if len(name) <= LONGEST_HOST:
                    hosts[name] = name
            event.hostname = host
            event.received = received
            if not event.timestamp:
                event.timestamp = received
        if len(body) > LARGE and len(body) > LARGE * len(events):
            events = large(events)
        into += events
    return malformed


def _lenient_frame(payload: bytes, received: float, into: list[Event]) -> int:
    if len(payload) > MAX_PAYLOAD:
        return 1
    try:
        body = read_envelope(payload).body_bytes()
    except Unreadable:
        return 1
    return _lenient(body, received, into)


def _lenient(body: bytes, received: float, into: list[Event]) -> int:
    if len(body) > MAX_PAYLOAD:
        return 1
    try:
        found = load(body)
    except Unreadable:
        return 1
    malformed = 0
    several = found if isinstance(found, list) else [found]
    for fields in several:
        event = _event(fields, received, len(body) // max(1, len(several)))
        if event is None:
            malformed += 1
        else:
            into.append(event)
    return malformed


def _event(fields: Any, received: float, size: int) -> Event | None:
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        return None
    known, extra = _sorted_out(fields)
    known.setdefault("timestamp", received)
    # Values of one's own take many times their text.
    kind = LargeEvent if size > (LARGE_OWN if extra else LARGE) else Event
    return kind(**known, received=received, extra=plain(extra).value if extra else None)


def _sorted_out(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields that fit the struct, and all others."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    foreign = fields["type"] not in KNOWN
    for name, value in fields.items():
        kind = _TYPES.get(name)
        if kind is None:
            if foreign:
                extra[name] = value
            continue
        try:
            fitting = msgspec.convert(value, kind, strict=False)
        except _BROKEN:
            extra[name] = value
            continue
        if isinstance(fitting, float) and not math.isfinite(fitting):
            extra[name] = value
        else:
            known[name] = fitting
    return known, extra
