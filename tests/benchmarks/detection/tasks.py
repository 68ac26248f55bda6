"""What becomes of tasks and queues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from celery import Celery, chord

from lazycelery.model.limits import Limits
from tests.benchmarks.detection.ward import Ward, case

LIMITS = Limits()
LATELY = 120.0
"""Seconds that count as lately: what failed is told for so long."""


@case("queue-without-consumer", cause="a message for a misspelt queue")
async def misspelt(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.send("shop.add", 1, 1, queue="defualt")
    ward.caused()
    yield
    await ward.worker("w2", queues="defualt")
    ward.cured()


@case("task-unregistered", cause="a message with a misspelt name", within=LATELY + 60)
async def unknown_name(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.send("shop.chrage", 1)
    ward.caused()
    yield
    ward.cured(ward.cause + LATELY)


@case("failure-spike", cause="10 of 10 runs fail", visible="the eighth has failed (`failures`)", within=180)
async def failing(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.send_many("shop.charge", *[(number,) for number in range(10)])
    ward.caused()
    yield
    ward.cured(ward.cause + LATELY)


@case("retry-storm", cause="40 tasks that fail and try again", visible="twenty second tries", within=180)
async def storm(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=4)
    await ward.watch()
    ward.send_many("shop.flaky", *[(3,)] * 40)
    ward.caused()
    yield
    assert ward.engine is not None
    while ward.engine._store.counts().get("success", 0) < 40:
        await asyncio.sleep(0.05)
    ward.cured(time.time() + LATELY)  # Since the last of them.


@case("poison-message", cause="a message that kills its child", visible="it was delivered four times")
async def poison(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=1)
    await ward.watch()
    id = ward.send("shop.poison")
    ward.caused()
    yield
    await asyncio.to_thread(ward.tell, "revoke", task_id=id)
    ward.cured()


@case("eta-beyond-visibility", cause="a message with an ETA in two hours", visible="a worker has it")
async def far_eta(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    id = ward.send("shop.add", 1, 1, countdown=7200)
    ward.caused()
    yield
    await asyncio.to_thread(ward.tell, "revoke", task_id=id)
    ward.cured()


@case(
    "task-stalled",
    cause="a task that usually takes 0.01 s hangs",
    visible=f"it runs for {LIMITS.stalled_least:g} s (`stalled_least`)",
    within=100,
)
async def stalled(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.send_many("shop.nap", *[(0.01,)] * 25)
    id = ward.send("shop.nap", 300)
    ward.caused()
    ward.visible(ward.cause + LIMITS.stalled_least)
    yield
    await asyncio.to_thread(ward.tell, "revoke", task_id=id, terminate=True, signal="SIGKILL")
    ward.cured()


@case(
    "message-orphaned",
    cause="kill -9 of a worker that holds messages",
    visible="its connection ends",
)
async def orphans(ward: Ward) -> AsyncIterator[None]:
    victim = await ward.worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
    await ward.worker("w2", queues="mail")
    await ward.watch()
    ward.send_many("shop.nap", *[(600,)] * 4)
    await asyncio.sleep(4)
    ward.caused()
    victim.kill()
    yield
    ward.server.client().delete("unacked", "unacked_index")
    ward.cured()


@case(
    "task-lost",
    cause="kill -9 of a worker inside a task",
    visible="its connection ends; another 30 s are for the task's own word",
    within=90,
)
async def lost(ward: Ward) -> AsyncIterator[None]:
    victim = await ward.worker("w1", concurrency=1)
    await ward.worker("w2", queues="mail")
    await ward.watch()
    id = ward.send("shop.nap", 600)
    await asyncio.sleep(4)
    ward.caused()
    ward.visible(ward.cause + 30)
    victim.kill()
    yield
    await asyncio.to_thread(victim.start)
    ward.send("shop.add", 1, 1, task_id=id)
    ward.cured()


@case(
    "duplicate-delivery",
    cause="a task runs nearly as long as the visibility timeout, 20 s",
    visible="for four fifths of it",
)
async def duplicate(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(env={"TEST_VISIBILITY": "20"})
    await ward.watch()
    ward.send("shop.late", 19)
    ward.caused()
    ward.visible(ward.cause + 0.8 * 20)
    yield
    await asyncio.sleep(max(0.0, ward.cause + 19 - time.time()))
    ward.cured()


@case(
    "chord-stuck",
    cause="a chord's member is sent where nobody consumes",
    visible=f"no progress for {LIMITS.chord:g} s (`chord`)",
    within=120,
)
async def stuck_chord(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    with Celery("client", broker=ward.url, backend=ward.server.url, set_as_current=False) as app:
        there, gone = app.signature("shop.add", (1, 1)), app.signature("shop.add", (2, 2), queue="nobody")
        waits = chord([there, gone], app=app)(app.signature("shop.echo"))
        ward.caused()
        ward.visible(ward.cause + LIMITS.chord)
        yield
        await ward.worker("w2", queues="nobody")
        ward.cured()
        await asyncio.to_thread(waits.get, 10)


@case(
    "backlog-growing",
    cause="a flood that is three times too fast",
    visible=f"it grew for four fifths of `growth`, {0.8 * LIMITS.growth:g} s",
    within=160,
)
async def growing(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=1)
    await ward.watch()
    ward.caused()
    ward.visible(ward.cause + 0.8 * LIMITS.growth)

    async def flood() -> None:
        while "backlog-growing" not in ward.present():
            await asyncio.to_thread(ward.send, "shop.nap", 1)
            await asyncio.sleep(0.25)

    flooding = asyncio.ensure_future(flood())
    yield
    await flooding
    ward.server.client().delete("celery")
    ward.cured()


@case(
    "backlog-growing",
    cause="3,000 messages for one slot that does one a second",
    visible="fifteen seconds show how fast it is worked off: it is 50 minutes behind (`drain`)",
)
async def far_behind(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=1)
    await ward.watch()
    flood = asyncio.ensure_future(asyncio.to_thread(ward.send_many, "shop.nap", *[(1,)] * 3000))
    client, longest = ward.server.client(), 0
    while not (longest := client.llen("celery")):
        await asyncio.sleep(0.02)
    ward.caused()
    while longest < LIMITS.drain:  # From here on what comes waits for longer than the limit.
        await asyncio.sleep(0.02)
        longest = client.llen("celery")
    ward.visible(max(time.time(), ward.cause + 15))
    await flood
    yield
    ward.server.client().delete("celery")
    ward.cured()


@case(
    "priority-starvation",
    cause="others go before three messages of priority 9, `starved` = 15",
    visible="for 15 s",
    within=90,
)
async def starving(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=1)
    await ward.watch(doctor={"starved": 15, "growth": 570})
    await asyncio.to_thread(ward.send_many, "shop.nap", *[(0.2,)] * 400)
    for _ in range(3):
        ward.send("shop.nap", 0.01, priority=9)
    ward.caused()
    ward.visible(ward.cause + 15)
    yield
    ward.server.client().delete("celery")
    ward.cured()


@case(
    "sent-events-off",
    cause="senders that tell nothing",
    visible=f"ten starts, and {LIMITS.sent_watched:g} s watched (`sent_watched`)",
)
async def silent_senders(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(env={"TEST_SENT_EVENTS": "0"})
    await ward.watch(settle=LIMITS.sent_watched)
    for _ in range(12):
        ward.send("shop.add", 1, 1, sent_event=False)
    ward.caused()
    yield
    ward.send("shop.add", 1, 1)
    ward.cured()
