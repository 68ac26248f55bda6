"""What is done once a second: levels and load are measured, and what is due goes to the history."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from lazycelery.engine.held import Held, kept_by
from lazycelery.engine.metrics import Levels
from lazycelery.engine.parts import Parts
from lazycelery.engine.slices import in_slices
from lazycelery.engine.totals import total
from lazycelery.model.queue import Queue
from lazycelery.model.worker import WorkerLoad
from lazycelery.waiting import Breath, unhurried

logger = logging.getLogger(__name__)


class Seconds:
    """Runs until it is cancelled."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._states: dict[str, str] = {}
        """Workers as they were a second ago."""
        self._held = Held(kept_by(parts.profile.broker))

    async def run(self) -> None:
        """First what a crash cut off is looked for, then every second is measured. A bug in one of them
        does not end the others."""
        parts = self._parts
        try:
            parts.cut_off = await parts.actions.cut_off()
            await parts.plans.look()
            parts.changes.status()
        except Exception:
            logger.exception("what was cut off cannot be told")
        while True:
            try:
                await parts.dealing.look()
                await self._measure()
                await in_slices(parts.store.seal_steps())
            except Exception:
                logger.exception("a second could not be measured")
            await asyncio.sleep(1)

    async def _measure(self) -> None:
        parts, now = self._parts, self._parts.clock()
        parts.load.sample()
        if parts.player is None:  # A recording tells its own seconds.
            parts.second(now, self._held.second(time.monotonic(), now, parts.links["events"]))
        breath = Breath()
        loads = dict(await unhurried(parts.store.roll.loads(now), breath))
        starts = dict(await unhurried(parts.store.roll.starts(), breath))
        queues = await in_slices(parts.store.queues_steps(now))
        await breath.take()
        await breath.take()
        self._note_aging({name: load.state for name, load in loads.items()})
        await breath.take()
        parts.overload.second(time.monotonic())
        levels = self._levels(loads.values(), queues)
        if parts.player is None:
            parts.meter.tick(now, parts.store.counted(), levels)
        else:
            parts.meter.looked(now, levels)
        await breath.take()
        for _ in parts.marks.noting(starts):
            await breath.take()
        await parts.memory.second(loads, queues, parts.examiner.notices(snoozed=True))

    def _note_aging(self, states: dict[str, str]) -> None:
        """Silence is news too: a worker may be lost although nothing arrived."""
        if states != self._states:
            self._states = states
            self._parts.changes.aged()

    def _levels(self, workers: Iterable[WorkerLoad], queues: list[Queue]) -> Levels:
        online = [worker for worker in workers if worker.state in ("online", "busy")]
        return Levels(
            backlog=total(queue.messages for queue in queues if queue.folded is None),
            unacked=total(queue.unacked for queue in queues),
            workers=len(online),
            active=total(worker.active for worker in online),
            lag=self._parts.store.lag(),
        )
