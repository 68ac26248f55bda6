"""Who of those that received a command is silent, where Redis counts receivers and a beat is among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from lazycelery.sources.control import Control
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.redis.mailbox import _Call

W1, W2, BEAT = "w1@a", "w2@a", "celerybeat@a"


class Mailbox:
    """Counts as Redis does: bindings stay behind the killed; `open` listen; `answering` answer."""

    def __init__(self, bound: Sequence[str], open: Sequence[str], answering: Sequence[str]) -> None:
        self.bound, self.open, self.answering = list(bound), list(open), list(answering)

    async def workers(self) -> list[str]:
        return self.bound

    async def call(
        self,
        method: str,
        *_: Any,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        call = _Call(self.bound, destination, expect, timeout)
        call.receivers = len(self.open)
        for name in self.answering:
            call.check()
            if not call.done.is_set() and (method == "ping" or name != BEAT):
                call.take({name: {"ok": "pong"} if method == "ping" else {}})
        return call.result()


@pytest.mark.parametrize(
    ("open", "answering", "listening"),
    [
        ([W1, BEAT], [BEAT, W1], False),  # w2 was killed; its binding stays.
        ([W1, W2, BEAT], [BEAT, W1], True),  # It is stopped, or inside a task.
        ([W1, W2, BEAT], [W1], True),  # So is the beat.
        ([W1], [W1], False),  # Both are gone.
        ([W1, W2], [W1], True),
    ],
)
async def test_a_beat_does_not_stand_for_a_killed_worker(
    open: list[str], answering: list[str], listening: bool
) -> None:
    control = Control(Mailbox([W1, W2, BEAT], open, answering))  # type: ignore[arg-type]
    called = {report.worker: report for report in await control.roll_call([W2])}
    surveyed = {report.worker: report for report in await control.survey(what=("ping", "stats"))}
    assert called[W2].listening is surveyed[W2].listening is listening
    assert called[W1].ping and not called[W2].ping and BEAT not in called


@pytest.mark.parametrize(
    ("open", "answering", "silent"),
    [
        ([W1, W2, BEAT], [BEAT, W1, W2], 0),
        ([W1, W2, BEAT], [W1, W2, BEAT], 0),  # The beat is slower, and nobody waits for it.
        ([W1, W2, BEAT], [BEAT, W1], 1),
        ([W1, W2, BEAT], [W1], 2),  # Who is silent may as well be a worker.
        ([W1, BEAT], [BEAT, W1], 0),
    ],
)
async def test_a_census_does_not_take_a_silent_worker_for_a_beat(
    open: list[str], answering: list[str], silent: int
) -> None:
    control = Control(Mailbox([W1, W2, BEAT], open, answering))  # type: ignore[arg-type]
    census = await control.census(["a"])
    assert census.silent == silent
