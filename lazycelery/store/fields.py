"""What task events tell besides the state: names, texts, relatives and spans of time, into the columns."""

from __future__ import annotations

from collections.abc import Set

from lazycelery.model.event import Event
from lazycelery.model.moments import epoch
from lazycelery.model.task import TRUST
from lazycelery.store import marks
from lazycelery.store.columns import Columns
from lazycelery.store.values import MAX_TRACEBACK, NUL, REPR_LIMIT, bounded, was_cut

COMMON = {text: text for text in ("{}", "()", "[]", "None", "True", "0", "1")}
"""Texts that a million tasks share."""
POOLED = 96
"""Characters of keyword arguments that are kept once, however many tasks have them."""
MOST_POOLED = 4_096
"""Different ones that are looked for; then the search begins anew, and what is frequent is found again."""


class EventFields:
    """Writes fields; none over one that a more trusted source told."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.only_queue: dict[int, int] = {}
        """Queue by worker, for workers that consume one only: what they receive was in it."""
        self.pool: dict[str, str] = {}
        """Keyword arguments that several tasks have, by themselves."""

    def describe(self, slot: int, event: Event, late: bool = False) -> None:
        """What sent and received tell of a task. `late`: the event is of a run that is over."""
        columns = self.columns
        if not columns.name[slot] and event.name is not None:
            columns.name[slot] = columns.names.code(event.name)
        if event.queue is not None and (not columns.queue[slot] or self._beats_guess(slot)):
            columns.queue[slot] = columns.queues.code(event.queue)
        if columns.args[slot] is None and event.args is not None:
            self.text(slot, "args", event.args)
        if columns.kwargs[slot] is None and event.kwargs is not None:
            self.text(slot, "kwargs", event.kwargs)
        if not late and event.retries is not None and columns.retries[slot] < event.retries:
            columns.retries[slot] = min(event.retries, 32_767)
        if event.eta is not None and not late:
            columns.eta[slot] = bounded(event.eta, 64)
        if event.expires is not None:
            columns.expires[slot] = bounded(event.expires, 64)
        if columns.root_id[slot] is None:
            self.relate(slot, event.root_id, event.parent_id)

    def relate(self, slot: int, root: str | None, parent: str | None) -> None:
        """Note root and parent. A retry names itself as its parent: no parent at all."""
        columns = self.columns
        own = columns.id[slot]
        if root is not None and columns.root_id[slot] is None:
            columns.root_id[slot] = own if root == own else self._shared(root)
        if parent is not None and parent != own and columns.parent_id[slot] is None:
            columns.parent_id[slot] = self._shared(parent)
            columns.parent[slot] = hash(parent)

    def consumes(self, worker: str, queues: Set[str]) -> None:
        """The queues that a worker consumes now."""
        code = self.columns.workers.code(worker)
        if len(queues) == 1:
            self.only_queue[code] = self.columns.queues.code(next(iter(queues)))
        else:
            self.only_queue.pop(code, None)

    def guess_queue(self, slot: int, worker: int) -> None:
        """A worker that consumes one queue took the task out of that one."""
        columns = self.columns
        if not columns.queue[slot] and worker in self.only_queue:
            columns.queue[slot] = self.only_queue[worker]
            columns.tell(slot, "queue", "inferred")

    def text(self, slot: int, field: str, text: str) -> None:
        """An event's repr of arguments, result or error."""
        columns = self.columns
        if not self._may(slot, field):
            return
        if columns.cut[slot]:
            columns.cut[slot] &= ~marks.CUTS[field]
        if type(text) is not str or len(text) >= REPR_LIMIT or text[:1] == NUL or "..." in text:
            text = bounded(text)
            if was_cut(text):
                columns.cut[slot] |= marks.CUTS[field]
        elif len(text) <= 4:
            text = COMMON.get(text, text)
        elif field == "kwargs" and len(text) <= POOLED:
            pool = self.pool
            known = pool.get(text)
            if known is None:
                if len(pool) >= MOST_POOLED:
                    pool.clear()
                pool[text] = text
            else:
                text = known
        getattr(columns, field)[slot] = text

    def traceback(self, slot: int, traceback: str) -> None:
        """The traceback of a failed run."""
        columns = self.columns
        if self._may(slot, "traceback"):
            columns.traceback[slot] = traceback
            if len(traceback) >= MAX_TRACEBACK:
                columns.cut[slot] |= marks.CUTS["traceback"]

    def wait(self, slot: int) -> None:
        """From when it was due (sent, or its ETA) to its start; negative ones are clamped. Where nobody told
        when it was sent, nobody knows how long it lay in its queue."""
        columns = self.columns
        due = columns.sent[slot]
        eta = columns.eta.get(slot)
        if eta is not None:
            at = epoch(eta)
            if at is not None and (due == due or at > columns.received[slot]):
                due = at if due != due else max(due, at)
        wait = columns.started[slot] - due
        if wait < 0:
            columns.marks[slot] |= marks.WAIT_CLAMPED
            wait = 0.0
        elif columns.marks[slot] & marks.WAIT_CLAMPED:
            columns.marks[slot] &= ~marks.WAIT_CLAMPED
        columns.wait[slot] = wait

    def runtime(self, slot: int) -> None:
        """From start to end, where nobody told it. An end that a result tells may lie before the start:
        the child notes it before the main process speaks of either."""
        columns = self.columns
        if columns.runtime[slot] != columns.runtime[slot]:
            ran = columns.finished[slot] - columns.started[slot]
            if ran < 0 and columns.teller(slot, "finished") == "result":
                ran = 0.0
            if ran >= 0:
                columns.runtime[slot] = ran

    def _shared(self, id: str) -> str:
        """The same text object as the task's own id has, where we know that task: half the memory."""
        slot = self.columns.slots.get(id)
        return bounded(id, 512) if slot is None else self.columns.id[slot]

    def _beats_guess(self, slot: int) -> bool:
        if self.columns.teller(slot, "queue") != "inferred":
            return False
        self.columns.tell(slot, "queue", "event")
        return True

    def _may(self, slot: int, field: str) -> bool:
        """Whether an event may write a field: not over a source that is trusted more."""
        columns = self.columns
        if not columns.told[slot]:
            return True
        if TRUST[columns.teller(slot, field)] > TRUST["event"]:
            return False
        columns.tell(slot, field, "event")
        return True
