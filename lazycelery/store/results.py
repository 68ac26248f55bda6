"""What documents of the result backend say of tasks, into the columns."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from lazycelery.model.reports import ResultReport
from lazycelery.model.states import OF_RESULT, State
from lazycelery.model.text import short_value
from lazycelery.store import marks
from lazycelery.store.attempts import RACE, result_before
from lazycelery.store.columns import Columns, PastAttempt
from lazycelery.store.fields import EventFields
from lazycelery.store.reports import YOUNG
from lazycelery.store.runs import ENDED
from lazycelery.store.told_fields import SAME_RUN, ToldFields
from lazycelery.store.values import MAX_TEXT, MAX_TRACEBACK, bounded, encode

NOT_STARTED = frozenset({State.UNKNOWN, State.WAITING, State.SCHEDULED, State.RECEIVED, State.LOST})


class ResultMerge(ToldFields):
    """Writes documents into the columns."""

    def __init__(
        self,
        columns: Columns,
        fields: EventFields,
        skew: Callable[[int], float],
        runs: Callable[[str | None], tuple[float, Collection[str]] | None],
    ) -> None:
        """`runs`: when a worker told last what it runs, our clock, and that."""
        super().__init__(columns, fields, skew)
        self._runs = runs

    def result(self, report: ResultReport, at: float) -> int | None:
        """A document of the result backend."""
        state = OF_RESULT.get(report.status, State.STARTED)
        if state is State.UNKNOWN:
            return None
        columns = self.columns
        slot = self._slot(report.id, at, "result")
        self._word(slot, "name", report.name, "result")
        if report.queue is not None and not columns.queue[slot]:
            self._word(slot, "queue", report.queue, "result")
        self._arguments(slot, report.args, report.kwargs, "result", safe=False)
        self._family(slot, None, report.parent_id, report.group_id, "result")
        if report.children:
            columns.extras(slot).children = tuple(bounded(child, 512) for child in report.children[:10_000])
        if report.retries is not None and report.retries > columns.retries[slot]:
            columns.retries[slot] = min(report.retries, 32_767)
        if state in ENDED or state is State.RETRY:
            self._result_end(slot, report, state, at)
        else:
            self._result_progress(slot, report, state, at)
        return slot

    def _result_progress(self, slot: int, report: ResultReport, state: State, at: float) -> None:
        columns = self.columns
        if self._over(slot, report) and not self._goes_on(slot, report):
            return
        told = report.result if isinstance(report.result, dict) else {}
        if report.status not in OF_RESULT:
            columns.extras(slot).progress = encode(report.result)[0]
        if report.status == "STARTED":
            pid, worker = told.get("pid"), told.get("hostname")
            columns.extras(slot).pid = pid if isinstance(pid, int) else columns.extras(slot).pid
            if isinstance(worker, str) and not columns.worker[slot]:
                self._word(slot, "worker", worker, "result")
        if columns.state[slot] in NOT_STARTED:
            began = columns.started[slot] if state is State.STARTED else at
            columns.set_state(slot, state, began if began <= at else at)
            columns.tell(slot, "state", "result")
            columns.marks[slot] &= ~marks.UNSEEN

    def _over(self, slot: int, report: ResultReport) -> bool:
        """Whether the run that is known has ended without a word: it counts as lost, or its worker did not
        run it any more. A document says only that it once began."""
        columns = self.columns
        bits, started = columns.marks[slot], columns.started[slot]
        if bits & marks.RUN_LOST or started != started:
            return bits & marks.RUN_LOST != 0
        if bits & marks.ENDED_UNSEEN:
            return True
        if report.status != "STARTED" or columns.state[slot] != State.UNKNOWN:
            return False
        if (told := self._runs(columns.workers.texts[columns.worker[slot]])) is None:
            return False
        asked, running = told
        gone = started - self.skew(columns.worker[slot]) < asked - YOUNG and columns.id[slot] not in running
        if gone:
            columns.marks[slot] |= marks.ENDED_UNSEEN
        return gone

    def _goes_on(self, slot: int, report: ResultReport) -> bool:
        """Whether a document of a run that is over is news: the old one can be read again."""
        columns = self.columns
        told = report.result if isinstance(report.result, dict) else {}
        extra = columns.extra.get(slot)
        if report.status != "STARTED":
            return extra is None or extra.progress != encode(report.result)[0]
        pid, known = told.get("pid"), extra.pid if extra is not None else None
        other = isinstance(pid, int) and known is not None and pid != known
        if not other and told.get("hostname") in (None, columns.workers.texts[columns.worker[slot]]):
            return False
        self._delivered_again(slot)
        return True

    def _result_end(self, slot: int, report: ResultReport, state: State, at: float) -> None:
        columns = self.columns
        done = report.date_done
        if done is None:
            done = at + self.skew(columns.worker[slot])
        past = result_before(columns, slot, done, state, report.date_done is not None)
        if past is not None:
            _past_end(past, report, state, done)
            if state is State.RETRY and report.result is not None and self._waits_for_retry(slot):
                self.fields.text(slot, "error", error_text(report.result))
            return
        if self._stale(slot, done, state):
            return
        over = columns.state[slot] == state and columns.finished[slot] == columns.finished[slot]
        if not over:
            columns.set_state(slot, state, done)
            columns.tell(slot, "state", "result")
            columns.finished[slot] = done
            columns.tell(slot, "finished", "result")
            self.fields.runtime(slot)
        columns.marks[slot] &= ~marks.UNSEEN
        if report.worker and not columns.worker[slot]:
            self._word(slot, "worker", report.worker, "result")
        self._outcome(slot, report, state)

    def _stale(self, slot: int, done: float, state: State) -> bool:
        """Whether a result speaks of an attempt before the present one."""
        columns = self.columns
        old = columns.state[slot]
        if old in ENDED:
            return columns.finished[slot] > done + SAME_RUN or (
                old != state and not columns.finished[slot] < done
            )
        if state is State.RETRY:
            return self._stale_retry(slot, done)
        return columns.started[slot] > done + SAME_RUN or columns.received[slot] > done + SAME_RUN

    def _stale_retry(self, slot: int, done: float) -> bool:
        columns = self.columns
        began = [columns.sent[slot], columns.received[slot], columns.started[slot]]
        known = [at for at in began if at == at]
        if not known:
            return columns.state[slot] != State.UNKNOWN
        # More retries than attempts that we saw: it may be one of those that we did not see.
        unseen = columns.retries[slot] > columns.attempt[slot]
        return max(known) > done + (-RACE if unseen else RACE)

    def _waits_for_retry(self, slot: int) -> bool:
        columns = self.columns
        return columns.started[slot] != columns.started[slot] and columns.state[slot] not in ENDED

    def _outcome(self, slot: int, report: ResultReport, state: State) -> None:
        columns = self.columns
        if state is State.SUCCESS:
            text, cut = encode(report.result)
            if report.status != "IGNORED":
                columns.result[slot] = text
                self._cut(slot, "result", cut or report.cut)
                columns.tell(slot, "result", "result")
            return
        if report.result is not None:
            columns.error[slot] = error_text(report.result)
            self._cut(slot, "error", report.cut)
            columns.tell(slot, "error", "result")
        if report.traceback is not None:
            columns.traceback[slot] = bounded(report.traceback, MAX_TRACEBACK)
            columns.tell(slot, "traceback", "result")


def _past_end(past: PastAttempt, report: ResultReport, state: State, done: float) -> None:
    if past.finished != past.finished:
        past.finished, past.state, past.by_result = done, state, True
    if state is not State.SUCCESS:
        if past.error is None and report.result is not None:
            past.error = error_text(report.result)
        if past.traceback is None and report.traceback is not None:
            past.traceback = bounded(report.traceback, MAX_TRACEBACK)


def error_text(result: Any) -> str:
    """An exception as a result document tells it, the way an event would: `ValueError('boom')`."""
    if not isinstance(result, dict) or not isinstance(result.get("exc_type"), str):
        return bounded(result)
    message = result.get("exc_message")
    parts = message if isinstance(message, (list, tuple)) else [message]
    said = ", ".join(short_value(part, MAX_TEXT) for part in parts if part is not None)
    return bounded(f"{result['exc_type']}({said})")
