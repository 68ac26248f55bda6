"""What the main side wants to know of its subject. The newest subject wins; older questions are given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from lazycelery.engine.api import EngineApi
from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.keys import Scope
from lazycelery.model.cluster import LogPage
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.service import LogText
from lazycelery.model.task import Task, TaskQuery
from lazycelery.model.text import quoted
from lazycelery.model.verdict import Thing, Verdict
from lazycelery.model.worker import Pulse, WorkerDetail
from lazycelery.tui.presentation.family import Family
from lazycelery.tui.presentation.task_page import DetailKind

PACE = 1.0
"""Least seconds between two questions about the same subject."""
REST = 0.25
"""Seconds that the cursor rests on a task before broker and result backend are asked about it."""


RELATIVES = 60
"""Members of a family that are fetched one by one, for their parents."""
LOG = 500
"""Lines of a worker's log that are shown, the newest."""
EVENTS = 200
"""Events of a task that are shown, the newest."""

Answer = WorkerDetail | Verdict | Pulse | LogText | PeekPage | Task | Family | LogPage | Message


class Subject(NamedTuple):
    """What the main side is about: the selection, what one tab of a task asks for, or where a thing is
    and why."""

    kind: Scope | DetailKind | Thing
    key: str


class Inquiry:
    """Keeps the answer about one subject fresh."""

    def __init__(self, api: Callable[[], EngineApi | None], changed: Callable[[], None]) -> None:
        self._api = api
        self._changed = changed
        self.subject: Subject | None = None
        self.answer: Answer | None = None
        self.verdict: Verdict | None = None
        """Where it is and why, of a task or worker."""
        self.problem: str | None = None
        self._task: asyncio.Task[None] | None = None
        self._again = self._whole = False
        self._kept = False
        """The answer was dear: it is not asked for again."""
        self.pending = False
        """Whether an answer is awaited."""

    def about(self, subject: Subject | None) -> None:
        """Turn to a subject."""
        if subject == self.subject:
            return
        self.subject, self.answer, self.problem, self.verdict = subject, None, None, None
        self._kept = False
        self.stop()
        self.again()

    def again(self, whole: bool = True) -> None:
        """The subject has changed, or what is around it (not `whole`): ask once more, soon."""
        if self.subject is None or self._kept:
            return
        self._again = True
        self._whole |= whole
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask(self.subject))

    def keep(self, subject: Subject, answer: Answer) -> None:
        """This is the answer, for as long as we are about the subject: to ask again would cost something."""
        if subject == self.subject:
            self.stop()
            self._kept = True
            self._take(answer)

    def stop(self) -> None:
        """Give up the question under way, and what was to follow it."""
        self._again = self._whole = False
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _ask(self, subject: Subject) -> None:
        while self._again and not self._kept:
            whole, self._again, self._whole = self._whole, False, False
            started = time.monotonic()
            api = self._api()
            if api is not None:
                await self._once(api, subject, whole)
            await asyncio.sleep(max(0.0, PACE - (time.monotonic() - started)))

    async def _once(self, api: EngineApi, subject: Subject, whole: bool) -> None:
        self.pending = True
        try:
            if subject.kind == "tasks":
                await self._about_task(api, subject.key, whole)
            elif subject.kind == "workers":
                await self._about_worker(api, subject.key)
            else:
                self._take(await ASKERS[subject.kind](api, subject.key))
        except LazyCeleryError as problem:
            self.problem = str(problem)
            if subject.kind == "workers":
                self.verdict = None  # What the list tells of it is newer.
            self._changed()
        finally:
            self.pending = False

    async def _about_worker(self, api: EngineApi, name: str) -> None:
        self.verdict = await api.why(name, "worker", fetch=False)
        self._changed()  # Its lists may take a second.
        detail = await api.worker(name)
        seen, now = self.verdict.worker, detail.worker
        if seen is None or (seen.stamp, seen.state) != (
            now.stamp,
            now.state,
        ):  # All of the page is of one moment.
            self.verdict = await api.why(name, "worker", fetch=False)
        self._take(detail)

    async def _about_task(self, api: EngineApi, id: str, whole: bool) -> None:
        # What the engine holds comes at once; what must be fetched only when the cursor rests.
        known = self.answer
        if not whole and isinstance(known, Task):
            self.verdict = await api.why(id, "task", fetch=False)
            if self.verdict.state == known.state:
                self._changed()
                return
        await self._task_and_verdict(api, id, fetch=False)
        if known is None:
            await asyncio.sleep(REST)
        await self._task_and_verdict(api, id, fetch=True)

    async def _task_and_verdict(self, api: EngineApi, id: str, fetch: bool) -> None:
        task = await api.task(id, fetch=fetch)
        verdict = await api.why(id, "task", fetch=False)
        if verdict.state != task.state:  # It went on between the two: they must speak of one state.
            task = await api.task(id, fetch=False)
        self.verdict = verdict
        self._take(task)

    def _take(self, answer: Answer) -> None:
        self.answer, self.problem = answer, None
        self._changed()


async def _why_worker(api: EngineApi, name: str) -> Answer:
    return await api.why(name, "worker", fetch=False)


async def _why_queue(api: EngineApi, name: str) -> Answer:
    return await api.why(name, "queue", fetch=False)


async def _pulse(api: EngineApi, name: str) -> Answer:
    return (await api.pulse([name]))[0]


async def _log(api: EngineApi, name: str) -> Answer:
    return await api.worker_log(name, LOG)


async def _peek(api: EngineApi, queue: str) -> Answer:
    return await api.peek(queue)


async def _message(api: EngineApi, id: str) -> Answer:
    return await api.message(id)


async def _events(api: EngineApi, id: str) -> Answer:
    return await api.log(limit=EVENTS, filter=quoted("id", id), full=True)


async def _family(api: EngineApi, id: str) -> Answer:
    task = await api.task(id, fetch=False)
    root = task.root_id or id
    page = await api.tasks(TaskQuery(filter=quoted("root", root), limit=RELATIVES))
    members = {id: task}
    for one in (root, *(row.id for row in page.rows)):
        if one not in members:
            with suppress(NothingFound):  # It left the engine meanwhile, or was never seen.
                members[one] = await api.task(one, fetch=False)
    family = Family(root, list(members.values()), max(page.matched, len(members)))
    if (held := family.held) is None:
        return family
    return replace(family, told=await api.why(held.id, "task", fetch=False))


ASKERS: Mapping[str, Callable[[EngineApi, str], Awaitable[Answer]]] = {
    "worker": _why_worker,
    "queue": _why_queue,
    "pulse": _pulse,
    "log": _log,
    "queues": _peek,
    "family": _family,
    "events": _events,
    "message": _message,
}
