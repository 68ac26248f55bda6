"""Message properties as the bytes they are on the wire, read only when somebody asks."""

from __future__ import annotations

import struct
from typing import Any

import pika  # type: ignore[import-untyped]
from pika import spec

from lazycelery.sources.amqp.tables import Malformed, entries, read_table, short_string, write_table

_SHORT, _TABLE, _OCTET, _TIME = "short", "table", "octet", "time"
FIELDS = (
    ("content_type", _SHORT),
    ("content_encoding", _SHORT),
    ("headers", _TABLE),
    ("delivery_mode", _OCTET),
    ("priority", _OCTET),
    ("correlation_id", _SHORT),
    ("reply_to", _SHORT),
    ("expiration", _SHORT),
    ("message_id", _SHORT),
    ("timestamp", _TIME),
    ("type", _SHORT),
    ("user_id", _SHORT),
    ("app_id", _SHORT),
    ("cluster_id", _SHORT),
)
"""In the order of their flags, the highest first."""


class Properties(pika.BasicProperties):  # type: ignore[misc]
    """What pika reads and writes for us: bytes."""

    raw: bytes = b"\x00\x00"

    @classmethod
    def of(cls, raw: bytes) -> Properties:
        """Properties that were encoded before."""
        made = cls()
        made.raw = raw
        return made

    def decode(self, encoded: bytes, offset: int = 0) -> Properties:
        """Called by pika for each message."""
        self.raw = bytes(encoded[offset:])
        return self

    def encode(self) -> list[bytes]:
        """Called by pika for each message that is sent."""
        return [self.raw]


# pika makes properties by this table: each message costs a microsecond so, and nothing of it is lost.
spec.props[pika.BasicProperties.INDEX] = Properties


def read_properties(raw: bytes) -> dict[str, Any]:
    """Those that are set, by name. Raises `Malformed`."""
    try:
        flags, at = struct.unpack_from(">H", raw)[0], 2
        found: dict[str, Any] = {}
        for number, (name, kind) in enumerate(FIELDS):
            if flags & (1 << (15 - number)):
                found[name], at = _read(raw, at, kind)
    except (struct.error, IndexError):
        raise Malformed("properties that are cut") from None
    return found


def without_header(raw: bytes, name: str) -> bytes:
    """The same bytes but for one header. Raises `Malformed`."""
    flags, at = struct.unpack_from(">H", raw)[0], 2
    for number, (_, kind) in enumerate(FIELDS):
        if not flags & (1 << (15 - number)):
            continue
        if kind == _TABLE:
            return _without(raw, at, name)
        _, at = _read(raw, at, kind)
    return raw


def _without(raw: bytes, at: int, name: str) -> bytes:
    every = [*entries(raw, at)]
    end = every[-1][3] if every else at + 4
    kept = b"".join(raw[begin:stop] for key, _, begin, stop in every if key != name)
    return raw[:at] + struct.pack(">I", len(kept)) + kept + raw[end:]


def write_properties(properties: dict[str, Any]) -> bytes:
    """The bytes of properties; `None` is not set. Raises `ValueError` for what AMQP cannot hold."""
    flags, pieces = 0, b""
    for number, (name, kind) in enumerate(FIELDS):
        value = properties.get(name)
        if value is not None:
            flags |= 1 << (15 - number)
            pieces += _write(value, kind)
    return struct.pack(">H", flags) + pieces


def _read(raw: bytes, at: int, kind: str) -> tuple[Any, int]:
    if kind == _SHORT:
        end = at + 1 + raw[at]
        return raw[at + 1 : end].decode("utf-8", "replace"), end
    if kind == _TABLE:
        return read_table(raw, at)
    if kind == _OCTET:
        return raw[at], at + 1
    return struct.unpack_from(">Q", raw, at)[0], at + 8


def _write(value: Any, kind: str) -> bytes:
    if kind == _SHORT:
        return short_string(str(value))
    if kind == _TABLE:
        return write_table(value)
    try:
        return struct.pack(">B" if kind == _OCTET else ">Q", value)
    except struct.error:
        raise ValueError("a number that AMQP cannot hold") from None
