"""The line to the engine: connects, follows its ticks, starts another one when it dies. No widget."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from lazycelery.engine.api import EngineApi
from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.cluster import LogLine, Overview, Tick
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.reel import Reel
from lazycelery.model.worker import Worker
from lazycelery.waiting import came

WORKERS_A_SECOND = 5000
"""Lines of workers that are fetched in a second at most: ten thousand beat all the time, and are as many
megabytes."""
BEAT = 0.08
"""Least seconds between two rounds of questions."""
HEADER = 1.0
"""Least seconds between two looks at the header's numbers while events flow."""
BEHIND = 2.0
"""Least seconds between two looks at a cluster that is not in front."""
PATIENCE = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each new start of an engine that died."""
NOTHING = Tick(stamp=-1, tasks=-1, workers=-1, queues=-1, log=-1, status=-1)
"""Nothing was asked of this engine yet."""

Answer = TypeVar("Answer")


class _Anew:
    """An engine that is there already, and begins again on another profile."""

    def __init__(self, again: Callable[[Profile], Awaitable[EngineApi]]) -> None:
        self._again = again

    async def connect(self, profile: Profile) -> EngineApi:
        """Begin there. Raises `LazyCeleryError`."""
        return await self._again(profile)


class EngineProcess(Protocol):
    """An engine that has been started, and may be asked for a connection."""

    async def connect(self, profile: Profile) -> EngineApi:
        """Hand over the profile and get the interface. Raises `LazyCeleryError`."""


Spawn = Callable[[], EngineProcess]


class Truth:
    """What the engine last said. Faces paint from this and never wait."""

    def __init__(self) -> None:
        self.tick = NOTHING
        self.overview: Overview | None = None
        self.workers: list[Worker] | None = None
        self.queues: list[Queue] | None = None
        self.last_line: LogLine | None = None
        self.now = time.time()
        """The moment that ages on the screen are counted from."""
        self.engine_problem: LazyCeleryError | None = None
        """Why the engine does not answer, or `None`."""
        self.engine_next: float | None = None
        """When another engine is started, epoch seconds."""
        self.engine_deaths = 0

    @property
    def as_of(self) -> float | None:
        """When what is known was true, while nothing is connected any more."""
        if self.connected or self.overview is None or not self.overview.ever_connected:
            return None
        broker = next((one for one in self.overview.sources if one.name == "broker"), None)
        last = broker.last if broker is not None and not self.overview.connected else None
        return self.overview.now if last is None else last

    @property
    def connected(self) -> bool:
        """Engine there, broker there."""
        return self.engine_problem is None and self.overview is not None and self.overview.connected


class Changed(Protocol):
    """Called after each round."""

    def __call__(self, *, tasks: bool, workers: bool, queues: bool, status: bool) -> None:
        """Which parts of the truth are new."""


class Link:
    """Keeps `truth` up to date for as long as `run` runs."""

    def __init__(
        self,
        spawn: Spawn,
        profile: Profile,
        changed: Changed,
        first: EngineProcess | None = None,
        beat: float = BEAT,
    ) -> None:
        self._spawn = spawn
        # The screen's engines record: what one had heard, the next one reads.
        self._profile = msgspec.structs.replace(profile, recorder=True)
        self._changed = changed
        self._process = first
        self.api: EngineApi | None = None
        self.truth = Truth()
        self._beat = max(BEAT, beat)
        self._header_asked = self._workers_asked = 0.0
        self._front = True
        self._anew = False
        """The engine was given up to begin again with another one."""
        self._following: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self.clock: Callable[[], float] = time.time
        self._newest: LogLine | None = None
        self._anchor = 0.0
        """The clock when the overview was fetched."""

    @property
    def front(self) -> bool:
        """Whether the cluster has the screen. Else it is asked for its overview alone, and rarely."""
        return self._front

    @front.setter
    def front(self, front: bool) -> None:
        self._front = front
        if front:
            self._wake.set()

    async def run(self) -> None:
        """Connect, follow, and begin again when the engine dies. Ends when cancelled."""
        while True:
            try:
                process, profile = self._process or self._spawn(), self._profile
                self._process = None
                api = await process.connect(profile)
                if profile is not self._profile:  # Another moment was asked for meanwhile.
                    await self._leave(api)
                    continue
                self.truth.tick = NOTHING
                self.api = api
                self._following = asyncio.ensure_future(self._follow(self.api))
                await self._following
            except asyncio.CancelledError:
                if not self._anew:
                    raise
                self._anew = False
            except LazyCeleryError as problem:
                await self._mourn(problem)
            except OSError as problem:
                await self._mourn(ConnectionProblem(f"The engine cannot be started: {problem.strerror}."))
            except Exception as fault:  # Whatever it was, the screen must find its way back.
                await self._mourn(LazyCeleryError(f"A fault of ours: {type(fault).__name__}: {fault}."))

    def turned(self, reel: Reel) -> None:
        """The recording was turned: the screen's time is its time from here on."""
        if (overview := self.truth.overview) is not None:
            at = reel.at if reel.played is None else reel.played
            overview.reel, overview.now, self._anchor = reel, at, self.clock()
            stands = reel.paused or reel.ended or reel.played is not None
            overview.speed = 0.0 if stands else reel.speed
            self.truth.now = self.now()

    async def reopen(self, broker: str) -> None:
        """Begin again on another URL, in the same process where it can; nothing is said to have died."""
        self._profile = msgspec.structs.replace(self._profile, broker=broker)
        following = self._following
        if following is None or following.done():
            return  # One that is being started goes there when it is there.
        self._anew = True
        api, self.api = self.api, None
        following.cancel()
        if api is not None:
            await self._leave(api)

    async def _leave(self, api: EngineApi) -> None:
        """Begin again there, or with another engine."""
        if (again := getattr(api, "anew", None)) is not None:
            self._process = _Anew(again)
        else:
            await api.close()

    @property
    def looked(self) -> bool:
        """Whether what is known comes from the engine of now."""
        return self.api is not None and self.truth.tick is not NOTHING

    async def _mourn(self, problem: LazyCeleryError) -> None:
        truth, api = self.truth, self.api
        self.api = None
        if api is not None:
            await api.close()
        wait = PATIENCE[min(truth.engine_deaths, len(PATIENCE) - 1)]
        truth.engine_deaths += 1
        truth.engine_problem = problem
        truth.engine_next = self.clock() + wait
        self._changed(tasks=False, workers=False, queues=False, status=True)
        await asyncio.sleep(wait)

    async def _follow(self, api: EngineApi) -> None:
        while True:
            started = time.monotonic()
            tick = await self._tick(api)
            if self._front:
                await self._round(api, tick)
                await asyncio.sleep(max(0.0, self._beat - (time.monotonic() - started)))
            else:
                await self._glance(api, tick)
                await came(self._wake, BEHIND)

    async def _tick(self, api: EngineApi) -> Tick:
        """The next change; at once when the cluster has just come to the front."""
        if self._front and not self._wake.is_set():
            return await api.tick(self.truth.tick.stamp)
        asking = asyncio.ensure_future(api.tick(self.truth.tick.stamp))
        waking = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((asking, waking), return_when=asyncio.FIRST_COMPLETED)
            self._wake.clear()
            return asking.result() if asking.done() else await api.tick(-1)
        finally:
            asking.cancel()
            waking.cancel()

    async def _glance(self, api: EngineApi, tick: Tick) -> None:
        """What the list of clusters shows; the rest is fetched when the cluster comes to the front."""
        truth = self.truth
        status = tick.status != truth.tick.status or truth.engine_problem is not None
        truth.overview = await api.overview()
        truth.tick = msgspec.structs.replace(truth.tick, stamp=tick.stamp, status=tick.status)
        truth.engine_problem, truth.engine_deaths = None, 0
        self._changed(tasks=False, workers=False, queues=False, status=status)

    def now(self) -> float:
        """The time on the screen: the clock's, but in a replay that of the recording."""
        overview, since = self.truth.overview, self.clock() - self._anchor
        if overview is None or (overview.speed == 1.0 and overview.reel is None):
            return self.clock()
        return overview.now + since * overview.speed

    async def _round(self, api: EngineApi, tick: Tick) -> None:
        truth, before = self.truth, self.truth.tick
        recovered = truth.engine_problem is not None
        status = tick.status != before.status or recovered
        workers, queues = tick.workers != before.workers, tick.queues != before.queues
        if workers and not self._workers_due():
            workers, tick = False, msgspec.structs.replace(tick, stamp=before.stamp, workers=before.workers)
        # All at once: an engine that is busy lets each question wait for its turn.
        questions = [
            self._look_at_overview(api) if status or self._header_due() else None,
            self._look_at_lists(api, workers, queues) if workers or queues else None,
            self._look_at_log(api) if tick.log != before.log else None,
        ]
        await asyncio.gather(*filter(None, questions))
        truth.last_line = self._newest
        truth.tick, truth.now = tick, self.now()
        truth.engine_problem, truth.engine_deaths = None, 0
        self._changed(tasks=tick.tasks != before.tasks, workers=workers, queues=queues, status=status)

    async def _look_at_overview(self, api: EngineApi) -> None:
        self.truth.overview = await api.overview()
        self._header_asked, self._anchor = time.monotonic(), self.clock()

    async def _look_at_lists(self, api: EngineApi, workers: bool, queues: bool) -> None:
        if workers:
            self.truth.workers = await api.workers()
            self._workers_asked = time.monotonic()
        if queues:  # Behind the workers: a queue's line names those that take from it.
            self.truth.queues = await api.queues()

    async def _look_at_log(self, api: EngineApi) -> None:
        page = await api.log(limit=1)
        if page.lines:
            self._newest = page.lines[-1]  # Shown with what it changed.

    def _workers_due(self) -> bool:
        known = len(self.truth.workers or ())
        return time.monotonic() - self._workers_asked >= known / WORKERS_A_SECOND

    def _header_due(self) -> bool:
        return time.monotonic() - self._header_asked >= HEADER

    async def close(self) -> None:
        """Tell the engine that this face goes."""
        api, self.api = self.api, None
        if api is not None:
            await api.close()
