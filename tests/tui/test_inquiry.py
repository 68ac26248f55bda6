"""What a page says of a task and what its first sentence says are of one moment."""

from __future__ import annotations

import asyncio
from typing import Any

from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict
from lazycelery.model.worker import Worker, WorkerDetail
from lazycelery.tui.inquiry import Inquiry, Subject
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.workers import page
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import staged


class Hasty:
    """An engine whose task goes on whenever it has told of it."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)

    def _next(self) -> str:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    async def task(self, id: str, fetch: bool = True) -> Task:
        return Task(id=id, state=self._next())

    async def why(self, target: str, kind: str, fetch: bool = True) -> Verdict:
        return Verdict(kind="task", subject=target, state=self._next(), text="Where it is.")


async def _seen(engine: Hasty, again: str | None = None) -> list[tuple[str, str | None]]:
    """Each pair of states that a page would show."""
    pairs: list[tuple[str, str | None]] = []

    def changed() -> None:
        if isinstance(inquiry.answer, Task) and inquiry.verdict is not None:
            pairs.append((inquiry.answer.state, inquiry.verdict.state))

    api: Any = engine
    inquiry = Inquiry(lambda: api, changed)
    inquiry.about(Subject("tasks", "a"))
    await asyncio.sleep(0.4)
    if again is not None:
        engine.states = [again]
        inquiry.again(whole=False)
        await asyncio.sleep(1.0)
    inquiry.stop()
    return pairs


async def test_a_task_that_goes_on_meanwhile_is_not_told_in_two_states() -> None:
    pairs = await _seen(Hasty("started", "success"))
    assert pairs and all(state == told for state, told in pairs)


async def test_a_verdict_that_tells_of_another_state_brings_the_task_along() -> None:
    pairs = await _seen(Hasty("started"), again="failure")
    assert pairs[-1] == ("failure", "failure") and all(state == told for state, told in pairs)


class Growing:
    """An engine whose worker has told more whenever somebody asked it for its lists."""

    def __init__(self) -> None:
        self.slots = 0

    @property
    def _worker(self) -> Worker:
        return Worker(name="w1", state="online", concurrency=self.slots, stamp=self.slots)

    async def why(self, target: str, kind: str, fetch: bool = True) -> Verdict:
        text = f"w1 is online: 0 of {self.slots} taken."
        return Verdict(kind="worker", subject=target, state="online", text=text, worker=self._worker)

    async def worker(self, name: str) -> WorkerDetail:
        self.slots += 1
        return WorkerDetail(worker=self._worker)


async def test_a_workers_sentence_its_fields_and_its_lists_are_of_one_moment() -> None:
    pages: list[tuple[str, int | None]] = []

    def changed() -> None:
        newer = Worker(name="w1", state="online", pool="threads", concurrency=9)
        detail = inquiry.answer if isinstance(inquiry.answer, WorkerDetail) else None
        shown = page(newer, inquiry.verdict, detail, 0, Look(now=0.0), 80)
        text = "\n".join("".join(part for part, _ in line) for line in shown.body)
        pages.append((text, detail and detail.worker.concurrency))

    api: Any = Growing()
    inquiry = Inquiry(lambda: api, changed)
    inquiry.about(Subject("workers", "w1"))
    await asyncio.sleep(0.1)
    inquiry.stop()
    assert len(pages) == 2
    assert "0 of 0 taken" in pages[0][0] and "threads" not in pages[0][0]
    assert "0 of 1 taken" in pages[1][0] and pages[1][1] == 1


class Mute(FakeEngine):
    """A worker that went answers nothing, and is waited for."""

    waits = False

    async def _answer(self, name: str) -> None:
        await super()._answer(name)
        while self.waits and name == "worker":
            await asyncio.sleep(0.01)


async def test_that_a_worker_went_is_said_on_its_page_while_it_is_still_asked() -> None:
    engine = Mute()
    async with staged(engine) as stage:
        engine.waits = True
        engine.touch("workers")
        await asyncio.sleep(1.2)  # Past the pace: it is asked, and does not answer.
        shown = stage.desk.item
        assert isinstance(shown, Worker)
        one = next(one for one in engine.fleet if one.name == shown.name)
        one.state, one.lost, one.stopped = "offline", True, NOW - 4
        engine.touch("workers")
        await stage.until(f"{one.name.removeprefix('celery@')} is gone")
