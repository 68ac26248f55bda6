"""An engine without a cluster: an `EngineApi` in memory, with a shop's fleet that a test can change.

Everything is made from a seed and a fixed clock, so that screens come out the same each time.
`python -m tests.support.fake_engine` shows it on the real screen, for tests in a pseudo-terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import sys
from typing import Any

import msgspec

from lazycelery.config.views import Shelf
from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.insight import verdict
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.action import AuditEntry, Order, Outcome, OutcomeItem, Plan, PlanItem
from lazycelery.model.beat import Beat
from lazycelery.model.bulk import Bulk, Progress
from lazycelery.model.canvas import Member
from lazycelery.model.cluster import Load, LogLine, LogPage, Notice, Overview, SourceHealth, Tick
from lazycelery.model.completion import Completion
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.faults import ErrorDetail, ErrorPage, ErrorQuery, HeatBy, HeatMap, Mark
from lazycelery.model.finding import FindingMark
from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.metrics import LEVELS, RATES, TIMES, Metrics, Series
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.reports import TaskReport
from lazycelery.model.service import LogText
from lazycelery.model.sla import BURNS, Aim, Burn, Objective
from lazycelery.model.statistics import Compared, Comparison, Kind, Span, Statistics, StatisticsRow
from lazycelery.model.task import Attempt, Task, TaskPage, TaskQuery, TaskRow
from lazycelery.model.verdict import Thing, Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail
from tests.support import fake_faults
from tests.support.fake_beat import schedule

NOW = 1_763_690_602.0
"""2025-11-21 02:03:22 UTC."""
NAMES = ("shop.charge", "shop.report", "mail.send", "stock.reserve", "shop.thumbnail", "search.index")
QUEUES = ("default", "default", "mail", "default", "reports", "default")
STATES = ("success", "success", "success", "failure", "success", "retry", "success", "revoked")
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/celery/app/trace.py", line 453, in trace_task
    R = retval = fun(*args, **kwargs)
  File "/srv/shop/tasks.py", line 88, in charge
    return gateway.charge(order, amount)
  File "/srv/shop/gateway.py", line 31, in charge
    raise Timeout("gateway did not answer in 8 s")
shop.gateway.Timeout: gateway did not answer in 8 s
"""


def worker(name: str, state: str = "online", **own: Any) -> Worker:
    base: dict[str, Any] = {
        "pool": "prefork",
        "concurrency": 4,
        "processes": [811, 812, 813, 814],
        "queues": ["default", "reports"],
        "active": 1,
        "reserved": 0,
        "scheduled": 0,
        "processed": 18204,
        "failed": 31,
        "prefetch": 16,
        "pid": 800,
        "uptime": 3 * 86400 + 4 * 3600.0,
        "loadavg": [0.4, 0.3, 0.2],
        "rss": 88 << 20,
        "software": "py-celery 5.6.2",
        "heartbeat_age": 1.0,
        "events": True,
        "sources": {"pool": "control", "active": "control", "processed": "event", "loadavg": "event"},
        "last_seen": NOW,
    }
    return Worker(name=name, state=state, **{**base, **own})  # type: ignore[arg-type]


def fleet() -> list[Worker]:
    return [
        worker(
            "celery@mail-1", active=0, concurrency=2, queues=["mail"], loadavg=[0.0, 0.0, 0.0], pool="threads"
        ),
        worker("celery@old-7", "offline", stopped=NOW - 130, active=None, loadavg=None),
        worker("celery@web-1", active=3, reserved=2),
        worker("celery@web-2", loadavg=[0.1, 0.1, 0.1]),
        worker(
            "celery@web-3",
            "busy",
            active=4,
            reserved=12,
            loadavg=[3.9, 3.5, 3.0],
            why="busy: its 4 slots run shop.report, the oldest since 14m02s; 12 reserved wait behind them",
        ),
    ]


def queues() -> list[Queue]:
    everyone = ["celery@web-1", "celery@web-2", "celery@web-3"]
    return [
        Queue(
            name="default",
            type="list",
            messages=1204,
            unacked=9,
            consumers=3,
            in_rate=12.0,
            out_rate=8.0,
            wait_estimate=150.0,
            priorities={"0": 40, "3": 1004, "6": 160, "9": 0},
            workers=everyone,
            history=[210, 380, 520, 640, 790, 930, 1080, 1204],
            sources={"messages": "broker", "consumers": "control"},
        ),
        Queue(
            name="defualt",
            messages=7,
            unacked=0,
            consumers=0,
            workers=[],
            history=[7] * 8,
            why="7 messages in defualt, nobody consumes it. Did you mean default?",
        ),
        Queue(
            name="mail",
            messages=0,
            consumers=1,
            in_rate=0.0,
            out_rate=0.0,
            workers=["celery@mail-1"],
            history=[0] * 8,
        ),
        Queue(
            name="reports",
            messages=12,
            consumers=3,
            in_rate=0.0,
            out_rate=0.0,
            workers=everyone,
            history=[0, 0, 0, 12],
        ),
    ]


