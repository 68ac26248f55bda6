"""Switching an entry of beat: what is said when its scheduler cannot be read afterwards."""

from __future__ import annotations

from lazycelery.errors import ConnectionProblem
from lazycelery.model.action import Order
from lazycelery.model.beat import Beat, BeatEntry, SchedulerState
from lazycelery.model.timing import Timing
from tests.actions.fakes import Room


class Beats:
    switched = False

    async def read(self, max_age: float) -> Beat:
        if self.switched:
            raise ConnectionProblem("The connection is lost.")
        entry = BeatEntry(
            name="nightly", task="a.b", schedule="", timing=Timing(), scheduler="redbeat", enabled=True
        )
        state = SchedulerState(name="redbeat", place="", state="connected", switches=True)
        return Beat(at=0, entries=[entry], schedulers=[state])

    async def switch(self, name: str, on: bool) -> bool:
        self.switched = True
        return True


async def test_what_cannot_be_read_back_is_called_unknown(room: Room) -> None:
    room.actions._context.beats = Beats()
    plan = await room.actions.plan(Order(action="beat", targets=["nightly"], params={"do": "disable"}))
    outcome = await room.actions.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 1)
    assert "how it is now is not known" in outcome.proof and "as it was" not in outcome.proof
