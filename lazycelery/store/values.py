"""Texts and values as the columns keep them: bounded, and values as JSON text."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from lazycelery.model.text import short_value

MAX_TEXT = 8192
MAX_TRACEBACK = 65_536
MAX_VALUE = 65_536
REPR_LIMIT = 1000
"""Celery cuts reprs at 1024 characters; anything this long that holds `...` was cut."""
NUL = "\x00"
"""First character of a text that is JSON of the real value, and no repr."""
NO_NUL = "\ufffd"
"""Stands for it where a text from the wire begins with it."""

_DOTS = re.compile(r"(?:[\[({]|, )\.\.\.[\])}]")
"""`{...}` or `[1, ...]`: what Celery leaves out of a nested or long container."""


def bounded(text: Any, limit: int = MAX_TEXT) -> str:
    """A text from the wire, as text and no longer than `limit`; none is taken for JSON of ours."""
    whole = text if isinstance(text, str) else short_value(text, limit)
    if whole[:1] == NUL:
        whole = NO_NUL + whole[1:]
    return whole if len(whole) <= limit else whole[: limit - 3] + "..."


def was_cut(text: str) -> bool:
    """Whether its sender cut a repr: long with dots, or containers shown as dots."""
    if "..." not in text:
        return False
    return len(text) >= REPR_LIMIT or text.endswith("...") or _DOTS.search(text) is not None


def encode(value: Any) -> tuple[str, bool]:
    """A real value as text for the columns, and whether it had to be cut."""
    if _weight(value, MAX_VALUE) >= 0:
        try:
            return NUL + json.dumps(value, ensure_ascii=False, default=_named, separators=(",", ":")), False
        except (ValueError, TypeError, RecursionError):
            pass
    return short_value(value, MAX_TEXT), True


def decode(text: str | None) -> Any:
    """What `encode` was given, or the repr text itself. An older history may hold one that only looks so."""
    if text is None or not text.startswith(NUL):
        return text
    try:
        return json.loads(text[1:])
    except (ValueError, RecursionError):
        return text[1:]


def plain(text: str | None) -> str:
    """A stored text as a person (and a filter) reads it."""
    if text is None:
        return ""
    return text[1:] if text.startswith(NUL) else text


def known(number: float) -> float | None:
    """NaN is what the columns have for `None`."""
    return None if math.isnan(number) else number


def _named(value: Any) -> str:
    return f"<{type(value).__name__}>"


def _weight(value: Any, room: int, depth: int = 0) -> int:
    """What is left of `room` after this value; negative as soon as it is too big or too deep."""
    if isinstance(value, str):
        return room - len(value) - 2
    if isinstance(value, dict):
        for key, item in value.items():
            room = _weight(item, room - len(str(key)) - 4, depth + 1) if room >= 0 and depth < 100 else -1
            if room < 0:
                return -1
    elif isinstance(value, (list, tuple)):
        for item in value:
            room = _weight(item, room - 2, depth + 1) if room >= 0 and depth < 100 else -1
            if room < 0:
                return -1
    elif isinstance(value, int) and value.bit_length() > 4000:
        return -1
    return room - 8
