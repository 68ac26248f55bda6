"""What a batch of events told, as numbers: statistics and history want many of them at once."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import choices
from sys import getsizeof
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event

TYPES = (
    *("task-sent", "task-received", "task-started", "task-succeeded", "task-failed", "task-retried"),
    *("task-revoked", "task-rejected", "task-cancelled", "worker-online", "worker-offline"),
)
"""The order stands in files of the history: only ever append."""
CODES = {name: code for code, name in enumerate(TYPES)}
OTHER = 255
"""The number of all other kinds."""
COUNTED_BEFORE = 256
"""Comes on top of the kind of an event that was counted when it was held back."""
WIDTH = 6
NO_SPAN = -1.0
BATCH = 700
"""Bytes that a batch takes beside what is in it, about."""
EVENT = 700
"""Bytes that an event takes beside its long texts and its own fields, about."""
LOOKED_AT = 16
"""Events of a batch of which the size of all is told."""
LATEST = 1e12
"""Seconds: no calendar knows later times."""
Matrix = npt.NDArray[np.float64]
NOTHING_TOLD: Matrix = np.empty((0, WIDTH))


class Told(NamedTuple):
    """A batch as the store took it in."""

    numbers: Matrix
    """An event a row: its kind by `CODES`; its task's slot, -1 for none; the worker's number; seconds it
    waited or ran, or `NO_SPAN`; the sender's clock, ours."""
    rows: npt.NDArray[np.int64]
    """The identity of each one's task; 0 where it has left its slot."""
    others: dict[int, Event]
    """Events of other kinds, by their place among them."""
    signs: Sequence[Event]
    """What workers told of themselves, heartbeats among it."""
    events: Sequence[Event] = ()
    """All of its events, but those that are let go under load."""
    refused: Sequence[Event] = ()
    """Those of them that made no sense: they are in no other part of this."""
    packed: Any = None
    """The same as a recording packs them that needs them itself: what waits long takes little room."""


def matrix(numbers: list[float]) -> Matrix:
    """Numbers of events, one after the other, as rows."""
    # `struct` reads a list a third faster than numpy does.
    return np.frombuffer(bytearray(struct.pack(f"{len(numbers)}d", *numbers))).reshape(-1, WIDTH)


def joined(before: Told, after: Told) -> Told:
    """Two batches as one; neither is packed."""
    others, first = dict(before.others), len(before.rows)
    others.update({first + place: event for place, event in after.others.items()})
    return Told(
        np.concatenate([before.numbers, after.numbers]),
        np.concatenate([before.rows, after.rows]),
        others,
        [*before.signs, *after.signs],
        [*before.events, *after.events],
        [*before.refused, *after.refused],
    )


def weight(told: Told) -> int:
    """Bytes that a batch takes in memory, about, without what workers told of themselves. Of many events some
    are looked at, by chance: nobody can send long texts just where nobody looks."""
    size: int = BATCH + told.numbers.nbytes + told.rows.nbytes
    if told.packed is not None:
        size += told.packed.size
    if told.others:
        size += sum(map(_own_fields, told.others.values()))
    if events := told.events:
        some = events if len(events) <= LOOKED_AT else choices(events, k=LOOKED_AT)
        size += sum(map(_texts, some)) * len(events) // len(some)
    return size


def _texts(event: Event) -> int:
    size = EVENT
    for text in (event.args, event.kwargs, event.result, event.exception, event.traceback):
        if text is not None:
            size += getsizeof(text)
    return size


def _own_fields(event: Event) -> int:
    """What the event holds that no other kind has."""
    size, left = EVENT, [event.type, event.extra]
    while left:
        value: Any = left.pop()
        size += getsizeof(value)
        if isinstance(value, dict):
            left += value
            left += value.values()
        elif isinstance(value, (list, tuple)):
            left += value
    return size


def is_beat(event: Event) -> bool:
    """A heartbeat, or another report of a worker that is no event of its life."""
    return event.type.startswith("worker-") and event.type not in CODES
