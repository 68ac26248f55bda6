"""Single values of a result backend: JSON where it is, and a pickle shown without being loaded."""

from __future__ import annotations

from typing import Any, NamedTuple

from lazycelery.sources import pickles
from lazycelery.sources.bodies import unpack
from lazycelery.sources.jsontext import Unreadable, parse, plain

MAX_VALUE = 256 * 1024
"""Bytes of a value that are decoded; of larger ones a prefix is kept."""
MAX_PICKLE = 64 * 1024
"""Bytes of a pickle that are read for its plain values."""
HEAD = 16 * 1024
SHOWN = 20
"""Texts of a pickle that are shown."""
COMPRESSED = b"\x00celery-compressed\x00"
"""How a value begins that `result_compression` packed: then its content type, a NUL, and the rest."""
UNPACKED = 4 * 1024 * 1024


class Value(NamedTuple):
    """A decoded value; `exact` is false where something was replaced, cut, or not decoded."""

    value: Any
    exact: bool = True
    cut: bool = False


def uncompressed(data: bytes) -> bytes:
    """What `result_compression` packed. Raises `Unreadable`."""
    if not data.startswith(COMPRESSED):
        return data
    kind, _, packed = data[len(COMPRESSED) :].partition(b"\x00")
    return unpack(packed, kind.decode("ascii", "replace"), UNPACKED)


def read_value(raw: Any, size: int | None = None) -> Value:
    """A value as a database holds it; `size` where only its beginning was read. Never raises."""
    if raw is None:
        return Value(None)
    data = raw.encode("utf-8", "replace") if isinstance(raw, str) else bytes(raw)
    if max(size or 0, len(data)) > MAX_VALUE:
        return Value(data[:HEAD].decode("utf-8", "replace"), exact=False, cut=True)
    try:
        found = plain(parse(uncompressed(data)))
        return Value(found.value, found.exact)
    except Unreadable:
        return _other(data)


def _other(data: bytes) -> Value:
    if data[:1] != b"\x80":
        return Value(data[:HEAD].decode("utf-8", "replace"), exact=False, cut=len(data) > HEAD)
    if len(data) <= MAX_PICKLE:
        try:
            found = pickles.load_plain(data)
            return Value(found.value, found.exact)
        except Unreadable:
            pass
    texts, whole = pickles.strings(data)
    shown = ", ".join(repr(text) for text in texts[:SHOWN])
    more = "" if whole and len(texts) <= SHOWN else ", …"
    return Value(f"(a pickle, which is never loaded; the texts in it: {shown}{more})", exact=False)
