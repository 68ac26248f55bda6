"""Runs that ended with their worker: nobody will ever say how, and they must not look as if they ran."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.columns import Columns
from lazycelery.store.worker_views import alive, lost_since
from lazycelery.store.workers import WorkerRecord, Workers

PATIENCE = 30.0
"""Seconds without a word from worker and task, before a run counts as lost."""
COMING_BACK = 10.0
"""Seconds more after we saw nothing: workers try to connect every 30 s at least, and then have to beat."""
LOOK_EVERY = 5.0
AWAY = PATIENCE
"""Seconds between two looks from which on we were away ourselves, and cannot blame a worker."""
PAUSE = 120.0
"""Seconds by which a clock must go back to be believed: late events come with their own times."""
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
        """Before that moment we saw no events: silence then was ours, and soon after it that of workers which
        come back one by one."""
        self._watching = max(self._watching, at + COMING_BACK)

    def clock_set(self, by: float) -> None:
        """Our clock was set."""
        self._looked, self._watching = self._looked + by, self._watching + by
        for judged in self._judged.values():
            judged.since += by

    def look(self, now: float) -> None:
        """Judge the runs of lost workers, and take it back for workers that live. May be called often."""
        if -PAUSE < now - self._looked < LOOK_EVERY or not math.isfinite(now):
            return
        if not -PAUSE <= now - self._looked <= AWAY:
            self._watching = max(self._watching, now) if now > self._looked else now
        self._looked = now
        known = self.workers.known
        gone = {
            name: since for name, record in known.items() if (since := lost_since(record, now)) is not None
        }
        for name in [name for name in self._judged if name in known and self._lives(known[name], now)]:
            self._revive(known[name], self._judged.pop(name))
        for name in [name for name in self._judged if name not in known]:
            del self._judged[name]
        overdue = {n: since for n, since in gone.items() if now - max(since, self._watching) > PATIENCE}
        if overdue and self.columns.by_state[STARTED]:
            self._judge(overdue, now)

    def _lives(self, record: WorkerRecord, now: float) -> bool:
        """Whether it was heard again: while the broker is away, and soon after, nobody is thought gone."""
        sign = max(record.heartbeat or 0.0, record.control or 0.0, record.last_seen or 0.0)
        return alive(record, now) and sign > self._judged[record.name].since

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
        if extra is not None and since < extra.message_seen <= now + PATIENCE:
            # nobody acknowledged its message: the broker will deliver it again
            state = WAITING
        elif abs(now - columns.seen[slot]) < PATIENCE:  # Later than now: before the clock was set back.
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
