"""Bodies of messages: unpack, bounded, and decode what can be decoded safely."""

from __future__ import annotations

import bz2
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from lazycelery.sources import pickles
from lazycelery.sources.jsontext import Unreadable, parse, plain, size_text

MAX_BODY = 256 * 1024
"""Bytes of a body, unpacked, that are decoded."""


class Body(NamedTuple):
    """A decoded body. When `problem` is set, `value` is `None` or a safe stand-in (strings)."""

    value: Any
    problem: str | None = None


def decode_body(data: bytes, content_type: str | None, compression: str | None = None) -> Body:
    """The value in a body, as far as it is safe and small enough. Never raises."""
    try:
        data = unpack(data, compression)
        if len(data) > MAX_BODY:
            raise Unreadable(f"it is {size_text(len(data))}")
        return _decode(data, content_type or "application/json")
    except Unreadable as why:
        return Body(None, f"The body was not decoded: {why}.")


def unpack(data: bytes, compression: str | None, limit: int = MAX_BODY) -> bytes:
    """Decompress at most `limit` bytes. Raises `Unreadable`."""
    if not compression:
        return data
    try:
        unpacked = _unpacker(compression)(data, limit + 1)
    except Unreadable:
        raise
    except Exception:  # each library has its own errors for broken data
        raise Unreadable(f"its {compression} compression is broken") from None
    if len(unpacked) > limit:
        raise Unreadable(f"it is larger than {size_text(limit)} when unpacked")
    return unpacked


def _unpacker(compression: str) -> Callable[[bytes, int], bytes]:
    # Kombu's "gzip" is a zlib stream; 47 lets zlib accept both.
    kinds: dict[str, Callable[[bytes, int], bytes]] = {
        "application/x-gzip": lambda data, limit: zlib.decompressobj(47).decompress(data, limit),
        "application/x-bz2": lambda data, limit: bz2.BZ2Decompressor().decompress(data, limit),
        "application/x-lzma": _unpack_lzma,
    }
    names = {"gzip": "x-gzip", "zlib": "x-gzip", "bzip2": "x-bz2", "bzip": "x-bz2", "lzma": "x-lzma"}
    kind = kinds.get(compression) or kinds.get("application/" + names.get(compression, ""))
    if kind is None:
        raise Unreadable(f"compression {compression!r} is not supported")
    return kind


def _unpack_lzma(data: bytes, limit: int) -> bytes:
    import lzma

    return lzma.LZMADecompressor(memlimit=64 * 1024 * 1024).decompress(data, limit)


def _decode(data: bytes, content_type: str) -> Body:
    if content_type == "application/json":
        return Body(plain(parse(data)).value)
    if content_type in ("application/x-python-serialize", "application/x-pickle"):
        return _pickle(data)
    if content_type == "application/x-msgpack":
        return _msgpack(data)
    if content_type == "application/x-yaml":
        return _yaml(data)
    return Body(None, f"The body was not decoded: its type is {content_type}.")


def _pickle(data: bytes) -> Body:
    found, whole = pickles.strings(data)
    cut = "" if whole else ", and not all of them"
    return Body(found, f"The body is a pickle, which is never loaded: these are the texts in it{cut}.")


def _msgpack(data: bytes) -> Body:
    try:
        return Body(plain(msgspec.msgpack.decode(data, strict=False)).value)
    except (msgspec.MsgspecError, RecursionError, UnicodeError, TypeError):
        raise Unreadable("it is not plain msgpack") from None


def _yaml(data: bytes) -> Body:
    # Every JSON document is YAML too; for anything else we would need a YAML parser.
    try:
        return Body(plain(parse(data)).value)
    except Unreadable:
        raise Unreadable("it is YAML, which is not read") from None
