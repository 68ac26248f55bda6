"""Events cut to a bounded size, for who keeps many of them."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from lazycelery.model.event import Event
from lazycelery.model.text import CUT, short_value
from lazycelery.store.values import MAX_TEXT, MAX_TRACEBACK, MAX_VALUE, bounded

LONGEST_NAME = 512
NODES = 64
"""Values in a field of one's own, beyond which its text stands for it: each may take a hundred bytes."""
FIELDS = 64
"""Fields of one's own that are kept."""
BEGINNING = 300
"""Characters of a text of which only the beginning is kept: as much as a line of the log shows."""
_SAID = {
    "args": MAX_TEXT,
    "kwargs": MAX_TEXT,
    "result": MAX_TEXT,
    "exception": MAX_TEXT,
    "traceback": MAX_TRACEBACK,
}
_NAMES = (
    *("type", "hostname", "uuid", "name", "root_id", "parent_id", "eta", "expires", "queue", "exchange"),
    *("routing_key", "signum", "sw_ident", "sw_ver", "sw_sys"),
)


def cut(event: Event) -> tuple[Event, int]:
    """With its texts as long as the store's columns hold them at most, and about how many bytes they take.
    What was cut ends with dots."""
    return _cut(event, _SAID, LONGEST_NAME, MAX_VALUE)


def beginning(event: Event) -> Event:
    """With the beginnings of its texts alone."""
    return _cut(event, dict.fromkeys(_SAID, BEGINNING), 128, BEGINNING)[0]


def _cut(event: Event, said: dict[str, int], longest_name: int, own: int) -> tuple[Event, int]:
    told: dict[str, Any] = {}
    size = 0
    for name, limit in (*said.items(), *((name, longest_name) for name in _NAMES)):
        text = getattr(event, name)
        if isinstance(text, str):
            if len(text) > limit:
                told[name] = text = bounded(text, limit)
            size += sys.getsizeof(text)
    if event.loadavg is not None and len(event.loadavg) > 3:
        told["loadavg"] = event.loadavg[:3]
    if event.extra:
        told["extra"], more = _own(event.extra, own)
        size += more
    return (msgspec.structs.replace(event, **told) if told else event), size


def _own(fields: dict[str, Any], room: int) -> tuple[dict[str, Any], int]:
    """Fields of one's own, as far as there is room; the last one says how many are missing."""
    kept: dict[str, Any] = {}
    size = 0
    for place, (name, value) in enumerate(fields.items()):
        if room <= 0 or place >= FIELDS:
            kept[CUT] = f"{len(fields) - place} more fields"
            break
        if not isinstance(value, (int, float, bool, type(None))):
            most = min(room, MAX_TEXT)
            if isinstance(value, str):
                value = bounded(value, most)
            elif _nodes(value, NODES) < 0:
                value = short_value(value, most)
        name = bounded(name, LONGEST_NAME)
        kept[name] = value
        room -= len(name) + (len(value) if isinstance(value, str) else _length(value))
        size += (
            100 + sys.getsizeof(name) + (sys.getsizeof(value) if isinstance(value, str) else _length(value))
        )
    return kept, size


def _length(value: Any) -> int:
    return 100 * (NODES - _nodes(value, NODES))


def _nodes(value: Any, left: int) -> int:
    """What is left of so many values after this one, and all in it; negative as soon as there are more, or
    long texts among them."""
    left -= 1
    if isinstance(value, str):
        return left - len(value) // 100
    if isinstance(value, dict):
        for name, one in value.items():
            left = _nodes(one, left - len(name) // 100)
            if left < 0:
                break
    elif isinstance(value, list):
        for one in value:
            left = _nodes(one, left)
            if left < 0:
                break
    return left
