"""Workers for a face: the state they are in, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from lazycelery.model.reports import TaskReport
from lazycelery.model.text import short_value
from lazycelery.model.worker import Worker, WorkerDetail, WorkerLoad, WorkerState
from lazycelery.store.ages import span
from lazycelery.store.workers import WorkerRecord

LOST_AFTER = 10.0
"""Seconds without a heartbeat, at least: three of them must have failed."""
LISTENING_FRESH = 40.0
"""Seconds for which a mailbox with a listener proves a silent worker's life: rounds come every ten."""
CONTROL_FRESH = 60.0
SOLO_PATIENCE = 3600.0
"""A solo worker neither beats nor answers while its task runs; after an hour we doubt it."""
LINE = 200
Why = Callable[[], str] | None
"""Makes the words of a reason: of ten thousand workers only few are read."""
UNLIKELY = 64 << 30
"""Bytes of memory that no worker of an unknown system is believed to take."""


def worker_view(record: WorkerRecord, now: float) -> Worker:
    """A worker as all sources together tell it."""
    state, why = _state(record, now)
    stats = record.stats
    skew = record.skew.seconds
    lost = state == "offline" and record.goodbye is None
    return Worker(
        name=record.name,
        state=state,
        why=why() if why is not None else None,
        pool=stats.pool if stats else None,
        concurrency=stats.concurrency if stats else None,
        processes=list(stats.processes) if stats else [],
        queues=[queue.name for queue in record.queues or []],
        active=_active(record),
        reserved=len(record.lists["reserved"]) if "reserved" in record.lists else None,
        scheduled=len(record.lists["scheduled"]) if "scheduled" in record.lists else None,
        processed=_processed(record),
        failed=record.failed if record.loss.events else None,
        prefetch=stats.prefetch if stats else None,
        pid=record.pid,
        uptime=_uptime(record, now),
        loadavg=record.loadavg,
        rss=_rss(record),
        software=record.software,
        heartbeat_age=max(0.0, now - record.heartbeat) if record.heartbeat is not None else None,
        clock_skew=skew,
        lag=record.lag,
        loss=record.loss.share,
        events=record.loss.events,
        last_seen=record.last_seen,
        stopped=record.goodbye if record.goodbye is not None else record.last_seen if lost else None,
        lost=lost,
        sources=_sources(record),
        control_age=max(0.0, now - record.control) if record.control is not None else None,
        freq=record.freq,
        registered=len(record.registered) if record.registered is not None else None,
        stamp=record.stamp,
    )


def _rss(record: WorkerRecord) -> int | None:
    """Bytes at its peak. `stats` tells kB on Linux and bytes on macOS, and not which of them."""
    told = record.stats.rss if record.stats else None
    if told is None:
        return None
    if record.system == "Darwin":
        return told // 1024
    return told if record.system or told < UNLIKELY else None


def worker_load(record: WorkerRecord, now: float) -> WorkerLoad:
    """The few facts of a worker that are measured each second."""
    load = record.loadavg[0] if record.loadavg else None
    return WorkerLoad(state_of(record, now), _active(record), _processed(record), load)


def worker_detail(
    record: WorkerRecord, now: float, ended: Callable[[str, float], bool] = lambda task, at: False
) -> WorkerDetail:
    """A worker with the lists behind its numbers. `ended`: whether a task was told to have ended after a
    moment, and is in no list any more."""
    skew = record.skew.seconds or 0.0
    lists = {
        phase: [
            _listed(report, now + skew)
            for report in record.lists.get(phase, [])
            if not ended(report.id, record.lists_at[phase])
        ]
        for phase in ("active", "reserved", "scheduled")
    }
    return WorkerDetail(
        worker=worker_view(record, now),
        registered=sorted(record.registered or []),
        conf=dict(record.conf),
        totals=dict(record.stats.totals) if record.stats else {},
        errors=dict(record.errors),
        at=min(record.lists_at.values()) if len(record.lists_at) == len(lists) else None,
        **lists,
    )


def alive(record: WorkerRecord, now: float) -> bool:
    """Whether it can still take messages, as far as seen."""
    return _beats(record, now) or _state(record, now)[0] in ("online", "busy")


def here(record: WorkerRecord, now: float) -> bool:
    """Whether it may still take messages: nobody told that it is gone."""
    return state_of(record, now) != "offline"


