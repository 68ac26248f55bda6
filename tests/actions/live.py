"""Actions on a real broker with real workers, over the real sources and the real store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from lazycelery.actions.audit import AuditLog
from lazycelery.actions.guard import Guard
from lazycelery.actions.service import Actions
from lazycelery.model.action import Order, Outcome
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.events import EventBatch
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results.redis import RedisResults
from lazycelery.sources.services import Services
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.store import Store


class Live:
    def __init__(self, url: str, directory: Path, *, results: bool = True, **profile: Any) -> None:
        self.profile = Profile(
            **{
                "broker": url,
                "allow": ["all"],
                "audit_file": str(directory / "audit.ndjson"),
                "backup_dir": str(directory / "backups"),
                **profile,
            }
        )
        self.broker, self.store = WholeBroker(open_broker(self.profile)), Store()
        self.control = Control(self.broker.mailbox)
        self.results = RedisResults(self.profile.backend or url, self.profile) if results else None
        self.audit = AuditLog(self.profile)
        self.actions = Actions(
            profile=self.profile,
            guard=Guard(self.profile),
            audit=self.audit,
            store=self.store,
            queues=self.broker.queues,
            remote=self.control,
            codec=self.broker.codec,
            results=self.results,
            services=Services(self.profile.workers),
        )
        self._linked = asyncio.Event()
        self._running: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.broker.connect()
        self._running.append(asyncio.create_task(self.broker.events.run(self._events, self._status)))
        if self.results is not None:
            self._running.append(asyncio.create_task(self.results.run(self._results, lambda change: None)))
        await asyncio.wait_for(self._linked.wait(), 5)
        await self.survey()

    async def survey(self) -> None:
        for report in await self.control.survey():
            self.store.apply_worker(report)

    async def until_online(self) -> None:
        """A worker that says it is ready may hear control a moment later."""
        deadline = time.monotonic() + 15
        while not any(worker.state == "online" for worker in self.store.workers(time.time())):
            assert time.monotonic() < deadline, "no worker came online"
            await self.survey()

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self.results is not None:
            await self.results.close()
        await self.broker.close()

    def _events(self, batch: EventBatch) -> None:
        self.store.apply_events(batch.events)

    def _results(self, reports: list[ResultReport]) -> None:
        self.store.apply_results(reports, time.time())

    def _status(self, change: StatusChange) -> None:
        if change.state == "connected":
            self._linked.set()

    async def remember(self, *ids: str) -> None:
        """Keep the true messages of tasks that wait, as a peek does."""
        queues = self.broker.queues
        if queues.free_looks:
            found = dict(await queues.find(ids))
        else:
            page = await queues.peek("celery", 0, 50, True)
            found = {str(m.id): raw for m, raw in zip(page.messages, page.stored, strict=True)}
        for id, message in found.items():
            self.store.raw.keep(id, message)
            described = self.broker.codec.describe(message.raw)
            self.store.apply_messages(message.queue, [described], time.time(), "waiting")

    def state(self, id: str | None) -> str:
        task = self.store.task(id or "", time.time())
        return task.state if task else "nobody knows it"

    async def until(self, condition: Callable[[], Any], seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in time"
            await asyncio.sleep(0.02)

    async def do(self, action: Any, *targets: str, **params: Any) -> Outcome:
        plan = await self.actions.plan(Order(action=action, targets=list(targets), params=params))
        assert plan.refused is None, (plan.refused, plan.items)
        return await self.actions.act(plan.id, plan.word)


@contextlib.asynccontextmanager
async def live(url: str, directory: Path, **options: Any) -> AsyncIterator[Live]:
    one = Live(url, directory, **options)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()
