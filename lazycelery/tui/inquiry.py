"""What the main side wants to know of its subject. The newest subject wins; older questions are given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from lazycelery.engine.api import EngineApi
from lazycelery.errors import LazyCeleryError
from lazycelery.keys import Scope
from lazycelery.model.message import PeekPage
from lazycelery.model.task import Task
from lazycelery.model.worker import WorkerDetail

PACE = 1.0
"""Least seconds between two questions about the same subject."""
REST = 0.25
"""Seconds that the cursor rests on a task before broker and result backend are asked about it."""


class Subject(NamedTuple):
    """What the main side is about."""

    kind: Scope
    key: str


class Inquiry:
    """Keeps the answer about one subject fresh."""

    def __init__(self, api: Callable[[], EngineApi | None], changed: Callable[[], None]) -> None:
        self._api = api
        self._changed = changed
        self.subject: Subject | None = None
        self.answer: WorkerDetail | PeekPage | Task | None = None
        self.problem: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self.pending = False
        """Whether an answer is awaited."""

    def about(self, subject: Subject | None) -> None:
        """Turn to a subject."""
        if subject == self.subject:
            return
        self.subject, self.answer, self.problem = subject, None, None
        self.stop()
        self.again()

    def again(self) -> None:
        """The subject has changed: ask once more, soon."""
        if self.subject is None:
            return
        self._again = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask(self.subject))

    def stop(self) -> None:
        """Give up the question under way."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _ask(self, subject: Subject) -> None:
        while self._again:
            self._again = False
            started = time.monotonic()
            api = self._api()
            if api is not None:
                await self._once(api, subject)
            await asyncio.sleep(max(0.0, PACE - (time.monotonic() - started)))

    async def _once(self, api: EngineApi, subject: Subject) -> None:
        self.pending = True
        try:
            if subject.kind == "workers":
                self._take(await api.worker(subject.key))
            elif subject.kind == "queues":
                self._take(await api.peek(subject.key))
            else:
                await self._task_in_two_steps(api, subject.key)
        except LazyCeleryError as problem:
            self.problem = str(problem)
            self._changed()
        finally:
            self.pending = False

    async def _task_in_two_steps(self, api: EngineApi, id: str) -> None:
        # What the engine holds comes at once; what must be fetched only when the cursor rests.
        first = self.answer is None
        self._take(await api.task(id, fetch=False))
        if first:
            await asyncio.sleep(REST)
        self._take(await api.task(id, fetch=True))

    def _take(self, answer: WorkerDetail | PeekPage | Task) -> None:
        self.answer, self.problem = answer, None
        self._changed()
