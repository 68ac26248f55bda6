"""Whether an event belongs to the present run of a task or begins another one.

The order of arrival proves little: batches are unordered, workers are many, `received` of the next run
may come before `retried` of the last, and a result before the events of the run that it ends.
"""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.attempts import RACE, ended_by_result, open_attempt, received_before, started_before
from lazycelery.store.columns import NAN, Columns

ENDED = frozenset(map(int, (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED)))
UNKNOWN, RETRY = int(State.UNKNOWN), int(State.RETRY)


class Runs:
    """Decides, and opens an attempt where one begins. Events come with their sender's clock."""

    def __init__(self, columns: Columns, skew: Callable[[int], float]) -> None:
        self.columns = columns
        self.skew = skew
        """Seconds by which a worker's clock is ahead of ours."""

    def over(self, slot: int) -> bool:
        """Whether the present attempt has ended."""
        columns = self.columns
        state = columns.state[slot]
        return state in ENDED or (state == RETRY and columns.finished[slot] == columns.finished[slot])

    def sent_again(self, slot: int, at: float, retries: int) -> bool:
        """Whether a publication begins another run; the attempt is opened by whoever asks."""
        columns = self.columns
        known = columns.retries[slot]
        if self._before_end(slot, at):
            self._pass_end_on(slot, retries)
            return False
        if retries > known >= 0:
            return True
        if known < 0 and retries > 0:
            # how often it ran before was not seen: later than the known start means one run more
            return columns.started[slot] < at
        # the same count sent twice: `replace`, or somebody's own publish under the old id
        return retries == known and columns.sent[slot] < at and columns.started[slot] < at

    def received_again(self, slot: int, worker: int, at: float, retries: int) -> bool:
        """Whether a reception of a task that is already under way is to be written to (the then)
        present attempt; opens another one when it begins one."""
        columns = self.columns
        received, known = columns.received[slot], columns.retries[slot]
        if (received == at and columns.worker[slot] == worker) or received_before(
            columns, slot, worker, at, retries
        ):
            return False
        if self._before_end(slot, at):
            return self._pass_end_on(slot, retries) or not received > at
        if retries > known >= 0:
            open_attempt(columns, slot, retries)
            columns.set_state(slot, RETRY, at)
            return True
        if 0 <= retries < known:
            return False
        if received != received and self._late_reception(slot, worker, at, retries):
            return True
        if received > at:
            return False
        again = retries == known or (known < 0 and not retries)
        open_attempt(columns, slot, retries)
        columns.set_state(slot, UNKNOWN, at)
        if again:
            columns.marks[slot] |= marks.DELIVERED_AGAIN
        return True

    def is_old_start(self, slot: int, worker: int, at: float) -> bool:
        """Whether a start tells nothing new of the present attempt; opens another one when it begins one."""
        columns = self.columns
        started = columns.started[slot]
        if columns.attempt[slot] and started_before(columns, slot, worker, at):
            return True
        mine = columns.worker[slot] in (0, worker)
        fits = mine and not columns.received[slot] > at
        if started != started and fits and self._in_time(slot, worker, at):
            return False
        if started == at and mine:
            return True
        if self._before_end(slot, at):
            return started > at
        if started > at or (started != started and not mine and columns.received[slot] > at):
            return True
        if started != started and mine and columns.received[slot] > at and columns.state[slot] not in ENDED:
            # its worker's clock went back between the two
            return False
        retried = columns.state[slot] == RETRY
        known = columns.retries[slot]
        if retried and started != started and columns.finished[slot] != columns.finished[slot]:
            # the retry was sent, its reception was not seen
            return False
        open_attempt(columns, slot, known + 1 if retried and known >= 0 else known)
        if not retried:
            columns.marks[slot] |= marks.DELIVERED_AGAIN
        columns.set_state(slot, UNKNOWN, at)
        return False

    def ends(self, slot: int, at: float, state: int) -> bool:
        """Whether an event's end may replace what is known of the present attempt."""
        columns = self.columns
        old, finished = columns.state[slot], columns.finished[slot]
        if old == state:
            return not finished >= at or (ended_by_result(columns, slot) and finished <= at + RACE)
        if old == State.REJECTED and state == State.FAILURE:
            # celery says both for one Reject
            columns.marks[slot] |= marks.ALSO_REJECTED
            return True
        if old in ENDED or old == RETRY:
            return not finished > at
        return True

    def _late_reception(self, slot: int, worker: int, at: float, retries: int) -> bool:
        columns = self.columns
        if columns.worker[slot] not in (0, worker) or columns.started[slot] < at:
            return False
        if columns.state[slot] == RETRY and columns.retries[slot] != retries:
            # received after a retry whose number is unknown: the next run
            return not columns.finished[slot] < at
        return self._in_time(slot, worker, at)

    def _in_time(self, slot: int, worker: int, at: float) -> bool:
        """Whether a moment is not after the end of the present attempt. The child writes a result
        before the main process sends the events of the run: those may be a little later."""
        finished = self.columns.finished[slot]
        if not finished < at:
            return True
        return ended_by_result(self.columns, slot) and at <= finished + RACE + abs(self.skew(worker))

    def _before_end(self, slot: int, at: float) -> bool:
        """Whether a moment lies before an end that is known: nothing that was then begins a later run."""
        return self.columns.state[slot] in ENDED and at <= self.columns.finished[slot]

    def _pass_end_on(self, slot: int, retries: int) -> bool:
        """A retry that was before the known end: what began earlier was retried, the end is the retry's."""
        columns = self.columns
        if not retries > columns.retries[slot] >= 0:
            return False
        state, since, told = columns.state[slot], columns.since[slot], columns.told[slot]
        finished, runtime = columns.finished[slot], columns.runtime[slot]
        columns.finished[slot] = NAN
        columns.set_state(slot, RETRY, since)
        open_attempt(columns, slot, retries)
        past = columns.extra[slot].past[-1]
        past.error = past.traceback = None
        past.by_result = False
        columns.set_state(slot, state, since)
        columns.finished[slot], columns.runtime[slot], columns.told[slot] = finished, runtime, told
        return True
