"""Rows as PostgreSQL takes them in, many at once: texts it can hold, and events in its binary format."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event
from lazycelery.store.values import NUL

REAL = "\x01"
"""Stands for `NUL`, which no text of PostgreSQL can hold, before a text that is JSON of the real value."""
NO_TASK = bytes(16)
_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TAIL = struct.pack(">h", -1)
_LONGEST = 1 << 63
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *(("l1", ">i4"), ("task", "V16"), ("l2", ">i4"), ("at", ">f8"), ("l3", ">i4"), ("received", ">f8")),
        *(("l4", ">i4"), ("clock", ">i8"), ("l5", ">i4"), ("type", ">i4"), ("l6", ">i4"), ("worker", ">i4")),
        ("l7", ">i4"),
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


def events_in(
    batch: Sequence[Event], types: Sequence[int], workers: Sequence[int], fields: dict[int, Any]
) -> Iterable[bytes]:
    """A batch in the binary format of COPY; `fields` by place, of events of kinds that Celery does not
    know."""
    rows: npt.NDArray[Any] = np.zeros(len(batch), dtype=_ROW)
    rows["fields"] = 7
    for name, length in _LENGTHS.items():
        rows[name] = length
    rows["task"] = np.frombuffer(keys_of([event.uuid for event in batch]), dtype="V16")
    rows["at"] = np.nan_to_num([event.timestamp for event in batch], nan=0.0, posinf=0.0, neginf=0.0)
    rows["received"] = [event.received for event in batch]
    rows["clock"] = [event.clock % _LONGEST if event.clock else 0 for event in batch]
    rows["type"], rows["worker"] = types, workers
    yield _HEAD
    if not fields:
        yield rows.tobytes()
    else:
        start = 0
        for place in sorted(fields):
            yield rows[start:place].tobytes()
            told = json.dumps(fields[place], default=repr, separators=(",", ":")).encode()
            rows["l7"][place] = len(told)
            yield rows[place : place + 1].tobytes() + told
            start = place + 1
        yield rows[start:].tobytes()
    yield _TAIL
