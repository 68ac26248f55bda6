"""AMQP field tables, both ways. pika reads a float as an integer and cannot write one; messages have them.

Timestamps are aware datetimes, byte arrays `bytes`, long strings `str` (or `bytes` when not UTF-8).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

MAX_DEPTH = 32
_FIXED: dict[int, struct.Struct] = {
    ord(kind): struct.Struct(">" + code)
    for kind, code in {
        "b": "b",
        "B": "B",
        "U": "h",
        "s": "h",
        "u": "H",
        "I": "i",
        "i": "I",
        "L": "q",
        "l": "q",
        "f": "f",
        "d": "d",
    }.items()
}
_LENGTH = struct.Struct(">I")


class Malformed(ValueError):
    """No AMQP table."""


def read_table(data: bytes, at: int, depth: int = 0) -> tuple[dict[str, Any], int]:
    """A table at an offset, and where it ends. Raises `Malformed`."""
    found = [*entries(data, at, depth)]
    return {key: value for key, value, _, _ in found}, found[-1][3] if found else at + 4


def entries(data: bytes, at: int, depth: int = 0) -> Iterator[tuple[str, Any, int, int]]:
    """Key, value, begin and end of each entry of a table. Raises `Malformed`."""
    try:
        end = at + 4 + _LENGTH.unpack_from(data, at)[0]
        at += 4
        while at < end:
            begin, stop = at, at + 1 + data[at]
            value, at = _read(data, stop, depth)
            yield data[begin + 1 : stop].decode("utf-8", "replace"), value, begin, at
    except (struct.error, IndexError, OverflowError):
        raise Malformed("a table that is cut") from None
    if at != end:
        raise Malformed("a table of wrong length")


def write_table(table: dict[str, Any]) -> bytes:
    """A table with its length in front. Raises `ValueError` for what AMQP cannot hold."""
    pieces = b"".join(short_string(key) + _write(value) for key, value in table.items())
    return _LENGTH.pack(len(pieces)) + pieces


def short_string(text: str) -> bytes:
    """At most 255 bytes. Raises `ValueError` for more."""
    data = text.encode("utf-8", "replace")
    if len(data) > 255:
        raise ValueError("a name longer than 255 bytes")
    return bytes((len(data),)) + data


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    kind, at = data[at], at + 1
    fixed = _FIXED.get(kind)
    if fixed is not None:
        return fixed.unpack_from(data, at)[0], at + fixed.size
    if kind == ord("V"):
        return None, at
    if kind == ord("t"):
        return data[at] != 0, at + 1
    if kind == ord("T"):
        return _moment(struct.unpack_from(">Q", data, at)[0]), at + 8
    if kind == ord("D"):
        places, number = struct.unpack_from(">Bi", data, at)
        return Decimal(number).scaleb(-places), at + 5
    if depth >= MAX_DEPTH:
        raise Malformed("a table nested too deeply")
    if kind == ord("F"):
        return read_table(data, at, depth + 1)
    end = at + 4 + _LENGTH.unpack_from(data, at)[0]
    if end > len(data):
        raise Malformed("a value that is cut")
    if kind == ord("A"):
        return _read_array(data, at + 4, end, depth + 1), end
    if kind == ord("x"):
        return data[at + 4 : end], end
    if kind == ord("S"):
        return _text(data[at + 4 : end]), end
    raise Malformed("a value of unknown type")


def _read_array(data: bytes, at: int, end: int, depth: int) -> list[Any]:
    found: list[Any] = []
    while at < end:
        value, at = _read(data, at, depth)
        found.append(value)
    return found


def _moment(seconds: int) -> datetime | int:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return seconds


def _text(data: bytes) -> str | bytes:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data


def _write(value: Any) -> bytes:
    if value is None:
        return b"V"
    if isinstance(value, bool):
        return b"t" + bytes((value,))
    if isinstance(value, int):
        return _write_integer(value)
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value)
    if isinstance(value, str):
        return _sized(b"S", value.encode("utf-8", "replace"))
    if isinstance(value, (bytes, bytearray)):
        return _sized(b"x", bytes(value))
    if isinstance(value, (list, tuple)):
        return _sized(b"A", b"".join(map(_write, value)))
    if isinstance(value, dict):
        return b"F" + write_table({str(key): item for key, item in value.items()})
    if isinstance(value, datetime):
        return b"T" + struct.pack(">Q", int(value.timestamp()))
    if isinstance(value, Decimal):
        return _write_decimal(value)
    raise ValueError(f"a value of type {type(value).__name__}")


def _write_integer(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return b"I" + struct.pack(">i", value)
    if -(2**63) <= value < 2**63:
        return b"l" + struct.pack(">q", value)
    raise ValueError("an integer beyond 64 bits")


def _write_decimal(value: Decimal) -> bytes:
    exponent = value.as_tuple().exponent
    places = max(0, -exponent) if isinstance(exponent, int) else 256
    number = int(value.scaleb(places)) if places < 256 else 2**31
    if not -(2**31) <= number < 2**31:
        raise ValueError("a decimal that AMQP cannot hold")
    return b"D" + struct.pack(">Bi", places, number)


def _sized(kind: bytes, data: bytes) -> bytes:
    return kind + _LENGTH.pack(len(data)) + data
