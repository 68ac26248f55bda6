"""Back in a recording, and on again: not from its beginning, but from a moment that was kept on the way."""

from __future__ import annotations

import logging
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from lazycelery.engine.metrics import Meter
from lazycelery.engine.slices import in_slices
from lazycelery.store.checkpoint import Checkpoint, Keeper
from lazycelery.store.tasklog import TaskLog

if TYPE_CHECKING:
    from lazycelery.engine.parts import Parts
    from lazycelery.engine.periodic import Periodic
    from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

EVENTS, SECONDS = 25_000, 300.0
"""Between two moments that are kept: each takes a quarter of a second of playing."""
MOST = 200
"""Moments that are kept; of the older ones every second one is let go then."""
HEAVIEST = 200_000
"""Workers, queues and names in all of them together."""
NEWEST = 20
"""Moments that stay."""
MOST_BYTES = 8 << 30
ROOM = 1 << 30
"""Bytes that stay free on the disk."""
NO_ROOM = "There is no room for temporary files: going back far in this recording takes longer."


class Moment(NamedTuple):
    """A moment that was kept."""

    at: float
    events: int
    spot: Any
    logged: int
    checkpoint: Checkpoint
    meter: Meter


class Rewound(NamedTuple):
    """What an engine begins with, instead of nothing."""

    rewinder: Rewinder
    moment: Moment | None
    """`None`: the recording's beginning."""
    store: Store | None
    periodic: Periodic | None


class Rewinder:
    """Keeps moments of one recording, for as long as any engine plays it."""

    def __init__(self) -> None:
        self._log: TaskLog | None = None
        self._keeper: Keeper | None = None
        self._moments: list[Moment] = []
        self._from: Moment | None = None
        """What the store of now went on from."""
        self.notes: list[str] = []

    async def passed(self, parts: Parts) -> None:
        """Keep this moment, where it is time."""
        player, store = parts.player, parts.store
        if player is None or self.notes:
            return
        last, events, at = self._from, store.events_seen(), player.reached()
        if self._moments and at <= self._moments[-1].at:
            return  # It was here before.
        began = player.reel().start if last is None else last.at
        if events - (last.events if last is not None else 0) < EVENTS and at - began < SECONDS:
            return
        try:
            if self._keeper is None or self._log is None:
                self._log = TaskLog(tempfile.TemporaryFile(prefix="lazycelery-"))  # noqa: SIM115
                self._keeper = Keeper(self._log)
            if self._log.size > MOST_BYTES or shutil.disk_usage(tempfile.gettempdir()).free < ROOM:
                raise OSError("no room")
            spot = player.spot()
            before = last.checkpoint if last is not None else None
            checkpoint = await in_slices(self._keeper.take(store, before, parts.periodic))
        except OSError as problem:
            logger.warning("moments of the recording are no longer kept: %s", problem)
            self.notes = [NO_ROOM]
            parts.changes.status()
            return
        self._from = Moment(at, events, spot, parts.log.last, checkpoint, parts.meter.copy())
        self._moments.append(self._from)
        self._thin()

    def _thin(self) -> None:
        while len(self._moments) > NEWEST + 2 and (
            len(self._moments) > MOST or sum(one.checkpoint.weight for one in self._moments) > HEAVIEST
        ):
            old, new = self._moments[:-NEWEST], self._moments[-NEWEST:]
            self._moments = old[1::2] + new

    def kept_ahead(self, at: float, events: int) -> bool:
        """Whether a moment on the way to another one was kept that is so far ahead that nobody should play up
        to there again; `events` were heard until now."""
        moment = self._before(at)
        return moment is not None and moment.events - events > EVENTS

    def _before(self, at: float) -> Moment | None:
        return next((one for one in reversed(self._moments) if one.at <= at), None)

    async def back(self, at: float, max_tasks: int, left: Store) -> Rewound:
        """The last moment before another one. An engine plays on from there, with the tasks of the store that
        is left: nobody reads that again."""
        moment = self._before(at)
        came, self._from = self._from, moment
        if moment is None:
            left.columns.let_go()  # Else there are two of a million tasks for a while.
        if moment is not None and self._keeper is not None:
            stage = came.checkpoint.stage if came is not None else None
            try:
                steps = self._keeper.restore(moment.checkpoint, max_tasks, left, stage)
                store, periodic = await in_slices(steps)
                return Rewound(self, moment, store, periodic)
            except OSError as problem:
                logger.warning("a moment of the recording cannot be read again: %s", problem)
                self._moments, self._from = [], None
        return Rewound(self, None, None, None)

    def close(self) -> None:
        """Let go of the file."""
        if self._log is not None:
            self._log.close()
