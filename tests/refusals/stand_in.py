"""Plans of one target and what was carried out: real plans, guard and log, below each face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.errors import ConnectionProblem
from lazycelery.model.action import Order, Outcome, Plan, PlanItem
from tests.actions.fakes import Room
from tests.support.fake_engine import FakeEngine as ScreenEngine

LOST = "1 of 1 not known: the answer was lost"
CUT = "The broker went away before it answered."


class Deeds:
    """Drafts of things that are confirmed, by their name unless a test says otherwise."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.unsafe = False
        self.lost = ""
        """`told`: the outcome says that nobody knows; `cut`: the connection ends before there is one."""
        self.targets = 1
        self.typed = True
        self.whole: int | None = None

    async def draft(self, context: Context, order: Order) -> Draft:
        async def carry_out() -> Outcome:
            self.done.append(order.action)
            if self.lost == "cut":
                raise ConnectionProblem(CUT, "Look before you do it again.")
            if self.lost:
                return Outcome(action=order.action, done=0, failed=0, unknown=1, proof=LOST)
            return Outcome(action=order.action, done=1, failed=0, proof="done")

        refused = "unsafe: its text was cut" if self.unsafe else None
        grade: Any = "unsafe" if self.unsafe else None
        names = ["thing", *(f"thing {number}" for number in range(2, self.targets + 1))]
        return Draft(
            title="Do it",
            run=carry_out,
            count=len(names),
            items=[PlanItem(target=name, text="it", grade=grade, refused=refused) for name in names],
            name="thing",
            typed=self.typed,
            whole=self.whole,
        )


class Guarded(ScreenEngine):
    """The screen's engine, whose plans and acts go through the real guard, log and confirmation."""

    def __init__(self, directory: Path, **profile: Any) -> None:
        super().__init__(read_only=False)
        self.room = Room(directory, **profile)
        self.seen.allowed = list(self.room.guard.allowed)

    async def plan(self, order: Order) -> Plan:
        await self._answer("plan")
        return await self.room.actions.plan(order)

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        await self._answer("act")
        return await self.room.actions.act(plan_id, word)
