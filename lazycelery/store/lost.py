"""Runs that ended with their worker: nobody will ever say how, and they must not look as if they ran."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.columns import Columns
from lazycelery.store.worker_views import lost_since
from lazycelery.store.workers import WorkerRecord, Workers

PATIENCE = 30.0
"""Seconds without a word from worker and task, before a run counts as lost."""
LOOK_EVERY = 5.0
PAUSE = 120.0
"""Seconds between two looks from which on we were away ourselves, and cannot blame a worker."""
WAITING, STARTED, LOST = int(State.WAITING), int(State.STARTED), int(State.LOST)


@dataclass
class Judged:
    """The runs that were lost with a worker, by slot and row, in case that it lives after all."""

    pid: int | None
    since: float
    slots: dict[int, int] = field(default_factory=dict)


class LostRuns:
    """Looks after tasks that run on workers that are gone. `now`: our clock."""

    def __init__(self, columns: Columns, workers: Workers) -> None:
        self.columns = columns
        self.workers = workers
        self._looked = -math.inf
        self._watching = -math.inf
        """Since when we see without a break."""
        self._judged: dict[str, Judged] = {}

    def blind_until(self, at: float) -> None:
        """Before that moment we saw no events: silence then was ours."""
        self._watching = max(self._watching, at)

    def look(self, now: float) -> None:
        """Judge the runs of lost workers, and take it back for workers that live. May be called often."""
        if -PAUSE < now - self._looked < LOOK_EVERY or not math.isfinite(now):
            return
        if abs(now - self._looked) > PAUSE:
            self._watching = now
        self._looked = now
        known = self.workers.known
        gone = {
            name: since for name, record in known.items() if (since := lost_since(record, now)) is not None
        }
        for name in [name for name in self._judged if name not in gone]:
            judged = self._judged.pop(name)
            if name in known:  # Not forgotten meanwhile.
                self._revive(known[name], judged)
        overdue = {n: since for n, since in gone.items() if now - max(since, self._watching) > PATIENCE}
        if overdue and self.columns.by_state[STARTED]:
            self._judge(overdue, now)

    def _judge(self, overdue: dict[str, float], now: float) -> None:
        columns = self.columns
        names = {code: name for name in overdue if (code := columns.workers.codes.get(name))}
        running = np.flatnonzero(columns.vector("state") == STARTED)
        running = running[np.isin(columns.vector("worker")[running], list(names))]
        for slot in running.tolist():
            name = names[columns.worker[slot]]
            if self._lose(slot, overdue[name], now):
                judged = self._judged.get(name) or Judged(self.workers.known[name].pid, overdue[name])
                judged.slots[slot] = columns.row[slot]
                self._judged[name] = judged

    def _lose(self, slot: int, since: float, now: float) -> bool:
        columns = self.columns
        extra = columns.extra.get(slot)
        if extra is not None and extra.message_seen > since:
            # nobody acknowledged its message: the broker will deliver it again
            state = WAITING
        elif columns.seen[slot] > now - PATIENCE:
            return False
        else:
            state = LOST
        columns.set_state(slot, state, since)
        columns.tell(slot, "state", "inferred")
        columns.marks[slot] |= marks.RUN_LOST
        columns.touch(slot)
        return True

    def _revive(self, record: WorkerRecord, judged: Judged) -> None:
        """The worker was not gone; unless it is another process under the old name."""
        if record.pid != judged.pid or record.online > judged.since:
            return
        columns = self.columns
        for slot, row in judged.slots.items():
            if columns.row[slot] == row and columns.marks[slot] & marks.RUN_LOST:
                run_again_alive(columns, slot)
                columns.touch(slot)


def run_again_alive(columns: Columns, slot: int) -> None:
    """A run that counted as lost goes on."""
    started = columns.started[slot]
    columns.marks[slot] &= ~marks.RUN_LOST
    columns.set_state(slot, STARTED, started if started == started else columns.since[slot])
