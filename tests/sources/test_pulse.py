"""What a worker's answers make of its pulse."""

from __future__ import annotations

from typing import Any

import pytest

from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.pulse import pulse

W1 = "celery@w1"


class Answering:
    """A mailbox of one worker: what a kernel counts late, a real one does not show when a test wants it."""

    def __init__(self, **values: Any) -> None:
        self._values = {"ping": {"ok": "pong"}, "clock": {"clock": 7}, **values}

    async def call(self, method: str, *_: Any, **__: Any) -> Replies:
        return Replies(1, [Reply(W1, self._values[method], 0.01)], True)


@pytest.mark.parametrize(
    ("now", "peak", "shown"),
    [("56MB", 55 << 10, 56 << 20), ("55MB", 56 << 10, 56 << 20), ("56MB", None, None)],
)
async def test_the_most_that_it_ever_took_is_never_less_than_what_it_takes(
    now: str, peak: int | None, shown: int | None
) -> None:
    stats = {"total": {}, "pid": 1, "rusage": {} if peak is None else {"maxrss": peak}}
    (one,) = await pulse(Answering(memsample=now, stats=stats), [W1])  # type: ignore[arg-type]
    assert one.peak == shown
