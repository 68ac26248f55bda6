"""Workers as rows, and a worker as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lazycelery.model.service import LogText
from lazycelery.model.text import clean, short_value
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.fields import field_lines
from lazycelery.tui.presentation.line import Column, Line, Span, choose, row
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import gauge, of_worker
from lazycelery.tui.presentation.statistics import statistics
from lazycelery.tui.presentation.verdict import verdict_lines
from lazycelery.tui.presentation.worker_log import worker_log

COLUMNS = (
    Column("", 1),
    Column("WORKER", 8, grow=4, cut="name"),
    Column("SLOTS", 4, rank=1),
    Column("BUSY", 5, rank=1, right=True),
    Column("LOAD", 4, rank=2, right=True),
    Column("POOL", 8, grow=1, rank=5),
    Column("RESERVED", 8, rank=6, right=True),
    Column("DONE", 9, rank=7, right=True),
    Column("FAILED", 7, rank=8, right=True),
    Column("QUEUES", 16, grow=4, rank=4),
)
TABS = ("Overview", "Reserved", "Scheduled", "Registered", "Config", "Statistics", "Log")
ASKED: Mapping[str, Literal["pulse", "log"]] = {"Statistics": "pulse", "Log": "log"}
"""Tabs that ask a question of their own."""
FAULTY = ("offline", "deaf", "unknown")


def short_name(name: str) -> str:
    """A node name without the `celery@` that nearly all begin with."""
    return clean(name.removeprefix("celery@"), 120)


def cells(worker: Worker, look: Look) -> list[Span]:
    """A worker in the order of `COLUMNS`."""
    gone = worker.state == "offline"
    load = f"{worker.loadavg[0]:.1f}" if worker.loadavg else q.UNKNOWN
    slots = f"{q.count(worker.active)}/{q.count(worker.concurrency)}"
    since = q.rough_age(None if worker.stopped is None else look.now - worker.stopped)
    full = bool(worker.concurrency and worker.active and worker.active >= worker.concurrency)
    return [
        of_worker(worker.word if look.as_of is None or gone else "unknown", look.signs),
        (short_name(worker.name), "dim" if gone else ""),
        ("", "")
        if gone
        else (gauge(worker.active, worker.concurrency, 4, look.signs), "run" if worker.active else "dim"),
        ("gone", "fail") if gone else (slots, "run" if full else ""),
        (since, "dim") if gone else (load, "dim"),
        (clean(worker.pool or q.UNKNOWN, 20), "dim"),
        (q.count(worker.reserved), ""),
        (q.count(worker.processed), ""),
        (q.count(worker.failed), "fail" if worker.failed else "dim"),
        (clean(", ".join(worker.queues), 200), "dim"),
    ]


def matches(worker: Worker, text: str) -> bool:
    """Whether a substring is found in name, queues, state or pool."""
    return text.lower() in " ".join([worker.name, worker.word, worker.pool or "", *worker.queues]).lower()


def page(
    worker: Worker,
    verdict: Verdict | None,
    detail: WorkerDetail | None,
    tab: int,
    look: Look,
    width: int,
    told: Pulse | LogText | str | None = None,
) -> Page:
    """All about one worker. `told` is what the open tab has asked for, or why it is not there; answers
    that are awaited are `None`."""
    worker = at_once(worker, verdict)
    title: Line = ((clean(worker.name, 200), "title"),)
    if TABS[tab] == "Statistics":
        pulse = None if isinstance(told, LogText) else told
        return Page(title, TABS, tab, statistics(pulse, detail, look, width))
    if TABS[tab] == "Log":
        return Page(title, TABS, tab, worker_log(None if isinstance(told, Pulse) else told, width))
    if tab == 0:
        return Page(title, TABS, tab, _overview(worker, verdict, detail, look, width))
    body = (_reserved, _scheduled, _registered, _config)[tab - 1](worker, detail, look, width)
    return Page(title, TABS, tab, body)


def at_once(worker: Worker, verdict: Verdict | None) -> Worker:
    """The worker at the moment of which the sentence about it is: its fields must not be of another one."""
    return verdict.worker if verdict is not None and verdict.worker is not None else worker


def first_lines(worker: Worker, verdict: Verdict | None, look: Look, width: int) -> list[Line]:
    """How the worker is, in one sentence."""
    worker = at_once(worker, verdict)
    return verdict_lines(verdict, worker.word, of_worker(worker.word, look.signs), look, width)


def _overview(
    worker: Worker, verdict: Verdict | None, detail: WorkerDetail | None, look: Look, width: int
) -> list[Line]:
    lines = [*first_lines(worker, verdict, look, width), ()]
    lines += field_lines(_fields(worker, look), worker.sources, width)
    lines.append(())
    if detail is None:
        return [*lines, ((f"Asking {short_name(worker.name)} what it runs …", "dim"),)]
    errors = [((f"{clean(name)}: {clean(text, 300)}", "warn"),) for name, text in detail.errors.items()]
    return [*lines, *errors, *_jobs(detail.active, "Active", look, width)]


def _fields(worker: Worker, look: Look) -> list[tuple[str, str, str]]:
    load = " ".join(f"{value:.2f}" for value in worker.loadavg or ()) or q.UNKNOWN
    pids = ", ".join(map(str, worker.processes[:8])) + (" …" if len(worker.processes) > 8 else "")
    pool = f"{clean(worker.pool or q.UNKNOWN)} {q.count(worker.concurrency)}" + (
        f"  pids {pids}" if pids else ""
    )
    beat = worker.heartbeat_age
    if beat is not None and look.as_of is not None and worker.last_seen is not None:
        beat = max(beat, look.now - worker.last_seen)  # Nothing comes any more that would make it older.
    return [
        ("pool", "pool", pool),
        ("prefetch", "prefetch", q.count(worker.prefetch)),
        ("queues", "queues", clean(", ".join(worker.queues), 300) or q.UNKNOWN),
        ("uptime", "uptime", q.rough_age(worker.uptime)),
        ("done", "processed", q.count(worker.processed)),
        ("failed", "failed", "–" if worker.failed is None else f"{q.count(worker.failed)} since we watch"),
        ("active", "active", q.count(worker.active)),
        ("reserved", "reserved", q.count(worker.reserved)),
        ("scheduled", "scheduled", q.count(worker.scheduled)),
        ("load", "loadavg", load),
        ("memory", "rss", q.size(worker.rss)),
        ("software", "software", clean(worker.software or q.UNKNOWN, 80)),
        ("heartbeat", "heartbeat_age", q.UNKNOWN if beat is None else f"{q.rough_age(beat)} ago"),
        ("skew", "clock_skew", q.UNKNOWN if worker.clock_skew is None else f"{worker.clock_skew:+.1f}s"),
        ("events", "events", {True: "on", False: "off", None: q.UNKNOWN}[worker.events]),
        (
            "lost",
            "loss",
            q.share(worker.loss) if worker.loss else q.share(0.0) if worker.loss == 0 else q.UNKNOWN,
        ),
    ]


JOBS = (
    Column("ID", 8),
    Column("TASK", 12, grow=1, cut="name"),
    Column("AGE", 7, right=True),
    Column("PID", 7, rank=2, right=True),
    Column("ARGS", 12, grow=3, rank=1),
)


def _jobs(jobs: Sequence[dict[str, Any]], title: str, look: Look, width: int) -> list[Line]:
    if not jobs:
        return [((f"{title}: none", "dim"),)]
    shown = choose(JOBS, width)
    head = row([(column.title, "head") for column in JOBS], JOBS, shown)
    return [head, *(row(_job(job, look), JOBS, shown) for job in jobs)]


def _job(job: dict[str, Any], look: Look) -> list[Span]:
    since, seconds = job.get("since"), job.get("age")
    if isinstance(since, (int, float)):
        seconds = look.now - since
    return [
        (q.short_id(str(job.get("id") or "")), "accent"),
        (clean(str(job.get("name") or q.UNKNOWN), 120), ""),
        (q.age(seconds if isinstance(seconds, (int, float)) else None), ""),
        (str(job.get("pid") or q.UNKNOWN), "dim"),
        (clean(str(job.get("args") or ""), 300), "dim"),
    ]


def _reserved(worker: Worker, detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    return _asking(detail) or _jobs(detail.reserved if detail else [], "Reserved", look, width)


def _scheduled(worker: Worker, detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    return _asking(detail) or _jobs(detail.scheduled if detail else [], "Scheduled", look, width)


def _registered(worker: Worker, detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    if detail is None:
        return _asking(detail)
    columns = (Column("TASK", 12, grow=1, cut="name"), Column("ACCEPTED", 9, right=True))
    shown = choose(columns, min(width, 70))
    names = [
        [(clean(name, 200), ""), (q.count(detail.totals.get(name)), "dim")] for name in detail.registered
    ]
    head = row([("TASK", "head"), ("ACCEPTED", "head")], columns, shown)
    return [head, *(row(cells, columns, shown) for cells in names)]


def _config(worker: Worker, detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    if detail is None:
        return _asking(detail)
    if not detail.conf:
        return [(("The worker did not tell its configuration.", "dim"),)]
    return [
        ((f"{clean(str(name), 40):<36} ", "dim"), (short_value(value, 400), ""))
        for name, value in sorted(detail.conf.items())
    ]


def _asking(detail: WorkerDetail | None) -> list[Line]:
    return [] if detail is not None else [(("Asking the worker …", "dim"),)]
