"""A transport's message format, as far as an action must know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lazycelery.model.message import Message


class Codec(Protocol):
    """What an action must know of a transport's message format to make a new one from an old."""

    def describe(self, raw: bytes, position: int = 0) -> Message:
        """A readable view of a raw message."""

    def identity(self, raw: bytes) -> bytes:
        """A digest that a message keeps when it is moved or delivered again. Never raises."""

    def copy(self, raw: bytes, *, queue: str, new_id: str, headers: Mapping[str, Any]) -> bytes:
        """An opaque copy under a new id: body, content type and encoding verbatim; retries, ETA and
        expiry reset; `headers` added. Raises `Refused` for a message whose id is inside its body
        (protocol 1)."""

    def build(
        self,
        *,
        task: str,
        args: Any,
        kwargs: Any,
        queue: str,
        new_id: str,
        headers: Mapping[str, Any],
        priority: int = 0,
        embed: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A fresh JSON message (protocol 2); `embed`: its callbacks, errbacks, chain and chord."""
