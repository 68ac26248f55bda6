"""The link between a face and its engine: framed msgpack, versioned, derived from `EngineApi`.

A frame is four bytes of length (big endian) and a msgpack array. From the face: `[id, method, {argument:
value}]`, and `[id, "cancel", {}]` to drop a request. From the engine: `[id, true, result]` or
`[id, false, {code, title, hint}]`. The first request is `hello` with the version and the profile.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from lazycelery.engine.api import EngineApi
from lazycelery.errors import KINDS, LazyCeleryError

VERSION = 1
LONGEST = 256 * 1024 * 1024
"""Bytes of the longest frame that is believed."""

Request = tuple[int, str, dict[str, Any]]
Response = tuple[int, bool, Any]

encode: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
decode_request: Callable[[bytes], Request] = msgspec.msgpack.Decoder(Request).decode
decode_list: Callable[[msgspec.Raw], list[msgspec.Raw]] = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
decode_response: Callable[[bytes], tuple[int, bool, msgspec.Raw]] = msgspec.msgpack.Decoder(
    tuple[int, bool, msgspec.Raw]
).decode


class Method:
    """One method of `EngineApi`: how its arguments and its answer are typed."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self._function = function

    # Made when it is called first: to look into all of them would delay the first frame.
    @cached_property
    def _hints(self) -> dict[str, Any]:
        return get_type_hints(self._function)

    @cached_property
    def answer(self) -> msgspec.msgpack.Decoder[Any]:
        """Decodes what it returns."""
        return msgspec.msgpack.Decoder(self._hints["return"])

    @cached_property
    def each(self) -> msgspec.msgpack.Decoder[Any] | None:
        """Decodes one of what it returns, where that is a list."""
        hint = self._hints["return"]
        return msgspec.msgpack.Decoder(get_args(hint)[0]) if get_origin(hint) is list else None

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """Their types, by name."""
        return {name: hint for name, hint in self._hints.items() if name != "return"}

    def convert(self, given: dict[str, Any]) -> dict[str, Any]:
        """Typed arguments from plain ones; a wrong one raises `msgspec.ValidationError`."""
        return {key: msgspec.convert(value, self.arguments[key]) for key, value in given.items()}


METHODS: dict[str, Method] = {
    name: Method(name, function)
    for name, function in inspect.getmembers(EngineApi, inspect.isfunction)
    if not name.startswith("_")
}


def frame(message: Request | Response) -> bytes:
    """A message with its length in front."""
    body = encode(message)
    return len(body).to_bytes(4, "big") + body


def error_out(problem: LazyCeleryError) -> dict[str, str]:
    """An error as it travels."""
    return {"code": problem.code, "title": problem.title, "hint": problem.hint}


def error_in(raw: msgspec.Raw) -> LazyCeleryError:
    """An error as it arrives: the same class, title and hint."""
    said = msgspec.msgpack.decode(raw, type=dict[str, str])
    return KINDS.get(said.get("code", ""), LazyCeleryError)(said.get("title", ""), said.get("hint", ""))
