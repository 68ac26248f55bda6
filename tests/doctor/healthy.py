"""A healthy fleet at changing load: rushes, quiet minutes, ETAs, retries, chords, beat, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import Any

from celery import Celery, chord

from tests.support.beat import CeleryBeat, conf
from tests.support.fleet import CeleryWorker

WEATHER = ("trickle", "rising", "rush", "quiet", "quiet", "steady", "chords", "falling", "trickle", "steady")
"""The load of ten minutes, one each."""
DAY = 600.0
"""Seconds until it begins again; less in a run that is shorter than two of them."""

WARM = 120.0
"""Seconds that a worker may take to stop or to start, on a machine that others use too."""


class HealthyFleet:
    """Prefork, threads and solo on one broker, a helper that comes and goes, and whoever sends them work."""

    def __init__(self, broker: str, backend: str, seconds: float, seed: int = 7) -> None:
        self._broker, self._backend = broker, backend
        self._day = min(DAY, seconds / 2)
        self._chance = random.Random(seed)
        self._beat = CeleryBeat(broker, env=self._env())
        self._beat.env["TEST_BACKEND"] = backend
        self._fleet = [
            self._worker("prefork", concurrency=2, queues="celery,mail"),
            self._worker("threads", pool="threads", concurrency=4, queues="celery,pages"),
            self._worker("solo", pool="solo", concurrency=1, queues="reports"),
        ]
        self._helper = self._worker("helper", concurrency=1, queues="celery")
        self.sent = 0
        self.restarts = 0

    def _env(self) -> dict[str, str]:
        tick = {"task": "shop.add", "schedule": 20.0, "args": [1, 1]}
        hourly = {"task": "shop.nap", "schedule": "*/5 * * * *", "args": [0.5]}
        return conf(beat_schedule={"tick": tick, "five": hourly})

    def _worker(self, name: str, **own: Any) -> CeleryWorker:
        return CeleryWorker(self._broker, name, backend=self._backend, env=self._env(), **own)

    async def start(self) -> None:
        for one in (*self._fleet, self._beat):
            await asyncio.to_thread(one.start)

    def stop(self) -> None:
        for one in (*self._fleet, self._helper, self._beat):
            one.stop()

    async def live(self, seconds: float) -> None:
        """Send work and restart workers, for as long as this."""
        began = time.monotonic()
        with Celery("client", broker=self._broker, backend=self._backend, set_as_current=False) as app:
            app.conf.task_send_sent_event = True
            minute = -1
            while (passed := time.monotonic() - began) < seconds:
                now = int(passed / self._day * len(WEATHER))
                weather, fresh = WEATHER[now % len(WEATHER)], now != minute
                minute = now
                await asyncio.to_thread(self._send, app, weather, fresh)
                if fresh:
                    await asyncio.to_thread(self._staff, now % len(WEATHER))
                await asyncio.sleep(self._pause(weather, passed))

    def _pause(self, weather: str, passed: float) -> float:
        within = passed / self._day * len(WEATHER) % 1
        rate = {
            "trickle": 0.5,
            "rising": 0.5 + 5 * within,
            "rush": 2.0,
            "quiet": 0.0,
            "steady": 2.5,
            "chords": 1.0,
            "falling": 5.5 - 5 * within,
        }[weather]
        return self._chance.expovariate(rate) if rate else 1.0

    def _stop(self, worker: CeleryWorker) -> None:
        """Warm, however long it takes: one that is killed is not healthy."""
        if worker.process is not None:
            worker.process.terminate()
            worker.process.wait(WARM)
            worker.process = None

    def _staff(self, minute: int) -> None:
        """The helper comes for a rush and goes; a deployment restarts one worker, warm."""
        if minute == 1:
            self._helper.start()
        elif minute == 4:
            self._stop(self._helper)
        elif minute == 7:
            one = self._fleet[self.restarts % len(self._fleet)]
            self.restarts += 1
            self._stop(one)
            one.start(WARM)

    def _send(self, app: Celery, weather: str, fresh: bool) -> None:
        if weather == "quiet":
            return
        if weather == "rush" and fresh:
            for _ in range(120):
                self._task(app, "shop.nap", self._chance.uniform(0.01, 0.15))
        self._one(app)
        if weather == "chords" and self._chance.random() < 0.2:
            header = [app.signature("shop.add", (n, n), queue=("celery", "mail")[n % 2]) for n in range(6)]
            # Nobody reads these results; they would unsubscribe as they go, perhaps after their broker.
            app.backend.remove_pending_result = lambda result: result
            chord(header, app=app)(app.signature("shop.echo", queue="mail"))
            self.sent += len(header) + 1

    def _one(self, app: Celery) -> None:
        roll = self._chance.random()
        if roll < 0.55:
            self._task(app, "shop.add", 1, 2)
        elif roll < 0.75:
            self._task(app, "shop.nap", min(self._chance.lognormvariate(-3, 1), 2.0))
        elif roll < 0.83:
            self._task(app, "shop.echo", queue="pages", priority=self._chance.choice((0, 3, 6, 9)))
        elif roll < 0.88:
            self._task(app, "shop.nap", self._chance.uniform(0.1, 1.5), queue="reports")
        elif roll < 0.93:
            self._task(app, "shop.flaky", self._chance.choice((0, 0, 0, 1)), queue="mail")
        elif roll < 0.98:
            self._task(app, "shop.add", 3, 4, countdown=self._chance.uniform(2, 90))
        elif roll < 0.99:
            self._task(app, "shop.add", 5, 6, expires=120)
        else:
            self._task(app, "shop.charge", self.sent)  # Now and then one fails, also on a good day.

    def _task(self, app: Celery, name: str, *args: Any, **options: Any) -> None:
        self.sent += 1
        app.send_task(name, args=args, **options)


@contextlib.asynccontextmanager
async def healthy_fleet(broker: str, backend: str, seconds: float) -> Any:
    fleet = HealthyFleet(broker, backend, seconds)
    try:
        await fleet.start()
        yield fleet
    finally:
        await asyncio.to_thread(fleet.stop)