def state_of(record: WorkerRecord, now: float) -> WorkerState:
    """Its state alone, which costs a tenth of a view."""
    return _state(record, now)[0]


def lost_since(record: WorkerRecord, now: float) -> float | None:
    """The last sign of life of a worker that went without goodbye; `None` for any other."""
    if _beats(record, now) or record.goodbye is not None or _state(record, now)[0] != "offline":
        return None
    return last_sign(record)


def _beats(record: WorkerRecord, now: float) -> bool:
    """Whether there is nothing to weigh, as with most."""
    heartbeat = record.heartbeat
    return (
        heartbeat is not None
        and now - heartbeat <= LOST_AFTER
        and record.goodbye is None
        and record.gone is None
    )


def last_sign(record: WorkerRecord) -> float:
    """When it last beat, answered or told of a task, or when it could be heard again; our clock."""
    return max(_heard(record), record.back or 0.0)


def _heard(record: WorkerRecord) -> float:
    """When it last beat, answered or told of a task, our clock."""
    return max(record.heartbeat or 0.0, record.control or 0.0, record.last_seen or 0.0)


def _patience(record: WorkerRecord) -> float:
    """Seconds for which a heartbeat counts."""
    return max(3 * (record.freq or 2.0), LOST_AFTER)


def gone(record: WorkerRecord) -> bool:
    """Whether its connection was seen to have ended, and nothing was heard of it since."""
    return record.gone is not None and last_sign(record) <= record.gone


def _state(record: WorkerRecord, now: float) -> tuple[WorkerState, Why]:
    if record.goodbye is not None:
        goodbye = record.goodbye
        return "offline", lambda: f"stopped {span(now - goodbye)} ago"
    if gone(record):
        return (
            "offline",
            lambda: f"lost {span(now - last_sign(record))} ago: its connection ended without goodbye",
        )
    if record.listening is not None and now - record.listening < LISTENING_FRESH:
        return "busy", lambda: _held_up(record)
    if record.heartbeat is None:
        return _state_without_heartbeats(record, now)
    sign = last_sign(record)
    patience = _patience(record)
    if now - sign > patience:
        if record.blind is not None and record.blind - sign <= patience:
            return (
                "unknown",
                lambda: f"not heard for {span(now - sign)}, as no events reach us: it was here then",
            )
        if blocked(record) and now - sign < SOLO_PATIENCE:
            return "busy", lambda: _held_up(record)
        return "offline", lambda: f"lost {span(now - sign)} ago: its heartbeats ended without goodbye"
    return _online(record, now)


def _state_without_heartbeats(record: WorkerRecord, now: float) -> tuple[WorkerState, Why]:
    control = record.control
    if control is None:
        return "unknown", lambda: "seen only by what it sent; it has not answered yet"
    if record.silent is not None and now - (record.back or 0.0) > LOST_AFTER:
        if blocked(record):
            return "busy", lambda: _held_up(record)
        return (
            "offline",
            lambda: f"lost: it has not answered for {span(now - control)} and sends no heartbeats",
        )
    if now - control > CONTROL_FRESH:
        return "unknown", lambda: f"last answered {span(now - control)} ago"
    return _online(record, now)


def _held_up(record: WorkerRecord) -> str:
    if blocked(record):
        return f"silent: its only thread runs {_running(record)} and answers nobody until it ends"
    if record.stats is not None and record.stats.pool not in (None, "solo"):
        return "silent: it listens and answers nobody: its main process is held up, or stopped"
    return "silent: it listens and answers nobody; a solo worker does so while its task runs"


def _online(record: WorkerRecord, now: float) -> tuple[WorkerState, Why]:
    silent = record.silent if record.blind is None else None
    if record.back is not None and _heard(record) <= record.back:
        back = record.back
        if silent is not None or now - _heard(record) > _patience(record):
            return "online" if silent is None else "busy", lambda: _yet_to_be_heard(record, back, now)
    active = _active(record)
    slots = record.stats.concurrency if record.stats else None
    if active is not None and slots and active >= slots:
        return "busy", lambda: _busy(record, slots, now)
    if silent is None:
        return "online", None
    if record.heartbeat == record.online and (record.control or 0.0) < record.online:
        said = now - record.online  # It says so before it listens.
        return "online", lambda: f"online by its own word, {span(said)} ago; it has not answered yet"
    return "busy", lambda: _unanswering(record, silent, now)


