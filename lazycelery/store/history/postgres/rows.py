"""Rows as PostgreSQL takes them in, many at once: texts it can hold, and events in its binary format."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from sys import getsizeof
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event
from lazycelery.store.told import CODES, OTHER, is_beat
from lazycelery.store.values import NUL

REAL = "\x01"
"""Stands for `NUL`, which no text of PostgreSQL can hold, before a text that is JSON of the real value."""
NO_TASK = bytes(16)
OWN_KIND = 256
"""Events of kinds that Celery does not know have this and the number of their type's word as `type`."""
HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TAIL = struct.pack(">h", -1)
_LONGEST = 1 << 63
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(("l1", ">i4"), ("task", "V16"), ("l2", ">i4"), ("at", ">f8"), ("l3", ">i4"), ("received", ">f8")),
        *(("l4", ">i4"), ("clock", ">i8"), ("l5", ">i4"), ("type", ">i4"), ("l6", ">i4"), ("worker", ">i4")),
        ("l7", ">i4"),
    ]
)
_EVENT = np.dtype(
    [
        *(("task", "V16"), ("at", "<f8"), ("received", "<f8"), ("clock", "<i8")),
        *(("type", "<i4"), ("worker", "<i4")),
    ]
)
_LENGTHS = {"l1": 16, "l2": 8, "l3": 8, "l4": 8, "l5": 4, "l6": 4, "l7": -1}


def text_in(text: str | None) -> str | None:
    """A text as the database can hold it."""
    if text is None or (text.isascii() and NUL not in text and text[:1] != REAL):
        return text
    mark = ""
    if text[:1] == NUL:
        mark, text = REAL, text[1:]
    elif text[:1] == REAL:
        text = "\ufffd" + text[1:]
    return mark + text.replace(NUL, "\ufffd").encode("utf-8", "replace").decode()


def text_out(text: str | None) -> str | None:
    """The text as the columns have it."""
    return NUL + text[1:] if text is not None and text[:1] == REAL else text


def keys_of(ids: Sequence[str | None]) -> bytes:
    """Sixteen bytes a task, as `task_key` of the schema: the id itself where it is a UUID, and its MD5
    where it is not."""
    whole = "".join(ids) if None not in ids else ""  # type: ignore[arg-type]
    if len(whole) == 36 * len(ids) and whole.islower() and {*map(len, filter(None, ids))} <= {36}:
        digits = whole.replace("-", "")
        if len(digits) == 32 * len(ids):
            try:
                return bytes.fromhex(digits)
            except ValueError:
                pass
    return b"".join(map(_key_of, ids))


def _key_of(id: str | None) -> bytes:
    if id is None:
        return NO_TASK
    if len(id) == 36 and id[8:24:5] == "----" and id == id.lower():
        try:
            return bytes.fromhex(id.replace("-", ""))
        except ValueError:
            pass
    return hashlib.md5((text_in(id) or "").encode("utf-8", "replace"), usedforsecurity=False).digest()


class Packed(NamedTuple):
    """Events but for heartbeats, in some fifty bytes each."""

    rows: npt.NDArray[Any]
    """As `_EVENT`, with places in `senders` and `kinds` for words, which have no numbers yet."""
    senders: list[str]
    kinds: list[str]
    """Types that Celery does not know."""
    fields: dict[int, bytes]
    """JSON, by place, of events of those types."""

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        texts = sum(map(getsizeof, chain(self.senders, self.kinds, self.fields.values())))
        return int(self.rows.nbytes) + texts + 100 * len(self.fields)


def pack(events: Sequence[Event], veiled: Callable[[Any], Any]) -> Packed:
    """Pack a batch. `veiled` takes secrets out of an event's own type and fields."""
    types = [CODES.get(event.type, OTHER) for event in events]
    fields, kinds = dict[int, bytes](), dict[str, int]()
    if OTHER in types:
        events = [event for event in events if not is_beat(event)]
        types = [CODES.get(event.type, OTHER) for event in events]
        for place, kind in enumerate(types):
            if kind == OTHER:
                event = events[place]
                types[place] = OWN_KIND + kinds.setdefault(veiled(event.type), len(kinds))
                told = veiled(event.extra or {})
                fields[place] = json.dumps(told, default=repr, separators=(",", ":")).encode()
    senders = {name: place for place, name in enumerate(dict.fromkeys(event.hostname for event in events))}
    rows: npt.NDArray[Any] = np.empty(len(events), dtype=_EVENT)
    rows["task"] = np.frombuffer(keys_of([event.uuid for event in events]), dtype="V16")
    rows["at"] = np.nan_to_num([event.timestamp for event in events], nan=0.0, posinf=0.0, neginf=0.0)
    rows["received"] = [event.received for event in events]
    rows["clock"] = [event.clock % _LONGEST if event.clock else 0 for event in events]
    rows["type"], rows["worker"] = types, [senders[event.hostname] for event in events]
    return Packed(rows, list(senders), list(kinds), fields)


def copied(packed: Packed, number_of: Callable[[str], int]) -> Iterator[bytes]:
    """Events in the binary format of COPY, without its head and tail; `number_of` gives words numbers."""
    rows: npt.NDArray[Any] = np.zeros(len(packed.rows), dtype=_ROW)
    rows["fields"] = 7
    for name, length in _LENGTHS.items():
        rows[name] = length
    for name in _EVENT.names or ():
        rows[name] = packed.rows[name]
    if len(rows):
        rows["worker"] = np.array([number_of(name) for name in packed.senders])[packed.rows["worker"]]
    for kind, name in enumerate(packed.kinds):
        rows["type"][packed.rows["type"] == OWN_KIND + kind] = OWN_KIND + number_of(name)
    start = 0
    for place, told in sorted(packed.fields.items()):
        yield rows[start:place].tobytes()
        rows["l7"][place] = len(told)
        yield rows[place : place + 1].tobytes() + told
        start = place + 1
    yield rows[start:].tobytes()
