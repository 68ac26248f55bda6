"""Celery's inspect and control commands, over any `Mailbox`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from lazycelery.errors import UsageError
from lazycelery.model.reports import TaskLimits, TaskReport, WorkerReport
from lazycelery.sources.protocols.mailbox import Mailbox, Replies
from lazycelery.sources.protocols.remote import Census, WorkerCommand
from lazycelery.sources.worker_replies import (
    LIMITS,
    error_of,
    is_worker,
    note,
    read_limited,
    read_limits,
    read_query,
    read_scheduled,
    read_tasks,
)
from lazycelery.waiting import Breath, unhurried

LISTS = ("scheduled", "reserved", "active")
"""As a task goes through them: one that moves on between two questions is in the next answer."""
SURVEY = ("ping", "stats", "active", "active_queues", "registered", "conf")
COMMANDS = frozenset(get_args(WorkerCommand))
PORTION = 200
"""Tasks of one question: the answer holds their arguments."""
ARGUMENTS: dict[str, dict[str, Any]] = {
    "active": {"safe": True},
    "registered": {"taskinfoitems": list(LIMITS)},
}
"""`active` without `safe` is not answered at all when an argument is not JSON. `registered` tells the limits
in force: what a rate limit keeps back is in none of a worker's lists."""


class Control:
    """Asks workers and tells them; replies come typed. Beats are not workers and are left out."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox

    async def survey(
        self,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        what: Sequence[str] = SURVEY,
        timeout: float = 2.0,
        clock: Callable[[], float] = time.time,
    ) -> list[WorkerReport]:
        """One report a worker, by name; all questions go out at once.

        A worker that a mailbox or `destination` names and that answered nothing has `ping` False.
        """
        began = clock()
        calls = [
            self.mailbox.call(
                method, ARGUMENTS.get(method), destination=destination, expect=expect, timeout=timeout
            )
            for method in what
        ]
        names, answers = await asyncio.gather(self.mailbox.workers(), asyncio.gather(*calls))
        # One moment for all: of many, the last is read a while after it has come.
        reports: dict[str, WorkerReport] = {}
        at, breath = clock(), Breath()
        for method, replies in zip(what, answers, strict=True):
            for reply in replies.replies:
                if is_worker(reply.worker):
                    report = reports.get(reply.worker)
                    if report is None:
                        report = reports[reply.worker] = WorkerReport(worker=reply.worker, at=at)
                    report.asked = max(report.asked or 0.0, began if replies.asked is None else replies.asked)
                    note(report, method, reply.value)
                reply.value = None  # Let go one by one: all at once they hold the loop when this returns.
                await breath.take()
        asked = names if destination is None else destination
        await breath.take()
        silent = [name for name in asked if is_worker(name) and name not in reports]
        await breath.take()
        listening = _listening(answers, silent) if destination is None else None
        await breath.take()
        then = max((told.asked for told in answers if told.asked is not None), default=began)
        for name in silent:
            reports[name] = WorkerReport(worker=name, at=at, asked=then, ping=False, listening=listening)
        return await unhurried((_settled(reports[name], what) for name in sorted(reports)), breath)

    async def roll_call(
        self, known: Sequence[str], *, timeout: float = 1.0, clock: Callable[[], float] = time.time
    ) -> list[WorkerReport]:
        """Ask everybody for a sign of life; one report each who answered, and each of `known` that did not.

        `listening` of a silent one is False only where the broker shows that its mailbox is closed: then its
        connection has ended.
        """
        asked = clock()
        replies, breath = await self.mailbox.call("ping", {}, timeout=timeout), Breath()
        answered = {reply.worker for reply in replies.replies if is_worker(reply.worker)}
        await breath.take()
        silent = [name for name in known if name not in answered]
        counted = _listening([replies], silent)
        await breath.take()
        at, then = clock(), asked if replies.asked is None else replies.asked
        reports = [WorkerReport(worker=name, at=at, asked=then, ping=True) for name in sorted(answered)]
        for name in silent:
            open_ = counted if replies.listeners is None else name in replies.listeners
            reports.append(WorkerReport(worker=name, at=asked, asked=asked, ping=False, listening=open_))
        return reports

    async def reserved(
        self, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> list[TaskReport]:
        """Prefetched tasks with real arguments: these replies may be large."""
        replies = await self.mailbox.call("reserved", destination=destination, timeout=timeout)
        return [
            task for r in replies.replies for task in read_tasks(r.worker, r.value, phase="reserved") or ()
        ]

    async def scheduled(
        self, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> list[TaskReport]:
        """Tasks that workers hold until their ETA, with real arguments."""
        replies = await self.mailbox.call("scheduled", destination=destination, timeout=timeout)
        return [task for r in replies.replies for task in read_scheduled(r.worker, r.value) or ()]

    async def active(
        self, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> list[TaskReport]:
        """Running tasks, arguments as short text."""
        replies = await self.mailbox.call(
            "active", ARGUMENTS["active"], destination=destination, timeout=timeout
        )
        return [
            task
            for r in replies.replies
            for task in read_tasks(r.worker, r.value, phase="active", safe=True) or ()
        ]

    async def query_tasks(self, ids: Sequence[str], *, timeout: float = 2.0) -> list[TaskReport]:
        """What workers hold of these tasks, with real arguments."""
        replies = await self._ask("query_task", {"ids": list(ids)}, timeout=timeout)
        return [task for reply in replies.replies for task in read_query(reply.worker, reply.value)]

    async def census(self, ids: Sequence[str], *, timeout: float = 2.0) -> Census:
        """Ask every worker which of these tasks it holds, in portions; silence once counts."""
        names, pings = await asyncio.gather(
            self.mailbox.workers(), self.mailbox.call("ping", {}, timeout=timeout)
        )
        # A beat answers `ping` and nothing else, but it is counted among those who receive.
        beats = _beats(pings)
        told = Census(named=[name for name in names if is_worker(name)], silent=0)
        answered = {reply.worker for reply in pings.replies if is_worker(reply.worker)}
        _count_silent(told, pings, beats)
        pinged = len(answered)
        for at in range(0, max(1, len(ids)), PORTION):
            expect = pings.expected if (unheard := _unheard(pings, beats)) is None else pinged + unheard
            arguments = {"ids": list(ids[at : at + PORTION])}
            replies = await self.mailbox.call("query_task", arguments, expect=expect, timeout=timeout)
            workers = [reply for reply in replies.replies if is_worker(reply.worker)]
            _count_silent(told, replies, beats)
            answered &= {reply.worker for reply in workers}
            for reply in workers:
                if error_of(reply.value) is not None:
                    told.errors.append(reply.worker)
                told.reports += [
                    each for each in read_query(reply.worker, reply.value) if each.phase != "revoked"
                ]
        limits = await self.mailbox.call(
            "registered", {"taskinfoitems": ["rate_limit"]}, expect=expect, timeout=timeout
        )
        workers = [reply for reply in limits.replies if is_worker(reply.worker)]
        _count_silent(told, limits, beats)
        answered &= {reply.worker for reply in workers}
        told.limited = sorted({name for reply in workers for name in read_limited(reply.value)})
        told.answered = sorted(answered)
        return told

    async def revoke(
        self,
        ids: Sequence[str],
        *,
        terminate: bool = False,
        signal: str | None = None,
        destination: Sequence[str] | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell workers to discard these tasks, or with `terminate` to end their processes."""
        arguments = {"task_id": list(ids), "terminate": terminate, "signal": signal}
        return await self._ask("revoke", arguments, destination=destination, timeout=timeout)

    async def set_events(
        self, on: bool, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> Replies:
        """Switch task events on or off. A worker started with -E cannot be silenced."""
        method = "enable_events" if on else "disable_events"
        return await self._ask(method, {}, destination=destination, timeout=timeout)

    async def tell(
        self,
        command: WorkerCommand,
        arguments: Mapping[str, Any],
        workers: Sequence[str],
        *,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell these workers something. Raises `UsageError` without names, or for another command."""
        if command not in COMMANDS:
            raise UsageError(f"{command!r} is no command that workers are told.")
        return await self._ask(command, arguments, destination=_named(workers), timeout=timeout)

    async def shut_down(self, workers: Sequence[str]) -> None:
        """Ask these workers to stop warmly; nobody answers. Raises `UsageError` without names."""
        named = _named(workers)
        await self.mailbox.cast("shutdown", {}, destination=named)

    async def look(
        self, workers: Sequence[str], what: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, WorkerReport]:
        """What these workers say now, by name."""
        reports = await self.survey(destination=list(workers), what=what, timeout=timeout)
        return {report.worker: report for report in reports if "ping" in what or report.ping is not False}

    async def limits(
        self, workers: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, dict[str, TaskLimits]]:
        """Rate and time limits in force, by worker and task."""
        arguments = {"taskinfoitems": list(LIMITS)}
        replies = await self._ask("registered", arguments, destination=list(workers), timeout=timeout)
        return {reply.worker: read_limits(reply.value) for reply in replies.replies}

    async def _ask(
        self,
        method: str,
        arguments: Mapping[str, Any],
        *,
        destination: Sequence[str] | None = None,
        timeout: float,
    ) -> Replies:
        replies = await self.mailbox.call(method, arguments, destination=destination, timeout=timeout)
        replies.replies = [reply for reply in replies.replies if is_worker(reply.worker)]
        return replies


def _named(workers: Sequence[str]) -> list[str]:
    """A destination is never left out by mistake: without one, a command goes to everybody."""
    if not workers:
        raise UsageError("No worker is named.", "This is never sent to all of them.")
    return list(workers)


def _count_silent(told: Census, replies: Replies, beats: int) -> None:
    unheard = _unheard(replies, beats)
    told.silent = None if unheard is None or told.silent is None else max(told.silent, unheard)


def _unheard(replies: Replies, beats: int) -> int | None:
    """Workers that received a command and did not answer, where so many beats are known to be there; `None`
    where the broker does not tell."""
    if replies.expected is None:
        return None
    answered = sum(is_worker(reply.worker) for reply in replies.replies)
    if replies.complete or replies.received is None:
        return max(0, replies.expected - answered)
    # `expected` guesses which of those who received it are beats. Whoever answers as a beat is one.
    return max(0, replies.received - beats - answered)


def _listening(answers: Sequence[Replies], silent: Sequence[str]) -> bool | None:
    """Whether silent workers have an open mailbox: the broker counts who receives, not who it is.

    As many receivers left over as there are silent ones: all of them listen. None left over: nobody.
    """
    for replies in answers if silent else ():
        over = _unheard(replies, _beats(replies))
        if over is not None:
            return True if over >= len(silent) else None if over else False
    return None


def _beats(replies: Replies) -> int:
    """How many beats answered."""
    return sum(not is_worker(reply.worker) for reply in replies.replies)


def _settled(report: WorkerReport, what: Sequence[str]) -> WorkerReport:
    if report.ping is None and "ping" in what:
        # It answered another question: it is there, but its answer to ping came too late.
        report.ping = True
    return report
