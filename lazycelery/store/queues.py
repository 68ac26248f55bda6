"""The queues: depths from the broker, consumers from the workers, rates from both and the events."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from lazycelery.model.queue import Queue
from lazycelery.model.reports import QueueReport

HISTORY = 120
RATE_WINDOW = 30.0
"""Seconds over which rates are measured."""
MAX_QUEUES = 5_000
"""Beyond that somebody makes names up; the rest are not told."""


class QueueRecord:
    """One queue's last report and the probes of the last minutes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.report: QueueReport | None = None
        self.stamp = 0
        self.depths: deque[int] = deque(maxlen=HISTORY)
        self.sent = 0
        """Events that told of a message put in."""
        self.taken = 0
        """Events that told of a message taken out."""
        self.probes: deque[tuple[float, int, int, int]] = deque(maxlen=HISTORY)
        """When, the depth, and `sent` and `taken` by then."""

    def probed(self, report: QueueReport) -> None:
        """Note a look at the queue."""
        self.report = report
        if not self.depths:
            self.depths.extend(report.history)
        if report.messages is None or (self.probes and self.probes[-1][0] == report.at):
            return  # In a recording the same look may be told twice.
        self.depths.append(report.messages)
        self.probes.append((report.at, report.messages, self.sent, self.taken))
        while len(self.probes) > 2 and report.at - self.probes[1][0] >= RATE_WINDOW:
            self.probes.popleft()

    def rates(self) -> tuple[float | None, float | None, float | None]:
        """In, out and growth, messages a second. In and out need events; growth needs two probes."""
        if len(self.probes) < 2:
            return None, None, None
        (start, depth, sent, taken), (end, last, last_sent, last_taken) = self.probes[0], self.probes[-1]
        if end <= start:
            return None, None, None
        growth = (last - depth) / (end - start)
        put, out = (last_sent - sent) / (end - start), (last_taken - taken) / (end - start)
        if self.taken:
            return max(0.0, growth + out), out, growth
        if self.sent:
            return put, max(0.0, put - growth), growth
        return None, None, growth


class Queues:
    """All known queues."""

    def __init__(self) -> None:
        self.known: dict[str, QueueRecord] = {}
        self.changes = 0

    def has_room(self, name: str) -> bool:
        """Whether what is noted of a queue is kept."""
        return name in self.known or len(self.known) < MAX_QUEUES

    def record(self, name: str) -> QueueRecord:
        """The queue of that name, new when it is."""
        record = self.known.get(name)
        if record is None:
            record = QueueRecord(name)
            if len(self.known) < MAX_QUEUES:
                self.known[name] = record
        return record

    def report(self, report: QueueReport) -> None:
        """Note a look at a queue."""
        record = self.record(report.name)
        record.probed(report)
        self.touch(record)

    def touch(self, record: QueueRecord) -> None:
        """Note that a queue changed."""
        self.changes += 1
        record.stamp = self.changes

    def views(
        self,
        consumers: Mapping[str, list[str]] | None,
        unheard: set[str] | None,
        now: float,
        untold: Sequence[str] = (),
    ) -> list[Queue]:
        """All queues by name. `consumers`: workers by queue, `None` while no worker has told its queues.
        `unheard`: queues of which events do not tell all, `None` for every one. `untold`: workers that have
        not told theirs."""
        names = sorted({*self.known, *(consumers or {})})
        consumed = [name for name in names if (consumers or {}).get(name)]
        return [
            self._view(name, consumed, consumers, unheard is not None and name not in unheard, now, untold)
            for name in names
        ]

    def _view(
        self,
        name: str,
        consumed: list[str],
        consumers: Mapping[str, list[str]] | None,
        heard: bool,
        now: float,
        untold: Sequence[str],
    ) -> Queue:
        record = self.known.get(name) or QueueRecord(name)
        report = record.report or QueueReport(name=name, at=now)
        told = (consumers or {}).get(name, [])  # In order.
        workers = sorted({*told, *report.workers}) if report.workers else list(told)
        entering, leaving, growth = record.rates()
        if not heard:
            entering = leaving = None
        if report.in_rate is not None and report.out_rate is not None:
            entering, leaving = report.in_rate, report.out_rate
            growth = entering - leaving if growth is None else growth
        depth = report.messages
        takers = _consumers(report, consumers, workers, untold)
        taken = None if takers == 0 else depth  # Where nobody consumes, nothing is ever done.
        return Queue(
            name=name,
            type=report.type,
            messages=depth,
            unacked=report.unacked,
            consumers=takers,
            oldest_age=report.oldest_age,
            unacked_age=report.unacked_age,
            wait_estimate=_divided(taken, leaving),
            in_rate=entering,
            out_rate=leaving,
            drain_time=_divided(taken, -growth if growth is not None else None),
            priorities=dict(report.priorities),
            workers=workers,
            history=list(record.depths),
            age=max(0.0, now - report.at) if record.report is not None else None,
            error=report.error,
            why=report.folded
            or _dead(report, workers)
            or _why(name, depth, workers, consumed if consumers is not None else None, takers, untold),
            bound=report.bound,
            memory=report.memory,
            policy=report.policy,
            first_priority=report.first_priority,
            dead_letter_to=report.dead_letter_to,
            dead_letter_from=list(report.dead_letter_from),
            dead_letter_exchange=report.dead_letter_exchange,
            dead_letter_lost=report.dead_letter_lost,
            delayed=report.delayed,
            folded=report.folded,
            sources=_sources(record, report, workers),
            stamp=record.stamp,
        )


