"""What a source tells of its link."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lazycelery.model.cluster import Link


class StatusChange(msgspec.Struct):
    """A source went up, down, or tries again."""

    state: Link
    reason: str = ""
    """In plain words, without credentials."""
    hint: str = ""
    next_try: float | None = None
    """Epoch seconds."""
    code: str = ""
    """Of the problem, where there is one."""
    at: float | None = None
    """When it was so, epoch seconds, where that is not now: in a recording."""


TellStatus = Callable[[StatusChange], None]
