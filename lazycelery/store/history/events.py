"""Task events as a history file keeps them: a batch is a few packed columns, about 25 bytes an event.

What an event says of its task stands in the task's row; here is when which event came from whom. Events of
kinds that Celery does not know keep their own fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


class Batch:
    """A batch out of a file, its columns as they stand there."""

    def __init__(self, body: bytes) -> None:
        """Raises `ValueError` (`msgspec.DecodeError` is one) for what is none."""
        packed = _decode(body)
        self.types = np.frombuffer(packed.types, np.uint8)
        self.at, self.received = (np.frombuffer(told, "<f8") for told in (packed.at, packed.received))
        self.workers, self.tasks = (np.frombuffer(told, "<u4") for told in (packed.workers, packed.tasks))
        self.others = packed.others
        if len({len(each) for each in (self.types, self.at, self.received, self.workers, self.tasks)}) > 1:
            raise ValueError("columns of several lengths")

    def kept(self, places: Iterable[int]) -> Iterator[Kept]:
        """The events at these places, which count from the oldest one."""
        for place in places:
            code, other = int(self.types[place]), self.others.get(place)
            yield Kept(
                other[0] if other else TYPES[code] if code < len(TYPES) else "unknown",
                float(self.at[place]),
                float(self.received[place]),
                int(self.workers[place]),
                int(self.tasks[place]),
                other[1] if other else {},
            )


def columns_of(body: bytes) -> tuple[list[int | str], list[float], list[int], list[int]]:
    """Of a batch: kinds (by number, the name of one that Celery does not know), the senders' clocks, and the
    numbers of workers and tasks. Raises `ValueError` for what is none."""
    batch = Batch(body)
    kinds: list[int | str] = batch.types.tolist()
    for place, (name, _) in batch.others.items():
        kinds[place] = name
    return kinds, batch.at.tolist(), batch.workers.tolist(), batch.tasks.tolist()


def unpack(body: bytes) -> Iterator[Kept]:
    """The events of a batch, oldest first. Raises `ValueError` for what is none."""
    batch = Batch(body)
    return batch.kept(range(len(batch.types)))