def _consumers(
    report: QueueReport, consumers: Mapping[str, list[str]] | None, workers: list[str], untold: Sequence[str]
) -> int | None:
    if report.consumers is not None:
        return report.consumers
    if untold and not workers:  # One of them may.
        return None
    return len(workers) if consumers is not None else None


def _divided(depth: int | None, rate: float | None) -> float | None:
    if depth == 0:
        return 0.0
    return depth / rate if depth is not None and rate is not None and rate > 0 else None


def _dead(report: QueueReport, workers: list[str]) -> str | None:
    if not report.messages or workers or not report.dead_letter_from:
        return None
    noun = "dead letter" if report.messages == 1 else "dead letters"
    return f"{report.messages:,} {noun} from {', '.join(report.dead_letter_from)} in {report.name}."


def not_told(workers: Sequence[str]) -> str:
    """Who has not told which queues it consumes: `solo@a has not told`, `a, b and 3 more have not told`."""
    shown = ", ".join(workers[:2]) + (f" and {len(workers) - 2:,} more" if len(workers) > 2 else "")
    return f"{shown} {'has' if len(workers) == 1 else 'have'} not told"


def near(name: str, names: list[str]) -> str | None:
    """The nearest of some names, when it looks like the one that was meant."""
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.7)), None)


def _why(
    name: str,
    depth: int | None,
    workers: list[str],
    consumed: list[str] | None,
    takers: int | None,
    untold: Sequence[str],
) -> str | None:
    if not depth or workers or consumed is None:
        return None
    noun = "message" if depth == 1 else "messages"
    if takers is None and untold:
        return f"{depth:,} {noun} in {name}, no worker that told its queues consumes it; {not_told(untold)}."
    meant = near(name, consumed)
    asked = f" Did you mean {meant}?" if meant else ""
    return f"{depth:,} {noun} in {name}, nobody consumes it.{asked}"


def _sources(record: QueueRecord, report: QueueReport, workers: list[str]) -> dict[str, str]:
    sources: dict[str, str] = {}
    if record.report is not None:
        sources |= dict.fromkeys(("messages", "unacked", "type", "oldest_age", "unacked_age"), "broker")
        sources["consumers"] = "broker" if report.consumers is not None else "control"
    if workers:
        sources["workers"] = "broker" if report.workers else "control"
    if report.in_rate is not None:
        sources |= {"in_rate": "broker", "out_rate": "broker"}
    elif record.sent or record.taken:
        sources |= {"in_rate": "event", "out_rate": "event"}
    return sources