def _unanswering(record: WorkerRecord, silent: float, now: float) -> str:
    """A worker that is heard, and does not answer."""
    if record.heartbeat is not None and now - record.heartbeat <= _patience(record):
        sign = f"it sends heartbeats, the last {span(now - record.heartbeat)} ago, but"
    else:
        sign = f"{_newest_sign(record, now)}, but it"
    return f"silent: {sign} has not answered for {span(now - silent)}"


def _yet_to_be_heard(record: WorkerRecord, back: float, now: float) -> str:
    """Nothing came from it since events reach us again: all that is known is from before."""
    words = f"not heard since events came again {span(now - back)} ago"
    if record.silent is not None:
        words = f"silent: {words}, nor has it answered (asked {span(now - record.silent)} ago)"
    return f"{words}; {_newest_sign(record, now)}"


def _newest_sign(record: WorkerRecord, now: float) -> str:
    heard = _heard(record)
    if record.heartbeat == heard:
        return f"its last heartbeat came {span(now - heard)} ago"
    if record.control == heard:
        return f"it answered last {span(now - heard)} ago"
    return f"its last task event came {span(now - heard)} ago"


def _busy(record: WorkerRecord, slots: int, now: float) -> str:
    tasks = record.lists.get("active", [])
    starts = [report.time_start for report in tasks if report.time_start is not None]
    since = f", the oldest since {span(now + (record.skew.seconds or 0.0) - min(starts))}" if starts else ""
    what = f" run {_running(record)}{since}" if tasks else " are taken"
    reserved = len(record.lists.get("reserved", []))
    verb, it = "waits" if reserved == 1 else "wait", "them" if slots > 1 else "it"
    behind = f"; {reserved} reserved {verb} behind {it}" if reserved else ""
    return f"busy: its {slots} slots{what}{behind}" if slots > 1 else f"busy: its slot{_once(what)}{behind}"


def _once(what: str) -> str:
    return what.replace(" run ", " runs ", 1).replace("are taken", "is taken", 1)


def _running(record: WorkerRecord) -> str:
    names = Counter(report.name or "a task" for report in record.lists.get("active", []))
    return ", ".join(name for name, _ in names.most_common(3)) or "a task"


def blocked(record: WorkerRecord) -> bool:
    """A solo pool with something to do: its main loop is the task."""
    solo = record.stats is not None and record.stats.pool == "solo"
    return solo and bool(record.active or record.last_start > record.last_end)


def _active(record: WorkerRecord) -> int | None:
    listed = record.lists.get("active")
    if listed is not None and record.lists_at["active"] >= record.active_at:
        return len(listed)
    return record.active


def _processed(record: WorkerRecord) -> int | None:
    if record.loss.processed is not None:
        return record.loss.processed
    return sum(record.stats.totals.values()) if record.stats else None


def _uptime(record: WorkerRecord, now: float) -> float | None:
    if record.stats is None or record.stats.uptime is None or record.stats_at is None:
        return None
    return record.stats.uptime + max(0.0, now - record.stats_at)


def _sources(record: WorkerRecord) -> dict[str, str]:
    sources: dict[str, str] = {}
    if record.stats is not None:
        sources |= dict.fromkeys(("pool", "concurrency", "processes", "prefetch", "uptime", "rss"), "control")
    if record.heartbeat is not None:
        sources |= dict.fromkeys(("processed", "loadavg", "software", "heartbeat_age", "active"), "event")
    for phase, at in record.lists_at.items():
        if phase != "active" or at >= record.active_at:
            sources[phase] = "control"
    if record.queues is not None:
        sources["queues"] = "control"
    return sources


def _listed(report: TaskReport, now: float) -> dict[str, Any]:
    args, kwargs = (
        value if report.safe and isinstance(value, str) else short_value(value, LINE)
        for value in (report.args, report.kwargs)
    )
    return {
        "id": report.id,
        "name": report.name,
        "args": (args if kwargs in ("{}", "None") else f"{args} {kwargs}")[:LINE],
        "since": report.time_start,
        "pid": report.pid,
        "age": max(0.0, now - report.time_start) if report.time_start is not None else None,
        "eta": report.eta,
    }
