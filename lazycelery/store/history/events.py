"""Task events as a history file keeps them: a batch is a few packed columns, about 25 bytes an event.

What an event says of its task stands in the task's row; here is when which event came from whom. Events of
kinds that Celery does not know keep their own fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from lazycelery.store.told import TYPES


class Kept(NamedTuple):
    """One event out of a file."""

    type: str
    at: float
    """The sender's clock."""
    received: float
    worker: int
    """The file's number of the word."""
    task: int
    """The number of the task's row; 0 for none."""
    fields: dict[str, Any]
    """Of a kind that Celery does not know."""


class Packed(msgspec.Struct, array_like=True):
    """A batch."""

    types: bytes
    at: bytes
    received: bytes
    workers: bytes
    tasks: bytes
    others: dict[int, tuple[str, dict[str, Any]]]
    """By place: type and fields of events of other kinds."""


_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode
_decode = msgspec.msgpack.Decoder(Packed).decode


def pack(
    types: Any,
    at: Any,
    received: Any,
    workers: Any,
    tasks: Any,
    others: dict[int, tuple[str, dict[str, Any]]],
) -> bytes:
    """The columns of a batch as bytes."""
    return _encode(
        Packed(
            np.asarray(types, dtype=np.uint8).tobytes(),
            np.array(at, dtype="<f8").tobytes(),
            np.array(received, dtype="<f8").tobytes(),
            np.array(workers, dtype="<u4").tobytes(),
            np.asarray(tasks, dtype="<u4").tobytes(),
            others,
        )
    )


def renumbered(body: bytes, instead: dict[int, int]) -> bytes | None:
    """The batch with other numbers for some rows; `None` where it has none of these."""
    packed = _decode(body)
    tasks = np.frombuffer(packed.tasks, "<u4")
    places = np.flatnonzero(np.isin(tasks, np.fromiter(instead, dtype=np.int64, count=len(instead))))
    if not len(places):
        return None
    tasks = tasks.copy()
    tasks[places] = [instead[number] for number in tasks[places].tolist()]
    packed.tasks = tasks.tobytes()
    return _encode(packed)


def unpack(body: bytes) -> Iterator[Kept]:
    """The events of a batch, oldest first. Raises `msgspec.DecodeError` for what is none."""
    packed = _decode(body)
    at, received = np.frombuffer(packed.at, "<f8").tolist(), np.frombuffer(packed.received, "<f8").tolist()
    workers, tasks = (
        np.frombuffer(packed.workers, "<u4").tolist(),
        np.frombuffer(packed.tasks, "<u4").tolist(),
    )
    for place, code in enumerate(packed.types):
        other = packed.others.get(place)
        name = other[0] if other else TYPES[code] if code < len(TYPES) else "unknown"
        fields = other[1] if other else {}
        yield Kept(name, at[place], received[place], workers[place], tasks[place], fields)
