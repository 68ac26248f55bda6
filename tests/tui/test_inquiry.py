"""What a page says of a task and what its first sentence says are of one moment."""

from __future__ import annotations

import asyncio
from typing import Any

from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict
from lazycelery.tui.inquiry import Inquiry, Subject


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
