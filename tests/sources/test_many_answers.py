"""Ten thousand workers answer: each answer is looked at once, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from lazycelery.sources.amqp import mailbox as amqp
from lazycelery.sources.amqp.roster import Roster
from lazycelery.sources.control import Control
from lazycelery.sources.kombu import mailbox as kombu
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.redis import mailbox as redis
from lazycelery.sources.worker_replies import is_worker

MANY = 4_000
NAMES = [f"celery@node-{number:05}" for number in range(MANY)]


def redis_call(expect: int | None) -> redis._Call:
    call = redis._Call(NAMES, None, expect, 2.0)
    call.receivers = MANY
    return call


CALLS = {
    "redis": (redis, redis_call),
    "amqp": (amqp, lambda expect: amqp._Call(NAMES, True, None, expect)),
    "kombu": (kombu, lambda expect: kombu._Call(set(NAMES), expect)),
}


@pytest.mark.parametrize("expect", [None, MANY])
@pytest.mark.parametrize("kind", CALLS)
def test_an_answer_costs_the_same_however_many_came_before(
    kind: str, expect: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, begin = CALLS[kind]
    call = begin(expect)  # type: ignore[operator]
    looked = 0

    def counted(name: str) -> bool:
        nonlocal looked
        looked += 1
        return is_worker(name)

    monkeypatch.setattr(module, "is_worker", counted)
    for number, name in enumerate(NAMES):
        assert not call.done.is_set(), number
        call.take({name: {"ok": "pong"}})
        call.take({name: {"ok": "pong"}})  # As a message that is delivered twice.
    assert call.done.is_set() and looked <= 2 * MANY
    assert len(call.replies) == MANY


def test_a_beat_completes_no_call() -> None:
    for _, begin in CALLS.values():
        call = begin(2)  # type: ignore[operator]
        call.take({NAMES[0]: {}, "celerybeat@a": {}})
        assert not call.done.is_set()
        call.take({NAMES[1]: {}})
        assert call.done.is_set()


async def test_names_that_are_learned_stay_in_order_without_being_sorted_again() -> None:
    roster = Roster.__new__(Roster)
    roster._learned, roster._names, roster._named, roster.certain = {}, [], set(), False
    for name in (*reversed(NAMES[:500]), *NAMES[:500]):
        roster.learn(name)
    assert roster._names == NAMES[:500]


@pytest.mark.parametrize("late", ["a@h", "new@h"])
async def test_who_answers_while_the_mailboxes_are_looked_at_is_mistaken_for_nobody(late: str) -> None:
    class Management:
        async def bound(self, exchange: str) -> None:
            """Nobody can be asked."""

    class Looking(Roster):
        async def _is_there(self, name: str) -> bool:
            await asyncio.sleep(0)
            self.learn(late)
            return name != "b@h"

    roster = Looking(None, Management(), "celery.pidbox")  # type: ignore[arg-type]
    for name in ("a@h", "b@h", "c@h"):
        roster.learn(name)
    assert await roster.names() == sorted({"a@h", "c@h", late})


class Mailbox:
    """All answer at once."""

    async def workers(self) -> list[str]:
        return NAMES

    async def call(self, method: str, *_: Any, **__: Any) -> Replies:
        value: Any = {"ok": "pong"}
        if method == "registered":
            value = [f"shop.task_{n} [rate_limit=10/m time_limit=60]" for n in range(40)]
        return Replies(MANY, [Reply(name, value, 0.1) for name in NAMES], True)


async def test_others_have_their_turn_while_the_answers_are_read() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    began = time.process_time()
    reports = await Control(Mailbox()).survey(what=("ping", "registered"))  # type: ignore[arg-type]
    took = time.process_time() - began
    beside.cancel()
    assert len(reports) == MANY and len(reports[0].limits) == 40
    assert turns >= took / 0.02, (turns, took)  # Each turn after some milliseconds.


@pytest.mark.parametrize(("receivers", "answered"), [(MANY, True), (5, False)])
async def test_the_answers_of_many_are_awaited_while_they_still_come(receivers: int, answered: bool) -> None:
    mailbox = redis.RedisMailbox.__new__(redis.RedisMailbox)
    mailbox._arrived, mailbox._unread = 0.0, False
    call = redis._Call(NAMES[:receivers], None, None, 0.2)
    call.receivers = receivers

    async def slowly() -> None:
        for _ in range(5):
            await asyncio.sleep(0.1)
            mailbox._arrived = time.monotonic()
        call.done.set()

    answering = asyncio.create_task(slowly())
    await mailbox._wait(call, 0.2)
    assert call.done.is_set() is answered
    await answering
    silent = redis._Call(NAMES, None, None, 0.2)
    silent.receivers, began = MANY, time.monotonic()
    await mailbox._wait(silent, 0.2)
    assert time.monotonic() - began < 0.7  # Nothing comes any more.


@pytest.mark.parametrize("once", [None, 8.0])
async def test_a_report_tells_when_its_worker_was_asked(once: float | None) -> None:
    """In a recording, when it was asked then."""
    now = 10.0

    class Slow(Mailbox):
        async def call(self, method: str, *given: Any, **named: Any) -> Replies:
            nonlocal now
            await asyncio.sleep(0)  # All questions go out at once.
            now += 2.0
            asked = None if once is None else once - len(method)
            return Replies(1, [Reply(NAMES[0], {"ok": "pong"}, 0.1)], False, asked=asked)

    control = Control(Slow())  # type: ignore[arg-type]
    report = (await control.survey(what=("ping", "active"), clock=lambda: now))[0]
    assert (report.worker, report.at, report.asked) == (NAMES[0], 14.0, 10.0 if once is None else once - 4)
    [report] = await control.roll_call([], clock=lambda: now)
    assert (report.at, report.asked) == (16.0, 14.0 if once is None else once - 4)