def audited() -> list[AuditEntry]:
    def entry(ago: float, action: str, title: str, proof: str, ok: bool = True) -> AuditEntry:
        return AuditEntry(
            time=NOW - ago,
            user="ada",
            host="ops1",
            profile="shop-prod",
            broker="redis://db1:6379/0",
            action=action,
            title=title,
            targets=["default" if action == "purge" else "ec5aa0b7-8460-82a2-415f-0902f0da88f2"],
            plan={"count": 1204, "level": "typed"},
            backup="/state/default.ndjson" if action == "purge" else None,
            outcome="done" if ok else "failed",
            ok=ok,
            proof=proof,
            origin="10.0.0.7",
        )

    return [
        entry(60, "retry", "Retry shop.charge exactly, to default", "retried as 77ab01d2"),
        entry(900, "purge", "Purge default", "purged default: 1,204 removed, 0 left"),
        entry(90_000, "revoke", "Revoke mail.send", "no worker answered", ok=False),
    ]


class FakeEngine:
    """A believable cluster in memory. Tests change its fields and call `touch`."""

    def __init__(self, tasks: int = 1000, *, read_only: bool = True, hostile: bool = False) -> None:
        self.dear = False
        """Whether a look costs something, as on RabbitMQ."""
        self.fleet = fleet()
        self.lines = queues()
        self.total = tasks
        self.gone: set[int] = set()
        self.extra: dict[str, TaskRow] = {}
        self.delay = 0.0
        """Seconds before each answer."""
        self.searching: tuple[float, int] | None = None
        """How far a search through texts has come, and how many hits it has; `None` when it is through."""
        self.fails: LazyCeleryError | None = None
        """Raised by every method, as when the engine has died."""
        self.values: dict[str, Any] = {}
        """Fields of `Task` that all details carry."""
        self.calls: list[str] = []
        self.turned: list[tuple[str, float]] = []
        """What was done to the recording."""
        self.logs: dict[str, list[str]] = {}
        self.under_way: list[Progress] = []
        self.halted: list[str] = []
        self.bulk_plans: list[Bulk] = []
        self.planned: list[Order] = []
        self.acted: list[tuple[Order, str | None]] = []
        self.audited = audited()
        self.schedule = schedule(NOW)
        self.groups = fake_faults.groups(NOW)
        self.asked_errors: ErrorQuery | None = None
        self.marked: list[str] = []
        self.closed = False
        self._plans: dict[str, Plan] = {}
        self._numbers: dict[str, int] = {}
        """Task ids that were ever given out."""
        self._tick = Tick(stamp=1, tasks=1, workers=1, queues=1, log=1, status=1)
        self._changed = asyncio.Event()
        self.seen = Overview(
            now=NOW,
            profile="shop-prod",
            broker="redis://db1:6379/0",
            transport="redis",
            read_only=read_only,
            allowed=[] if read_only else Profile().may_unlock,
            may_unlock=Profile().may_unlock,
            sources=[
                SourceHealth(name=name, state="connected")
                for name in ("broker", "events", "control", "results")
            ],
            connected=True,
            ever_connected=True,
            events_per_second=1200.0,
            lag=0.12,
            loss=0.0,
            load=Load(commands_per_second=6.0),
            tasks_total=tasks,
        )
        if hostile:
            self._be_hostile()

    def _be_hostile(self) -> None:
        nasty = "[/x][bold red]\x1b[2J\x1b]0;owned\x07\u202egnp.exe\r\n"
        self.fleet.append(worker(f"celery@{nasty}", why=nasty, queues=[nasty]))
        self.lines.append(Queue(name=nasty, messages=3, why=nasty, workers=[nasty], history=[1, 2, 3]))
        self.values = {
            "name": nasty,
            "args": nasty * 50,
            "kwargs": {nasty: [nasty]},
            "error": nasty,
            "traceback": nasty * 20,
        }
        self.seen.profile = nasty
        self.seen.notices = [Notice(code="x", severity="warning", title=nasty, hint=nasty)]

    # ---- what tests do

    def touch(self, *parts: str) -> None:
        """Announce a change of `tasks`, `workers`, `queues`, `log`, `status`."""
        self._tick.stamp += 1
        for part in parts:
            setattr(self._tick, part, getattr(self._tick, part) + 1)
        self._changed.set()

    def arrive(self, count: int = 1) -> None:
        """New tasks appear at the top."""
        self.total += count
        self.touch("tasks", "log")

    def lose(self, reason: str = "db1:6379 refused (port closed)") -> None:
        """The broker goes away."""
        self.seen.connected = False
        self.seen.sources[0] = SourceHealth(
            name="broker", state="lost", reason=reason, next_try=NOW + 4, last=NOW - 12
        )
        self.touch("status")

    def die(self) -> None:
        """The engine's process is killed."""
        self.fails = ConnectionProblem("The engine process has ended.", "It is started again.")
        self._changed.set()

    # ---- EngineApi

    async def _answer(self, name: str) -> None:
        self.calls.append(name)
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.fails is not None:
            raise self.fails

    async def tick(self, seen: int = -1, timeout: float = 10.0) -> Tick:
        await self._answer("tick")
        if seen == self._tick.stamp:
            self._changed.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), timeout)
            await self._answer("tick")
        return msgspec.structs.replace(self._tick)

    async def overview(self) -> Overview:
        await self._answer("overview")
        return self.seen

    async def ready(self, timeout: float = 5.0, observe: float = 0.0) -> Overview:
        return await self.overview()

    async def mark_finding(
        self, code: str, subject: str = "", kind: str = "ack", seconds: float | None = None, note: str = ""
    ) -> FindingMark:
        mark = FindingMark(
            code=code,
            subject=subject,
            kind="snooze" if kind == "snooze" else "ack",
            by="ada@ops1",
            at=NOW,
            until=None if seconds is None else NOW + seconds,
            note=note,
            subjects=[subject],
        )
        both = [*self.seen.findings, *self.seen.snoozed]
        for finding in both:
            if (finding.code, finding.subject) == (code, subject):
                finding.mark = None if kind == "clear" else mark
        put_off = [one for one in both if one.mark is not None and one.mark.kind == "snooze"]
        self.seen.snoozed, self.seen.findings = put_off, [one for one in both if one not in put_off]
        hidden = {(one.code, one.subject) for one in put_off}
        self.seen.notices = [one for one in self.seen.notices if (one.code, one.subject) not in hidden]
        return mark

    async def workers(self) -> list[Worker]:
        await self._answer("workers")
        return list(self.fleet)

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        await self._answer("pulse")
        told = {"clock": 4711, "memory": 71 << 20, "peak": 88 << 20, "uptime": 3 * 86400.0, "pid": 800}
        return [Pulse(worker=name, ping=0.0042, **told) for name in workers]  # type: ignore[arg-type]

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        await self._answer("worker_log")
        if name not in self.logs:
            raise Refused(f"The profile has no commands for {name}.", "Add [[profiles.NAME.workers]].")
        return LogText(worker=name, lines=self.logs[name], running=True, command="journalctl -f")

    async def worker(self, name: str) -> WorkerDetail:
        await self._answer("worker")
        found = next((one for one in self.fleet if one.name == name), None)
        if found is None:
            raise NothingFound(f"There is no worker {name}.")
        active = [
            {
                "id": self._id(n),
                "name": "shop.report",
                "args": f"('2026-{n:02}', user=811)",
                "since": NOW - 842 + n,
                "pid": 811 + n,
            }
            for n in range(found.active or 0)
        ]
        return WorkerDetail(
            worker=found,
            active=active,
            registered=sorted(NAMES),
            totals={"shop.report": 812},
            conf={"task_acks_late": False},
            at=NOW,
        )

    async def why(self, target: str, kind: Thing | None = None, fetch: bool = True) -> Verdict:
        await self._answer("why")
        seen = Snapshot(
            now=NOW,
            sources=self.seen.sources,
            workers=[self._facts(one) for one in self.fleet],
            queues=self.lines,
        )
        found = self.seen.findings
        for facts in seen.workers if kind in (None, "worker") else ():
            if facts.name == target:
                return verdict.of_worker(facts, seen, found)
        for line in seen.queues if kind in (None, "queue") else ():
            if line.name == target:
                return verdict.of_queue(line, seen, found)
        self.calls.pop()
        return verdict.of_task(await self.task(target, fetch), seen, found)

    def _facts(self, one: Worker) -> WorkerFacts:
        active = [
            TaskReport(
                id=self._id(n),
                phase="active",
                worker=one.name,
                name="shop.report",
                time_start=NOW - 842 + n,
            )
            for n in range(one.active or 0)
        ]
        lists: dict[str, Any] = {"active": active, "reserved": [], "scheduled": []}
        told = {} if one.state == "offline" else {"at": dict.fromkeys(lists, NOW - 1), **lists}
        return WorkerFacts(worker=one, queues=one.queues, answered=NOW - 1, **told)

    async def queues(self) -> list[Queue]:
        await self._answer("queues")
        return list(self.lines)

    def _id(self, number: int) -> str:
        hexed = hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()
        id = f"{hexed[:8]}-{hexed[8:12]}-{hexed[12:16]}-{hexed[16:20]}-{hexed[20:]}"
        self._numbers[id] = number
        return id

    def _row(self, number: int) -> TaskRow:
        """Task `number`, counted from the oldest."""
        if self._id(number) in self.extra:
            return self.extra[self._id(number)]
        kind, state = number % len(NAMES), STATES[number * 7 % len(STATES)]
        if number >= self.total - 2:
            state = "started"
        errors = {
            "failure": "Timeout('gateway did not answer in 8 s')",
            "retry": "ConnectionError('smtp: 421')",
        }
        return TaskRow(
            row=number,
            stamp=1,
            id=self._id(number),
            name=self.values.get("name") or NAMES[kind],
            state=state,
            worker=f"celery@web-{number % 3 + 1}",
            queue=QUEUES[kind],
            since=NOW - (1000 - number % 1000) if state != "started" else NOW - 12,
            first=NOW - 2000,
            runtime=None if state in ("started", "revoked") else (number * 37 % 1000) / 100,
            wait=(number * 13 % 300) / 100,
            retries=2 if state == "retry" else 0,
            args=self.values.get("error") or f"({number}, 'order-{number % 89}')",
            error=self.values.get("error") or errors.get(state),
        )

    def _matching(self, filter: str) -> list[int] | range:
        """Line -> number. Knows just enough of the filter language for tests."""
        if not filter:
            return range(self.total - 1, -1, -1)
        words = filter.split()
        return [
            n
            for n in range(self.total - 1, -1, -1)
            if all(self._matches(self._row(n), word) for word in words)
        ]

    def _parent(self, number: int) -> int | None:
        """Families of four: a root, two children, and a grandchild."""
        place = number % 4
        return None if place == 0 else number - 1 if place == 3 else number - place

    def _matches(self, row: TaskRow, word: str) -> bool:
        field, colon, value = word.partition(":")
        value = value.removeprefix("=")
        if not colon:
            return word in f"{row.name} {row.id} {row.error}"
        if field == "error_group":
            return row.state == "failure"
        if field == "root":
            return self._id(row.row - row.row % 4) == value
        return str(getattr(row, field)) in value.split(",")

    async def tasks(self, query: TaskQuery) -> TaskPage:
        await self._answer("tasks")
        problem = await self.check_filter(query.filter)
        if problem:
            raise UsageError(problem)
        order = self._matching(query.filter)
        order = order[::-1] if query.reverse else order
        searched = 1.0
        if query.patience is not None and self.searching is not None and query.filter:
            await asyncio.sleep(min(query.patience, 0.2))
            searched, hits = self.searching or (1.0, len(order))
            order = order[:hits]
        held = None
        first = query.offset
        if query.hold is not None:
            number = self._numbers.get(query.hold, -1)
            held = order.index(number) if number in order else None
            first += held or 0
        first = max(0, min(first, len(order)))
        rows = [self._row(n) for n in order[first : first + query.limit]]
        return TaskPage(
            rows=rows,
            start=first,
            matched=len(order),
            known=self.total,
            held=held,
            oldest=NOW - 6000,
            searched=searched,
        )

    async def task(self, id: str, fetch: bool = True) -> Task:
        await self._answer("task")
        number = self._numbers.get(id)
        if number is None:
            raise NothingFound(f"There is no task {id}.")
        row = self._row(number)
        failed = row.state in ("failure", "retry")
        finished = None if row.state == "started" else row.since
        started = None if row.since is None else row.since - (row.runtime or 0)
        task = Task(
            id=row.id,
            name=row.name,
            state=row.state,
            worker=row.worker,
            queue=row.queue,
            sent=(started or NOW) - (row.wait or 0),
            received=(started or NOW) - 0.1,
            started=started,
            finished=finished,
            runtime=row.runtime,
            wait=row.wait,
            retries=row.retries,
            args=[number, f"order-{number % 89}"],
            kwargs={"currency": "EUR", "lines": [{"sku": f"A-{n}", "count": n} for n in range(1, 5)]},
            result={"charged": True} if row.state == "success" and fetch else None,
            error=row.error,
            traceback=TRACEBACK if failed and fetch else None,
            truncated=["kwargs"],
            root_id=self._id(number - number % 4),
            parent_id=None if (parent := self._parent(number)) is None else self._id(parent),
            sources={"state": "event", "worker": "event", "args": "broker", "kwargs": "event"},
            attempts=[
                Attempt(
                    number=1,
                    worker=row.worker,
                    received=(started or NOW) - 0.1,
                    started=started,
                    finished=finished,
                    state=row.state,
                    error=row.error,
                )
            ],
        )
        for field, value in self.values.items():
            setattr(task, field, value)
        return task

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        await self._answer("peek")
        if self.dear and not force:
            raise Refused(
                f"RabbitMQ shows a message only by delivering it. On {queue} that counts.", "--force"
            )
        found = next(one for one in self.lines if one.name == queue)
        total = found.messages or 0
        messages = [
            Message(
                position=n,
                id=self._id(n),
                task=NAMES[n % 6],
                args=[n],
                kwargs={},
                priority=3,
                retries=0,
                size=812 + n,
                content_type="application/json",
            )
            for n in range(min(total, limit))
        ]
        return PeekPage(queue=queue, at=NOW, total=total, messages=messages)

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        await self._answer("log")
        if filter.startswith("id:"):
            return self._events_of(filter.removeprefix("id:").removeprefix("="))
        if limit > 1:
            return await self._live(after, limit, filter)
        row = self._row(self.total - 1)
        line = LogLine(
            seq=self.total,
            at=NOW,
            received=NOW,
            type="task-failed",
            worker=row.worker or "",
            id=row.id,
            name=row.name,
            text="Timeout('gateway')",
        )
        return LogPage(lines=[line], last=self.total)

    async def _live(self, after: int, limit: int, filter: str) -> LogPage:
        """Each task has one event: that of its present state."""
        problem = await self.check_filter(filter)
        if problem:
            raise UsageError(problem)
        first = max(0, self.total - limit) if after < 0 else after + 1
        kinds = {"success": "task-succeeded", "retry": "task-retried", "failure": "task-failed"}
        words = filter.split()
        lines = [
            LogLine(
                seq=row.row,
                at=row.since or NOW,
                received=row.since or NOW,
                type=kinds.get(row.state, f"task-{row.state}"),
                worker=row.worker or "",
                id=row.id,
                name=row.name,
                text=row.error or "",
            )
            for row in map(self._row, range(first, self.total))
            if all(self._matches(row, word) for word in words)
        ][:limit]
        cut = after >= 0 and len(lines) == limit
        return LogPage(lines=lines, last=lines[-1].seq if cut else self.total - 1)

    async def replay(self, do: Turn, amount: float = 0.0) -> Reel:
        await self._answer("replay")
        self.turned.append((do, amount))
        reel = self.seen.reel
        assert reel is not None
        if do == "pause":
            reel.paused = not reel.paused
        elif do == "speed":
            reel.speed = amount
        elif do == "jump" and amount < reel.at:
            return msgspec.structs.replace(reel, reopen=f"replay:///a.tape?from={amount - reel.start:g}")
        elif do == "jump":
            reel.at = self.seen.now = amount
        self.touch("status")
        return reel

    async def metrics(self) -> Metrics:
        await self._answer("metrics")
        return Metrics(fine=self._series(1.0, 300, 180), coarse=self._series(60.0, 240, 97))

    async def beat(self) -> Beat:
        await self._answer("beat")
        return self.schedule

    async def errors(self, query: ErrorQuery) -> ErrorPage:
        await self._answer("errors")
        self.asked_errors = query
        if problem := await self.check_filter(query.filter):
            raise UsageError(problem)
        groups = [one for one in self.groups if one.new or not query.new]
        return ErrorPage(
            groups=groups,
            matched=len(groups),
            failures=sum(one.count for one in groups),
            since=NOW - 90_000,
            now=NOW,
            mark=fake_faults.marks(NOW)[0],
            marks=fake_faults.marks(NOW),
        )

    async def error_group(self, id: str, filter: str = "") -> ErrorDetail:
        await self._answer("error_group")
        return fake_faults.detail(next(one for one in self.groups if one.id == id), NOW)

    async def heat(self, by: HeatBy = "worker", filter: str = "", since: str = "") -> HeatMap:
        await self._answer("heat")
        return fake_faults.heat(by, NOW) if self.groups else HeatMap(by=by)

    async def mark(self, name: str) -> Mark:
        await self._answer("mark")
        self.marked.append(name)
        return Mark(at=NOW, name=name, user="ada")

    async def history(self, query: HistoryQuery) -> HistoryPage:
        await self._answer("history")
        return HistoryPage()

    async def statistics(self, kind: Kind = "task", window: float = 3600.0) -> Statistics:
        await self._answer("statistics")
        row = StatisticsRow(kind=kind, key="shop.charge", started=40, succeeded=38, failed=2, rate=0.1)
        return Statistics(kind=kind, window=window, since=NOW - window, until=NOW, rows=[row])

    async def compared(self, kind: Kind = "task", window: float = 3600.0) -> Comparison:
        await self._answer("compared")
        names = {"task": NAMES, "worker": ("celery@web-1", "celery@web-2"), "queue": ("default", "mail")}[
            kind
        ]
        spans = [
            Span(when="now", since=NOW - window, until=NOW, seen=window),
            Span(when="hour", since=NOW - 2 * window, until=NOW - window, seen=1810.0),
            Span(when="day", since=NOW - 90_000, until=NOW - 86_400, seen=7200.0),
            Span(
                when="week",
                since=NOW - 608_400,
                until=NOW - 604_800,
                why="no history of that day: history_days = 7 in the profile; 8 keeps a week and a day",
            ),
        ]
        rows = [self._compared(kind, name, place) for place, name in enumerate(names)]
        return Comparison(kind=kind, window=window, spans=spans, rows=rows)

    async def sla(self) -> list[Objective]:
        await self._answer("sla")
        aims: tuple[tuple[Aim, float | None, float, int, float], ...] = (
            ("wait", 5.0, 0.99, 311, 0.2),
            ("runtime", 30.0, 0.99, 12, 0.0),
            ("success", None, 0.999, 240, 18.4),
        )
        return [
            Objective(
                pattern="shop.*",
                aim=aim,
                target=target,
                share=share,
                window=604_800.0,
                seen=93_600.0,
                since=NOW - 93_600,
                events=120_400,
                bad=bad,
                kept=1 - bad / 120_400,
                budget_left=1 - bad / 120_400 / (1 - share),
                burn={name: Burn(rate=rate, events=900, bad=9, seen=300.0) for name in BURNS},
            )
            for aim, target, share, bad, rate in aims
        ]

    @staticmethod
    def _compared(kind: Kind, name: str, place: int) -> Compared:
        def row(factor: float, failed: int) -> StatisticsRow:
            return StatisticsRow(
                kind=kind,
                key=name,
                succeeded=1204 - 100 * place,
                failed=failed,
                rate=(2.0 + place) / factor,
                failure_share=failed / 1204,
                retry_share=0.01,
                runtime_p50=0.21 * factor,
                runtime_p95=1.4 * factor,
                runtime_p99=12.0 * factor,
                wait_p50=0.02,
                wait_p95=0.31 * factor,
                wait_p99=2.0,
            )

        quiet = StatisticsRow(kind=kind, key=name, rate=0.0)
        day = quiet if place == 1 else row(1.1, 5)
        return Compared(key=name, rows={"now": row(3, 140), "hour": row(1, 4), "day": day, "week": None})

    @staticmethod
    def _series(step: float, length: int, known: int) -> Series:
        names = (*RATES, *TIMES, *LEVELS)
        values: dict[str, list[float | None]] = {
            name: [
                None if at < length - known else round((at * (place + 3) % 97) / 8 + place, 3)
                for at in range(length)
            ]
            for place, name in enumerate(names)
        }
        return Series(step=step, end=NOW, values=values)

    def _events_of(self, id: str) -> LogPage:
        row = self._row(self._numbers[id])
        moments = (("task-received", 12.0), ("task-started", 9.0), ("task-failed", 0.4))
        lines = [
            LogLine(
                seq=number,
                at=(row.since or NOW) - before,
                received=(row.since or NOW) - before + 0.1,
                type=type,
                worker=row.worker or "",
                id=id,
                name=row.name,
                event={"type": type, "uuid": id, "clock": 40 + number, "pid": 812},
            )
            for number, (type, before) in enumerate(moments)
        ]
        lines[0].event |= {"args": row.args, "kwargs": "{}", "retries": 0}
        lines[2].event["exception"] = row.error
        return LogPage(lines=lines, last=self.total)

    async def message(self, id: str) -> Message:
        await self._answer("message")
        row = self._row(self._numbers[id])
        if row.state != "started":
            raise NothingFound("Its message is in no queue any more.", "A finished task has none.")
        return Message(
            position=3,
            id=id,
            task=row.name,
            args=[row.row, "order-9"],
            kwargs={"currency": "EUR"},
            priority=3,
            retries=0,
            headers={"lang": "py", "task": row.name, "id": id, "origin": "gen811@app1"},
            content_type="application/json",
            size=812,
            redelivered=False,
        )

    async def check_filter(self, text: str) -> str | None:
        for word in text.split():
            field, colon, _ = word.partition(":")
            if colon and field not in ("state", "name", "worker", "queue", "id", "root", "error_group"):
                return f'at {text.index(word) + 1}: there is no field "{field}". Did you mean state?'
        return None

    async def complete(self, text: str, cursor: int) -> list[Completion]:
        start = text.rfind(" ", 0, cursor) + 1
        field, colon, value = text[start:cursor].partition(":")
        if not colon:
            fields = [name for name in ("state", "name", "worker", "queue", "id") if name.startswith(field)]
            return [
                Completion(start=start, end=cursor, text=f"{name}:", note="field") for name in fields if field
            ]
        values = {"state": sorted(set(STATES)), "name": sorted(NAMES), "queue": sorted(set(QUEUES))}
        return [
            Completion(start=start + len(field) + 1, end=cursor, text=one)
            for one in values.get(field, [])
            if one.startswith(value)
        ]

    async def plan(self, order: Order) -> Plan:
        await self._answer("plan")
        self.planned.append(order)
        id = f"plan-{len(self._plans) + 1}"
        target = order.targets[0] if order.targets else "all workers"
        plan = Plan(
            id=id, action=order.action, title=f"{order.action} {target}", count=1, order=order, level="letter"
        )
        if order.filter is not None:
            plan.title, plan.question = f"{order.action} what matches {order.filter}", "Do it to all of them?"
        elif order.action == "retry" and order.targets:
            row = next(r for r in (self._row(n) for n in range(self.total - 1, -1, -1)) if r.id == target)
            plan.items = [PlanItem(target=target, text=str(row.name), grade="exact")]
            plan.title = f"Retry {row.name} exactly, to {row.queue}"
            plan.question = "Send it again as a new task?"
        elif order.action == "purge":
            depth = next(one for one in self.lines if one.name == target).messages or 0
            if not depth:
                raise NothingFound(f"{target} is empty.", "There is nothing to do.")
            plan.title = f"Purge {target}: {depth:,} messages are saved, then removed"
            plan.question = f"Backup: ~/.local/state/lazycelery/{target}.ndjson"
            plan.level, plan.word, plan.count = "typed", target, depth
            plan.backup = f"/state/{target}.ndjson"
            plan.warnings = ["9 messages are being worked on and are not touched."]
        elif order.action == "terminate":
            plan.level, plan.word = "typed", "terminate"
        elif order.action == "shutdown":
            plan.level, plan.word = "typed", target
            plan.warnings = ["A supervisor may start it again at once."]
        elif order.action == "revoke":
            plan.warnings = ["web-2 keeps no state file: a restart forgets the revoke."]
            plan.question = "Tell all workers to drop it?"
        if len(order.targets) > 1:
            plan.count = len(order.targets)
            plan.title = f"{order.action} {plan.count} tasks"
            plan.items = [PlanItem(target=one, text=one) for one in order.targets]
            if plan.count > 20:
                plan.level, plan.word = "typed", str(plan.count)
        if order.params.get("canvas"):
            plan.canvas = [
                Member(id="0ca1f00d", name="shop.cart", state="success", source="event"),
                Member(id="9f3c21ab", name="shop.charge", state="failure", source="result"),
                Member(
                    id="77e01c55",
                    name="mail.send",
                    state="not sent",
                    source="message of 0ca1f00d",
                    note="next",
                ),
            ]
            plan.summary = ["3 members known: 1 success, 1 failure, 1 not sent"]
            plan.warnings = ["The steps after it keep their ids; what they had as results is replaced."]
        self._plans[id] = plan
        return plan

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        await self._answer("act")
        plan = self._plans[plan_id]
        assert plan.order is not None
        if plan.level == "typed" and word != plan.word:
            raise Refused("It was not confirmed.", f"Type {plan.word}.")
        self.acted.append((plan.order, word))
        target = plan.order.targets[0] if plan.order.targets else ""
        outcome = Outcome(action=plan.action, done=1, failed=0, proof=f"{plan.action} {target}: done")
        outcome.items = [OutcomeItem(target=one, ok=True, text="done") for one in plan.order.targets]
        if plan.action == "pool":
            outcome.back = Order(action="pool", targets=plan.order.targets, params={"do": "shrink", "n": 1})
        if plan.action == "purge":
            queue = next(one for one in self.lines if one.name == target)
            outcome.proof = f"purged {target}: {queue.messages:,} removed, 0 left"
            outcome.backup = f"/state/{target}.ndjson"
            queue.messages, queue.priorities = 0, {}
            self.touch("queues")
        if plan.action == "retry":
            outcome.items = [OutcomeItem(target=target, ok=True, text="sent", new_id="new-id")]
            outcome.proof = "retried as new-id"
        return outcome

    async def deal(
        self, targets: list[str], filter: str | None = None, note: str = "", undo: bool = False
    ) -> list[str]:
        self.dealt = (targets, filter, note, undo)
        return targets or ["id-0"]

    async def progress(self) -> list[Progress]:
        return self.under_way

    async def halt(self, plan_id: str) -> bool:
        self.halted.append(plan_id)
        return True

    async def bulks(self, everywhere: bool = False) -> list[Bulk]:
        return self.bulk_plans

    async def bulk(self, id: str) -> Bulk:
        return next(one for one in self.bulk_plans if one.id == id)

    async def discard(self, id: str) -> Bulk:
        return await self.bulk(id)

    async def audit(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        await self._answer("audit")
        return [entry for entry in self.audited if filter in entry.title][:limit]

    async def unlock(self, permissions: list[str]) -> Overview:
        await self._answer("unlock")
        self.seen.read_only, self.seen.allowed = False, list(permissions)
        return self.seen

    async def lock(self) -> Overview:
        await self._answer("lock")
        self.seen.read_only, self.seen.allowed = True, []
        return self.seen

    async def refresh(self) -> None:
        await self._answer("refresh")

    async def close(self) -> None:
        self.closed = True


class FakeProcess:
    """Stands for the engine's process."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine

    async def connect(self, profile: Profile) -> FakeEngine:
        if self.engine.fails is not None:
            raise self.engine.fails
        return self.engine


class FakeUi:
    def __init__(self, **own: Any) -> None:
        self.theme = own.get("theme", "dark")
        self.ascii = own.get("ascii", False)
        self.mouse = own.get("mouse", True)
        self.utc = own.get("utc", True)
        self.paint = own.get("paint", 0.1)
        self.keymap: dict[str, str | list[str]] = own.get("keymap", {})


class FakeSettings:
    def __init__(self, **own: Any) -> None:
        self.profile = Profile(
            name=own.get("name", "shop-prod"), broker=own.get("broker", "redis://db1:6379/0")
        )
        self.profiles: list[str] = own.get("profiles", [])
        self.shelf: Shelf = own.get("shelf") or Shelf()
        self.tried = ["--broker: not given", "$LAZYCELERY_BROKER: not set"]
        self.ui = FakeUi(**own)


class BusyProcess(FakeProcess):
    """An engine whose fleet changes ten times a second: all of it, or one row."""

    def __init__(self, engine: FakeEngine, everything: bool) -> None:
        super().__init__(engine)
        self.everything = everything

    async def connect(self, profile: Profile) -> FakeEngine:
        self.running = asyncio.create_task(self._run())
        return self.engine

    async def _run(self) -> None:
        for beat in itertools.count():
            await asyncio.sleep(0.1)
            self.engine.fleet[0].active = beat % 3
            if self.everything:
                self.engine.total += 200
                self.engine.touch("tasks", "workers", "queues", "log", "status")
            else:
                self.engine.touch("workers")


def main() -> int:
    """The real screen. Words: hostile, ascii, no-mouse, unlocked, flood, one-row, theme=X, tasks=9."""
    from lazycelery.tui import run

    words = sys.argv[1:]
    value = dict(word.split("=", 1) for word in words if "=" in word)
    tasks = int(value.get("tasks", "1000"))
    engine = FakeEngine(tasks, hostile="hostile" in words, read_only="unlocked" not in words)
    theme = value.get("theme", "dark")
    settings = FakeSettings(ascii="ascii" in words, mouse="no-mouse" not in words, theme=theme)
    process = FakeProcess(engine)
    if "flood" in words or "one-row" in words:
        process = BusyProcess(engine, "flood" in words)
    try:
        return run(settings, lambda: process)
    except LazyCeleryError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
