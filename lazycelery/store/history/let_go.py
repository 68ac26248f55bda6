"""What a recorder did not write because it was let go under load, or the medium refused it for too long: hour
by hour among the figures of the history itself, for whoever reads it later."""

from __future__ import annotations

import contextlib
import math

import msgspec

from lazycelery.model.history import HistoryStatus, NotKept
from lazycelery.model.relief import Relief
from lazycelery.store.history.storage import Hour, Part, Unreadable
from lazycelery.store.statistics import HOUR

KIND = "let-go"
"""Of such rows in `statistics`; their key is the run of a recorder, so that each one has its own."""
FIELDS = ("successes", "texts", "waiting", "missed", "dropped", "dropped_tasks", "dropped_notes")
"""In the order of the counts; only ever append. `missed` is in thousandths of a second."""

_encode = msgspec.msgpack.Encoder().encode
_counts = msgspec.msgpack.Decoder(list[int]).decode


def total(relief: Relief, status: HistoryStatus) -> list[int]:
    """All that was let go and dropped in this run, as `FIELDS`."""
    missed = int(relief.missed * 1000)
    kept_out = (status.dropped, status.dropped_tasks, status.dropped_notes)
    return [relief.successes, relief.texts, relief.waiting, missed, *kept_out]


class Noting:
    """Of one run: what is to be written of the present hour."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._hour = 0
        self._before, self._last = [0] * len(FIELDS), [0] * len(FIELDS)
        """In all, as the hour began, and when it was asked for last."""

    def passed_over(self, counts: list[int]) -> None:
        """Another one records: what we let go meanwhile is in the history."""
        self._before = self._last = counts

    def due(self, now: float, counts: list[int]) -> Hour | None:
        """The hour's row, where it has changed; `counts` are those of the run."""
        hour = int(now // HOUR * HOUR)
        if hour != self._hour:  # What came since the last look counts to the hour that has begun.
            self._hour, self._before = hour, self._last
        if counts == self._last:
            return None
        self._last = counts
        own = [after - before for after, before in zip(counts, self._before, strict=True)]
        return Hour(hour, KIND, self._run, _encode(own), _encode({}), _encode({}))


def told(known: NotKept | None, part: Part, counted: set[tuple[int, str]]) -> NotKept | None:
    """What a part tells, on top of what is known; `None` for nothing. What cannot be read is left out.
    `counted`: the hours of runs that newer parts told, all of each: where a file is followed by another one
    within an hour, that one goes on with its counts."""
    hours: list[Hour] = []
    with contextlib.suppress(Unreadable):
        hours = part.hours(0, math.inf, KIND)
    for hour in hours:
        try:
            counts = dict(zip(FIELDS, _counts(hour.counts), strict=False))
        except (msgspec.DecodeError, TypeError):
            continue
        if (hour.began, hour.key) in counted:
            continue
        counted.add((hour.began, hour.key))
        known = known or NotKept(since=float(hour.began), until=float(hour.began) + HOUR)
        known.since = min(known.since, float(hour.began))
        known.until = max(known.until, float(hour.began) + HOUR)
        for name, number in counts.items():
            more = number / 1000 if name == "missed" else number
            setattr(known, name, getattr(known, name) + more)
    return known
