"""JSON from strangers: lenient reading, and values that every other room can carry."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import msgspec

MAX_DEPTH = 64
"""Containers inside each other: more is refused, so that no later encoder runs out of stack."""
MAX_NODES = 200_000
"""Values in one document."""
INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Unreadable(ValueError):
    """Not what it should be; the text says why, in plain words."""


class Plain(NamedTuple):
    """A value of plain JSON types; `exact` is false when something had to be replaced by text."""

    value: Any
    exact: bool


def parse(data: bytes | str) -> Any:
    """Any JSON, also with NaN, lone surrogates and huge numbers. Raises `Unreadable`."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
        return json.loads(text)
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except ValueError:
        raise Unreadable("it is not JSON") from None


def plain(value: Any) -> Plain:
    """A bounded copy in plain types. Raises `Unreadable` when it is too deep or too large.

    Tuples and sets become lists, bytes and integers beyond 64 bits text, NaN and infinities text,
    lone surrogates "?".
    """
    copier = _Copier()
    copied = copier.copy(value, MAX_DEPTH)
    return Plain(copied, copier.exact)


def load(data: bytes | str) -> Any:
    """`parse` and `plain` in one."""
    return plain(parse(data)).value


class _Copier:
    def __init__(self) -> None:
        self.left = MAX_NODES
        self.exact = True

    def copy(self, value: Any, depth: int) -> Any:
        self.left -= 1
        if depth < 0:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
        if self.left < 0:
            raise Unreadable(f"it has more than {MAX_NODES:,} values")
        kind = type(value)
        if kind is str:
            return value if value.isascii() else self._text(value)
        if kind is dict:
            return {self._key(key): self.copy(item, depth - 1) for key, item in value.items()}
        if kind is list:
            return [self.copy(item, depth - 1) for item in value]
        if value is None or kind is bool:
            return value
        return self._rare(value, depth)

    def _rare(self, value: Any, depth: int) -> Any:
        if isinstance(value, int):
            return value if INT_MIN <= value <= INT_MAX else self._replaced(_big(value))
        if isinstance(value, float):
            return value if math.isfinite(value) else self._replaced(str(value))
        if isinstance(value, (tuple, set, frozenset)):
            self.exact = False
            return [self.copy(item, depth - 1) for item in value]
        if isinstance(value, (bytes, bytearray)):
            return self._replaced(bytes(value).decode("utf-8", "replace"))
        return self._replaced(f"({type(value).__name__})")

    def _replaced(self, text: str) -> str:
        self.exact = False
        return text

    def _text(self, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            return self._replaced(text.encode("utf-8", "replace").decode())
        return text

    def _key(self, key: Any) -> str:
        if type(key) is str:
            return self._text(key)
        return self._replaced(str(self.copy(key, 2)))


def _big(value: int) -> str:
    # str() of an integer with thousands of digits is quadratic, and refused by newer Pythons.
    return str(value) if value.bit_length() < 4096 else f"(integer of {value.bit_length()} bits)"


def text_or_none(value: Any) -> str | None:
    """The value when it is text that can be encoded, else `None`."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def int_or_none(value: Any) -> int | None:
    """The value when it is a 64-bit integer (a boolean is not), or text of one, else `None`."""
    if isinstance(value, str) and len(value) < 20 and value.lstrip("-").isdecimal() and value.isascii():
        value = int(value) if value.count("-") <= 1 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if INT_MIN <= value <= INT_MAX else None


def float_or_none(value: Any) -> float | None:
    """The value when it is a finite number, else `None`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def size_text(size: int) -> str:
    """A size for people: "10.0 MB", "3 kB"."""
    if size >= 1_000_000:
        return f"{size / 1_000_000:.1f} MB"
    return f"{size / 1000:.0f} kB" if size >= 1000 else f"{size} B"
