"""One failure mode at a time on a real fleet: when it was caused, seen on the wire, found, cured, gone."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from celery import Celery

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer

POLL = 0.02
HOUR = 3600.0


class Ward:
    """A broker with workers, an engine with default settings that watches it, and the moments that count."""

    def __init__(self, rabbit: RabbitServer | None = None) -> None:
        self.server = RedisServer().start()
        self.rabbit = rabbit
        self.vhost = f"ward{time.monotonic_ns()}"
        if rabbit is not None:
            rabbit.add_vhost(self.vhost)
        self.directory = Path(tempfile.mkdtemp(prefix="lazycelery-detection-"))
        self.engine: Engine | None = None
        self.cause = self.wire = self.cure = 0.0
        self.ending = contextlib.AsyncExitStack()
        """What is to be stopped at the end."""

    @property
    def url(self) -> str:
        """The broker's."""
        return self.server.url if self.rabbit is None else self.rabbit.url(self.vhost)

    async def worker(self, name: str = "w1", **own: Any) -> CeleryWorker:
        """A worker that is ready."""
        one = CeleryWorker(self.url, name, **{"backend": self.server.url, **own})
        self.ending.push_async_callback(asyncio.to_thread, one.kill)
        return await asyncio.to_thread(one.start)

    def send(self, name: str, *args: Any, **own: Any) -> str:
        """Send one task."""
        return send(self.url, name, *args, **own)

    def send_many(self, name: str, *arguments: Sequence[Any]) -> None:
        """Send many tasks of a name, over one connection."""
        with Celery("client", broker=self.url, set_as_current=False) as app:
            app.conf.task_send_sent_event = True
            for args in arguments:
                app.send_task(name, args=args)

    def tell(self, method: str, **arguments: Any) -> None:
        """A control command, as Celery's own client sends it."""
        with Celery("client", broker=self.url, set_as_current=False) as app:
            app.control.broadcast(method, arguments=arguments, reply=True, timeout=2)

    async def watch(self, settle: float = 3.0, broker: str | None = None, **own: Any) -> Engine:
        """The engine, after it has seen a healthy cluster for a while."""
        if self.rabbit is not None:
            own = {"management": self.rabbit.management, **own}
        self.engine = Engine(Profile(broker=broker or self.url, history=False, **own))
        await self.engine.start()
        self.ending.push_async_callback(self.engine.close)
        if settle:
            await self.engine.ready(15)
            await asyncio.sleep(settle)
        return self.engine

    # ---- the moments

    def caused(self) -> None:
        """Now it is caused, and, unless `visible` says otherwise, to be seen."""
        self.cause = self.wire = time.time()

    def visible(self, at: float | None = None) -> None:
        """Now, or then, the broker shows it to whoever looks."""
        self.wire = time.time() if at is None else at

    def cured(self, at: float | None = None) -> None:
        """Now, or then, its cure shows likewise."""
        self.cure = time.time() if at is None else at

    def present(self) -> set[str]:
        """Codes of all that is found now."""
        return {code for code, _ in self.engine._examiner.present} if self.engine else set()

    async def found(self, code: str, within: float) -> float:
        """When it is found, epoch seconds."""
        return await self._until(lambda: code in self.present(), within, f"{code} is not found")

    async def gone(self, code: str, within: float) -> float:
        """When it is found no more, epoch seconds."""
        return await self._until(lambda: code not in self.present(), within, f"{code} stays")

    async def _until(self, shown: Callable[[], bool], within: float, problem: str) -> float:
        ends = time.monotonic() + within
        while not shown():
            assert time.monotonic() < ends, f"{problem} within {within} s; found: {self.present()}"
            await asyncio.sleep(POLL)
        return time.time()

    async def close(self) -> None:
        """Stop everything."""
        with contextlib.suppress(Exception):
            await self.ending.aclose()
        self.server.remove()
        if self.rabbit is not None:
            self.rabbit.drop_vhost(self.vhost)


Provoke = Callable[[Ward], AsyncIterator[None]]
"""Sets the fleet up, watches it, and provokes; after its `yield` it cures."""


class Case(NamedTuple):
    """How one failure mode, or some that have the same cause, are provoked."""

    codes: tuple[str, ...]
    cause: str
    visible: str
    """From when on it is to be seen on the wire, in one phrase."""
    provoke: Provoke
    rabbit: bool
    within: float
    """Seconds for which it is waited for, and for which its end is."""


CASES: list[Case] = []


def case(
    *codes: str, cause: str, visible: str = "at once", rabbit: bool = False, within: float = 60.0
) -> Callable[[Provoke], Provoke]:
    """Declare a case."""

    def declare(provoke: Provoke) -> Provoke:
        CASES.append(Case(codes, cause, visible, provoke, rabbit, within))
        return provoke

    return declare


class Times(NamedTuple):
    """Seconds."""

    cause: float
    """From the cause to the finding."""
    wire: float
    """From the moment when it was to be seen; 0 where it was found before."""
    cure: float
    """From the cure to the end of the finding."""


_rabbit: list[RabbitServer] = []


def _one_rabbit() -> RabbitServer:
    if not _rabbit:
        _rabbit.append(RabbitServer().start())
        atexit.register(_rabbit[0].remove)
    return _rabbit[0]


async def measure(one: Case) -> dict[str, Times]:
    """Provoke, wait, cure, wait."""
    ward = Ward(_one_rabbit() if one.rabbit else None)
    try:
        steps = one.provoke(ward).__aiter__()
        await steps.__anext__()
        seen = await asyncio.gather(*(ward.found(code, one.within) for code in one.codes))
        curing = asyncio.ensure_future(steps.__anext__())
        await asyncio.wait([curing])
        assert isinstance(curing.exception(), StopAsyncIteration), curing
        left = max(0.0, ward.cure - time.time()) + one.within
        over = await asyncio.gather(*(ward.gone(code, left) for code in one.codes))
        return {
            code: Times(found - ward.cause, max(0.0, found - ward.wire), max(0.0, gone - ward.cure))
            for code, found, gone in zip(one.codes, seen, over, strict=True)
        }
    finally:
        await ward.close()
