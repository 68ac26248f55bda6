"""A small cluster in memory: for what is refused, asked and worded. Effects are tested on real ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lazycelery.actions.audit import AuditLog
from lazycelery.actions.guard import Guard
from lazycelery.actions.service import Actions
from lazycelery.errors import Refused
from lazycelery.model.message import Message, PeekPage, StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.reports import (
    InFlight,
    QueueReport,
    ResultReport,
    TaskLimits,
    TaskReport,
    WorkerReport,
)
from lazycelery.model.task import Task
from lazycelery.model.worker import Worker, WorkerDetail
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.protocols.queues import PurgeResult
from lazycelery.sources.services import Services


def raw(id: str, task: str = "shop.add", args: Any = (1, 2), **more: Any) -> bytes:
    return json.dumps({"id": id, "task": task, "args": list(args), "kwargs": {}, **more}).encode()


class FakeRaw(dict[str, StoredMessage]):
    def holder(self, step: str) -> str | None:
        return None


class FakeStore:
    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.raw = FakeRaw()
        self.known_workers: dict[str, WorkerDetail] = {}
        self.young_workers: set[str] = set()
        self.known_queues: list[str] = []
        self.sent: list[tuple[str, str, str, str]] = []
        self.after_send: Callable[[str], Task | None] = lambda id: None

    def add(self, **fields: Any) -> Task:
        fields.setdefault("name", "shop.add")
        task = Task(**fields)
        self.tasks[task.id] = task
        return task

    def add_worker(self, name: str, *, registered: Sequence[str] = (), **fields: Any) -> None:
        fields = {"state": "online", "pool": "prefork", "queues": ["default"], **fields}
        worker = Worker(name=name, **fields)
        self.known_workers[name] = WorkerDetail(worker=worker, registered=list(registered))

    def task(self, id: str, now: float) -> Task | None:
        return self.tasks.get(id)

    def select(self, filter: str, limit: int, now: float) -> list[str]:
        wanted = filter.removeprefix("state:")
        return [task.id for task in self.tasks.values() if task.state == wanted][:limit]

    def resolve(self, prefix: str) -> list[str]:
        return [id for id in self.tasks if id.startswith(prefix)]

    def workers(self, now: float) -> list[Worker]:
        return [detail.worker for detail in self.known_workers.values()]

    def worker(self, name: str, now: float) -> WorkerDetail | None:
        return self.known_workers.get(name)

    def young(self, name: str, now: float) -> bool:
        return name in self.young_workers

    def queues(self, now: float) -> list[Queue]:
        return [Queue(name=name) for name in self.known_queues]

    def note_sent(self, id: str, name: str, queue: str, at: float, retry_of: str, tag: str = "") -> None:
        self.sent.append((id, name, queue, retry_of))
        if (task := self.after_send(id)) is not None:
            self.tasks[id] = task


class FakeQueues:
    """Lists with the message that runs next first."""

    free_looks = True
    fills_front = True

    def __init__(self) -> None:
        self.lists: dict[str, list[StoredMessage]] = {}
        self.unacked: dict[str, int] = {}
        self.page = 2
        self.fail_put_back_after: int | None = None

    def add(self, queue: str, *ids: str, priority: int = 0) -> None:
        waiting = self.lists.setdefault(queue, [])
        for id in ids:
            position = sum(message.priority == priority for message in waiting)
            waiting.append(StoredMessage(queue=queue, priority=priority, raw=raw(id), position=position))

    def ids(self, queue: str) -> list[str]:
        return [json.loads(message.raw)["id"] for message in self.lists.get(queue, [])]

    async def names(self) -> list[str]:
        return sorted(self.lists)

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        return [self._report(name) for name in names]

    def _report(self, name: str) -> QueueReport:
        waiting = self.lists.get(name, [])
        priorities: dict[str, int] = {}
        for message in waiting:
            priorities[str(message.priority)] = priorities.get(str(message.priority), 0) + 1
        return QueueReport(
            name=name,
            at=0,
            type="list",
            messages=len(waiting),
            unacked=self.unacked.get(name),
            priorities=priorities,
        )

    async def peek(self, queue: str, offset: int = 0, limit: int = 50) -> PeekPage:
        raise NotImplementedError

    async def in_flight(self, limit: int = 200) -> list[InFlight]:
        return []

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, StoredMessage]:
        every = [message for waiting in self.lists.values() for message in waiting]
        return {id: message for message in every if (id := json.loads(message.raw)["id"]) in ids}

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        for message in messages:
            self.lists.setdefault(message.queue, []).append(message)
        return len(messages)

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        if self.fail_put_back_after is not None:
            self.fail_put_back_after -= 1
            if self.fail_put_back_after < 0:
                raise Refused("The connection is lost.", nothing_done=True)
        if not self.fills_front:
            return await self.publish(messages)
        for message in reversed(messages):
            self.lists.setdefault(message.queue, []).insert(0, message)
        return len(messages)

    async def purge(self, queue: str, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        waiting = self.lists[queue]
        for at in range(0, len(waiting), self.page):
            save(waiting[at : at + self.page])
        self.lists[queue] = []
        return PurgeResult(before=len(waiting), removed=len(waiting), after=0)


class FakeRemote:
    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.reports: list[TaskReport] = []
        self.answers: dict[str, Any] = {}
        """What workers answer; `None` is silence."""
        self.complete = True
        self.says: dict[str, WorkerReport] = {}
        self.limited: dict[str, dict[str, TaskLimits]] = {}
        self.effects: dict[str, Callable[[WorkerReport, Mapping[str, Any]], None]] = {}

    def _replies(self) -> Replies:
        replies = [Reply(worker=worker, value=value, elapsed=0.01) for worker, value in self.answers.items()]
        return Replies(expected=len(replies), replies=replies, complete=self.complete)

    async def revoke(self, ids: Sequence[str], **options: Any) -> Replies:
        self.calls.append(("revoke", (list(ids), options)))
        return self._replies()

    async def query_tasks(self, ids: Sequence[str], *, timeout: float = 2.0) -> list[TaskReport]:
        return [report for report in self.reports if report.id in ids]

    async def set_events(
        self, on: bool, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> Replies:
        self.calls.append(("events", (on, destination)))
        return self._replies()

    # -- workers, by name

    async def tell(
        self, command: str, arguments: Mapping[str, Any], workers: Sequence[str], *, timeout: float = 2.0
    ) -> Replies:
        self.calls.append((command, (dict(arguments), list(workers))))
        for name in workers:
            if (change := self.effects.get(command)) is not None:
                change(self.says[name], arguments)
        told = {name: self.answers.get(name, {"ok": "as you say"}) for name in workers}
        replies = [Reply(worker=name, value=value, elapsed=0.01) for name, value in told.items() if value]
        return Replies(expected=len(workers), replies=replies, complete=len(replies) == len(workers))

    async def shut_down(self, workers: Sequence[str]) -> None:
        self.calls.append(("shutdown", list(workers)))
        if (change := self.effects.get("shutdown")) is not None:
            for name in workers:
                change(self.says[name], {})

    async def look(
        self, workers: Sequence[str], what: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, WorkerReport]:
        return {name: self.says[name] for name in workers if name in self.says}

    async def limits(
        self, workers: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, dict[str, TaskLimits]]:
        return {name: self.limited[name] for name in workers if name in self.limited}


class FakeResults:
    url = "redis://"

    def __init__(self, *reports: ResultReport) -> None:
        self.reports = {report.id: report for report in reports}

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        return {id: self.reports[id] for id in ids if id in self.reports}

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        return []

    async def run(self, deliver: Any, status: Any) -> None:
        return

    async def close(self) -> None:
        return


class FakeCodec:
    def identity(self, raw: bytes) -> bytes:
        return raw

    def describe(self, raw: bytes, position: int = 0) -> Message:
        body = json.loads(raw)
        return Message(
            position=position,
            **{
                key: body[key] for key in ("id", "task", "args", "kwargs", "embed", "priority") if key in body
            },
        )

    def copy(self, raw: bytes, *, queue: str, new_id: str, headers: Mapping[str, Any]) -> bytes:
        body = json.loads(raw)
        if body.get("protocol") == 1:
            raise Refused("Its id is inside its body (protocol 1).", "")
        return json.dumps({**body, "id": new_id, "headers": dict(headers)}).encode()

    def build(
        self,
        *,
        task: str,
        args: Any,
        kwargs: Any,
        queue: str,
        new_id: str,
        headers: Mapping[str, Any],
        priority: int = 0,
        embed: Mapping[str, Any] | None = None,
    ) -> bytes:
        return json.dumps(
            {"id": new_id, "task": task, "args": args, "kwargs": kwargs, "headers": dict(headers)}
        ).encode()


class Room:
    """The actions of one profile, on a fake cluster with a clock that is set by hand."""

    def __init__(self, directory: Path, *results: ResultReport, **profile: Any) -> None:
        profile.setdefault("allow", ["all"])
        profile.setdefault("broker", "redis://ada:hunter2@db1:6379/0")
        self.profile = Profile(
            audit_file=str(directory / "audit.ndjson"), backup_dir=str(directory / "backups"), **profile
        )
        self.now = 1_800_000_000.0
        self.store, self.queues, self.remote = FakeStore(), FakeQueues(), FakeRemote()
        self.store.add_worker("w1@a", registered=["shop.add", "shop.charge"])
        self.guard, self.audit = Guard(self.profile), AuditLog(self.profile)
        self.actions = Actions(
            profile=self.profile,
            guard=self.guard,
            audit=self.audit,
            store=self.store,
            queues=self.queues,
            remote=self.remote,
            codec=FakeCodec(),
            results=FakeResults(*results),
            services=Services(self.profile.workers),
            clock=lambda: self.now,
        )
        self.actions._context.patience = 0.05
