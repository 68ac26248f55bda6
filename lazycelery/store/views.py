"""Tasks out of the columns: one for a page, or one in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np

from lazycelery.model.canvas import NOT_SENT, Member
from lazycelery.model.states import State
from lazycelery.model.task import Attempt, Task, TaskRow
from lazycelery.model.text import short_value
from lazycelery.store import marks
from lazycelery.store.columns import Columns, Extra, PastAttempt
from lazycelery.store.skew import MATERIAL_SKEW
from lazycelery.store.values import NUL, decode, known

LINE = 200
SMALL = 2048
MAX_CHILDREN = 10_000
SUCCESS, FAILURE = int(State.SUCCESS), int(State.FAILURE)
_EVENT = marks.SOURCES["event"]
_fields = attrgetter(*marks.TOLD)
_LABELS = [state.label for state in State]
_BEGAN = {
    int(State.WAITING): "sent",
    int(State.RECEIVED): "received",
    int(State.SCHEDULED): "received",
    int(State.STARTED): "started",
}


def row_reader(columns: Columns) -> Callable[[int], TaskRow]:
    """Reads tasks as a list shows them, by slot. What is looked up once is not looked up for each."""
    ids, row, stamp, since, first = columns.id, columns.row, columns.stamp, columns.since, columns.first
    states, retries, runtimes, waits = columns.state, columns.retries, columns.runtime, columns.wait
    name_of, worker_of, queue_of = columns.name, columns.worker, columns.queue
    names, workers, queues = columns.names.texts, columns.workers.texts, columns.queues.texts
    cut, marked, notes, text = columns.cut, columns.marks, columns.notes, columns.sealed.text

    def read(slot: int) -> TaskRow:
        state, name, bits = states[slot], names[name_of[slot]], marked[slot]
        runtime, wait = runtimes[slot], waits[slot]
        said = text("error" if state != SUCCESS else "result", slot)
        never_ran = unrun(columns, slot) if state == FAILURE else None
        return TaskRow(
            row=row[slot],
            stamp=stamp[slot],
            id=ids[slot],
            name=name or (notes.chains.name(ids[slot]) if never_ran else None),
            state=_LABELS[state],
            worker=workers[worker_of[slot]],
            queue=queues[queue_of[slot]],
            since=since[slot],
            at_least=state in _BEGAN and _at_least(columns, slot),
            first=first[slot],
            runtime=runtime if runtime == runtime else None,
            wait=wait if wait == wait else None,
            retries=retries[slot] if retries[slot] >= 0 else None,
            args=_arguments_line(text("args", slot), text("kwargs", slot)),
            error=_line(said) if said is not None else None,
            truncated=cut[slot] != 0,
            not_kept=bits & marks.NOT_KEPT != 0 and bool(_not_kept(columns, slot)),
            dealt=bool(notes.marks) and notes.dealt(ids[slot], since[slot]) is not None,
            past=bits & marks.PAST != 0,
            never_ran=never_ran is not None,
        )

    return read


def unrun(columns: Columns, slot: int) -> str | None:
    """The step that failed before this one, which therefore never ran, though the backend calls it failed."""
    if columns.state[slot] != State.FAILURE or _met(columns, slot):
        return None
    for own in columns.notes.chains.before(columns.id[slot]):
        other = columns.slots.get(own)
        if other is not None and _met(columns, other):
            return own if columns.state[other] in (State.FAILURE, State.REJECTED) else None
    return None


def _met(columns: Columns, slot: int) -> bool:
    """Whether anybody ever had it: a worker, or a queue."""
    told = (columns.sent, columns.received, columns.started)
    return bool(columns.workers.texts[columns.worker[slot]]) or any(
        known(moments[slot]) is not None for moments in told
    )


def _at_least(columns: Columns, slot: int) -> bool:
    """Whether nobody told when it came into its state: it is counted from when we first saw it so."""
    began = _BEGAN.get(columns.state[slot])
    return began is not None and known(getattr(columns, began)[slot]) is None


def task(
    columns: Columns,
    slot: int,
    gaps: Sequence[tuple[float, float]] = (),
    sent: Sequence[str] | None = None,
) -> Task:
    """All that is known of a task, with what follows from it. `sent`: the tasks that it sent, where that is
    known better than by these columns."""
    retries = columns.retries[slot]
    one = Task(
        id=columns.id[slot],
        name=columns.names.texts[columns.name[slot]],
        state=_LABELS[columns.state[slot]],
        worker=columns.workers.texts[columns.worker[slot]],
        queue=columns.queues.texts[columns.queue[slot]],
        sent=known(columns.sent[slot]),
        received=known(columns.received[slot]),
        started=known(columns.started[slot]),
        finished=known(columns.finished[slot]),
        runtime=known(columns.runtime[slot]),
        wait=known(columns.wait[slot]),
        eta=columns.eta.get(slot),
        expires=columns.expires.get(slot),
        retries=retries if retries >= 0 else None,
        args=decode(columns.sealed.text("args", slot)),
        kwargs=decode(columns.sealed.text("kwargs", slot)),
        result=decode(columns.sealed.text("result", slot)),
        error=columns.sealed.text("error", slot),
        traceback=columns.traceback.get(slot),
        root_id=columns.root_id[slot],
        parent_id=columns.parent_id[slot],
        truncated=marks.names_in(columns.cut[slot], marks.CUTS),
        not_kept=_not_kept(columns, slot),
        marks=marks.names_in(columns.marks[slot], marks.MARKS),
        seen=columns.seen[slot] or None,
    )
    extra = columns.extra.get(slot)
    if extra is not None:
        _add_rare(extra, one)
    one.attempts = _attempts(columns, slot, one, extra)
    if sent is None or extra is not None:
        one.children = children(columns, slot, sent)
    _add_sources(columns, slot, one)
    _add_doubts(one, gaps)
    one.tag = columns.notes.tags.get(one.id)
    one.dealt = columns.notes.dealt(one.id, columns.since[slot])
    one.never_ran = unrun(columns, slot)
    one.later = [
        Member(
            id=str(step.id),
            name=step.name,
            state=NOT_SENT,
            source=f"message of {step.holder[:8]}",
            note="body of the chord" if step.kind == "body" else "next",
        )
        for step in columns.notes.chains.behind(one.id)
        if step.id is not None and step.id not in columns.slots
    ]
    if one.never_ran is not None and one.name is None:
        one.name, one.sources["name"] = columns.notes.chains.name(one.id), "broker"
    return one


def _not_kept(columns: Columns, slot: int) -> list[str]:
    """Texts that were let go under load and that no other source has told since."""
    if not columns.marks[slot] & marks.NOT_KEPT:
        return []
    may = {"args": True, "kwargs": True, "result": columns.state[slot] == State.SUCCESS}
    return [name for name, there in may.items() if there and getattr(columns, name)[slot] is None]


def children(columns: Columns, slot: int, sent: Sequence[str] | None = None) -> list[str]:
    """Ids of the tasks that this one sent, oldest first, and of those its result names."""
    extra = columns.extra.get(slot)
    ids = _sent(columns, slot) if sent is None else sent
    return list(dict.fromkeys([*ids, *(extra.children if extra is not None else ())]))


def _sent(columns: Columns, slot: int) -> list[str]:
    own = columns.id[slot]
    found = np.flatnonzero(columns.vector("parent") == hash(own))
    found = found[np.argsort(columns.vector("row")[found])][:MAX_CHILDREN]
    return [columns.id[child] for child in found.tolist() if columns.parent_id[child] == own]


def _add_rare(extra: Extra, one: Task) -> None:
    one.group_id, one.exchange, one.routing_key = extra.group_id, extra.exchange, extra.routing_key
    one.priority, one.pid, one.redelivered = extra.priority, extra.pid, extra.redelivered
    one.content_type = extra.content_type
    one.progress = decode(extra.progress)
    if extra.retry_of:
        one.marks.append(f"retry-of {extra.retry_of}")


def _attempts(columns: Columns, slot: int, one: Task, extra: Extra | None) -> list[Attempt]:
    past = [_past(columns, old) for old in extra.past] if extra is not None else []
    present = Attempt(
        number=columns.attempt[slot],
        worker=one.worker,
        pid=one.pid,
        sent=one.sent,
        received=one.received,
        started=one.started,
        finished=one.finished,
        state="lost" if columns.marks[slot] & marks.RUN_LOST else one.state,
        error=one.error if one.finished is not None else None,
        traceback=one.traceback if one.finished is not None else None,
    )
    _infer(present, one.runtime)
    if "started" in present.inferred:
        one.started = present.started
        one.sources["started"] = "inferred"
    return [*past, present]


def _past(columns: Columns, old: PastAttempt) -> Attempt:
    attempt = Attempt(
        number=old.number,
        worker=columns.workers.texts[old.worker],
        sent=known(old.sent),
        received=known(old.received),
        started=known(old.started),
        finished=known(old.finished),
        state=_LABELS[old.state],
        error=old.error,
        traceback=old.traceback,
    )
    if attempt.finished is None and old.state in (State.STARTED, State.LOST):
        attempt.inferred.append("state")
    _infer(attempt, None)
    return attempt


def _infer(attempt: Attempt, runtime: float | None) -> None:
    """What must have happened although no source told it: its time only where it follows."""
    ran = attempt.state in ("success", "failure", "retry") and attempt.finished is not None
    if attempt.started is None and ran:
        attempt.inferred.append("started")
        if runtime is not None and attempt.finished is not None:
            attempt.started = attempt.finished - runtime
    if attempt.received is None and (ran or attempt.state == "started"):
        attempt.inferred.append("received")


def _add_sources(columns: Columns, slot: int, one: Task) -> None:
    others = "event" if columns.sources[slot] & _EVENT else _only(columns, slot)
    told, plain = one.sources, not columns.told[slot]
    for field, value in zip(marks.TOLD, _fields(one), strict=True):
        if value is not None and field not in told:
            source = "event" if plain else columns.teller(slot, field)
            told[field] = source if source != "event" else others
    if one.wait is not None:
        one.sources["wait"] = "inferred"
    if one.state == "unknown":
        one.sources["state"] = "inferred"


def _only(columns: Columns, slot: int) -> str:
    told = marks.names_in(columns.sources[slot], marks.SOURCES)
    return told[0] if told else "inferred"


def _add_doubts(one: Task, gaps: Sequence[tuple[float, float]]) -> None:
    if one.sent is not None and one.received is not None and one.received < one.sent - MATERIAL_SKEW:
        one.marks.append("received-before-sent")
    if any("state" in attempt.inferred or attempt.inferred for attempt in one.attempts):
        one.marks.append("state-inferred")
    unfinished = one.state in ("unknown", "waiting", "scheduled", "received", "started", "retry", "lost")
    if unfinished and any((one.seen or 0.0) < end for _, end in gaps):
        one.marks.append("gap")


def _arguments_line(args: str | None, kwargs: str | None) -> str | None:
    if args is None:
        return None if kwargs is None else _line(kwargs)
    line = _line(args)
    if kwargs is None or kwargs == "{}" or (named := _line(kwargs)) == "{}":
        return line
    return f"{line} {named}"[:LINE]


def _line(text: str) -> str:
    """The beginning of a stored text; a small real value the way Python writes it."""
    if not text.startswith(NUL):
        return text[:LINE]
    return short_value(decode(text), LINE) if len(text) <= SMALL else text[1 : LINE + 1]
