"""An engine of canned answers, to test what the command line does with them."""

from __future__ import annotations

from typing import Any

from lazycelery.errors import LazyCeleryError, NothingFound, Refused
from lazycelery.model.action import AuditEntry, Order, Outcome, OutcomeItem, Plan, PlanItem
from lazycelery.model.bulk import Bulk, Progress
from lazycelery.model.cluster import LogLine, LogPage, Overview, SourceHealth, Tick
from lazycelery.model.faults import ErrorDetail, ErrorGroup, ErrorPage, ErrorQuery, HeatBy, HeatMap
from lazycelery.model.history import HistoryStatus
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.service import LogText
from lazycelery.model.sla import Objective
from lazycelery.model.statistics import Compared, Comparison, Kind, Span, Statistics, StatisticsRow
from lazycelery.model.task import Task, TaskPage, TaskQuery, TaskRow
from lazycelery.model.worker import Pulse, Worker, WorkerDetail

NOW = 1_800_000_000.0
EVIL = "\x1b[31m[/red]\u202eevil"


class FakeEngine:
    """Answers from its attributes; remembers what it was asked."""

    def __init__(self) -> None:
        self.profile = Profile()
        self.started = False
        self.closed = False
        self.problem: BaseException | None = None
        self.asked: dict[str, Any] = {}
        self.all_workers = [
            Worker(name="w1@a", state="online", pool="prefork", concurrency=2, queues=["celery"])
        ]
        self.all_queues = [Queue(name="celery", messages=3, priorities={"0": 3}, workers=["w1@a"])]
        self.all_tasks = [Task(id=f"id-{n}", name="shop.charge", state="failure") for n in range(3)]
        self.messages = [Message(position=0, id="m-0", task="shop.add", args=[1, 2], kwargs={})]
        self.pulses = [Pulse(worker="w1@a", ping=0.004, clock=7, memory=64 << 20, uptime=3.0, pid=811)]
        self.lines: list[LogLine] = []
        self.entries: list[AuditEntry] = []
        self.next_plan = Plan(
            id="p1",
            action="retry",
            title="Retry 1 task exactly, to default",
            count=1,
            items=[PlanItem(target="id-0", text="shop.charge(1)", grade="exact")],
            question="retry it?",
        )
        self.outcome = Outcome(
            action="retry",
            done=1,
            failed=0,
            proof="1 sent",
            items=[OutcomeItem(target="id-0", ok=True, text="sent", new_id="id-9", replies={"w1@a": "ok"})],
        )
        self.plans: list[Bulk] = []
        self.conf: dict[str, object] = {}
        self.first_seen: float | None = None
        self.figures: list[StatisticsRow] = []
        self.recorded_until: float | None = None
        self.kept = HistoryStatus()
        self.error_page = ErrorPage(now=NOW)
        self.error_detail = ErrorDetail(group=ErrorGroup(id="3fa91b22c0", type="E", message="x"))
        self.hot = HeatMap(by="worker")
        self.targets: list[Objective] = []
        self.sources = [SourceHealth(name="broker", state="connected")]

    async def ready(self, timeout: float = 5.0, observe: float = 0.0) -> Overview:
        self.asked["ready"] = (timeout, observe)
        if self.problem:
            raise self.problem
        return await self.overview()

    async def statistics(self, kind: Kind, window: float) -> Statistics:
        self.asked["statistics"] = (kind, window)
        return Statistics(
            kind=kind,
            window=window,
            since=NOW - window,
            until=NOW,
            seen=90.0,
            rows=self.figures,
            recorded_until=self.recorded_until,
        )

    async def sla(self) -> list[Objective]:
        return self.targets

    async def compared(self, kind: Kind, window: float) -> Comparison:
        self.asked["compared"] = (kind, window)
        why = "no history of that day: history_days = 7 in the profile; 8 keeps a week and a day"
        return Comparison(
            kind=kind,
            window=window,
            spans=[
                Span(when="now", since=NOW - window, until=NOW, seen=window),
                Span(when="hour", since=NOW - 2 * window, until=NOW - window, seen=window / 2),
                Span(when="day", since=NOW - 86_400 - window, until=NOW - 86_400, seen=window),
                Span(when="week", since=NOW, until=NOW, why=why),
            ],
            rows=[
                Compared(
                    key=row.key,
                    rows={
                        "now": row,
                        "hour": row,
                        "day": StatisticsRow(kind=kind, key=row.key, rate=0.0),
                        "week": None,
                    },
                )
                for row in self.figures
            ],
        )

    async def errors(self, query: ErrorQuery) -> ErrorPage:
        self.asked["errors"] = query
        return self.error_page

    async def error_group(self, id: str, filter: str = "") -> ErrorDetail:
        self.asked["error_group"] = (id, filter)
        return self.error_detail

    async def heat(self, by: HeatBy = "worker", filter: str = "", since: str = "") -> HeatMap:
        self.asked["heat"] = (by, filter, since)
        return self.hot

    async def overview(self) -> Overview:
        online = sum(worker.state == "online" for worker in self.all_workers)
        return Overview(
            now=NOW,
            history=self.kept,
            broker="redis://db/0",
            sources=self.sources,
            connected=True,
            read_only=not self.profile.allow,
            allowed=self.profile.allow,
            workers_online=online,
            workers_total=len(self.all_workers),
            first_seen=self.first_seen,
            tasks_total=len(self.all_tasks),
            tasks_by_state={"failure": len(self.all_tasks)},
        )

    async def workers(self) -> list[Worker]:
        return self.all_workers

    async def worker(self, name: str) -> WorkerDetail:
        return WorkerDetail(worker=self.all_workers[0], conf=self.conf)

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        self.asked["pulse"] = workers
        return self.pulses

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        self.asked["worker_log"] = name
        return LogText(
            worker=name, lines=[f"ready {EVIL}"], command="tail -f log", why="It has ended with 0."
        )

    async def queues(self) -> list[Queue]:
        return self.all_queues

    async def tasks(self, query: TaskQuery) -> TaskPage:
        self.asked["tasks"] = query
        chosen = self.all_tasks[query.offset : query.offset + query.limit]
        rows = [
            TaskRow(
                row=n,
                stamp=1,
                id=task.id,
                name=task.name,
                state=task.state,
                since=NOW - 61,
                at_least=task.state == "started" and task.started is None,
                args=EVIL,
            )
            for n, task in enumerate(chosen)
        ]
        return TaskPage(rows=rows, matched=len(self.all_tasks), known=len(self.all_tasks))

    async def task(self, id: str, fetch: bool = True) -> Task:
        self.asked["task"] = (id, fetch)
        for task in self.all_tasks:
            if task.id == id:
                return task
        raise NothingFound(f"No task {id} is known.", "Look elsewhere.")

    async def message(self, id: str) -> Message:
        raise NothingFound("No source has its message.")

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        return PeekPage(queue=queue, at=NOW, total=len(self.messages), messages=self.messages)

    async def tick(self, seen: int = -1, timeout: float = 10.0) -> Tick:
        return Tick(stamp=seen + 1)

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        self.asked["log"] = (filter, full)
        lines = [line for line in self.lines if line.seq > after][:limit]
        return LogPage(lines=lines, last=lines[-1].seq if lines else after)

    async def plan(self, order: Order) -> Plan:
        self.asked["order"] = order
        self.next_plan.order = order
        if order.action not in self.profile.allow:
            self.next_plan.refused, self.next_plan.locked = "Read-only.", True
            self.next_plan.hint = f"Start with --allow {order.action}, or press W."
        return self.next_plan

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        self.asked["act"] = (plan_id, word)
        if self.next_plan.level == "typed" and word != self.next_plan.word:
            raise Refused("Not the word.")
        return self.outcome

    async def deal(
        self, targets: list[str], filter: str | None = None, note: str = "", undo: bool = False
    ) -> list[str]:
        self.dealt = (targets, filter, note, undo)
        return targets or ["id-0"]

    async def progress(self) -> list[Progress]:
        return []

    async def halt(self, plan_id: str) -> bool:
        return False

    async def bulks(self, everywhere: bool = False) -> list[Bulk]:
        return self.plans

    async def bulk(self, id: str) -> Bulk:
        for plan in self.plans:
            if plan.id.startswith(id):
                return plan
        raise NothingFound(f"There is no plan {id!r}.")

    async def discard(self, id: str) -> Bulk:
        self.asked["discard"] = id
        return await self.bulk(id)

    async def audit(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        self.asked["audit"] = (limit, filter)
        return self.entries

    async def close(self) -> None:
        self.closed = True

    def fail_with(self, problem: LazyCeleryError) -> None:
        self.problem = problem
