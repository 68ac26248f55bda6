"""What may stand next in a filter."""

from __future__ import annotations

import msgspec


class Completion(msgspec.Struct, kw_only=True):
    """Put `text` in place of the filter's characters from `start` to `end`."""

    start: int
    end: int
    text: str
    note: str = ""
    """What it is, in a word or two: "field", "12 of the newest tasks"."""
