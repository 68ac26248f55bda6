"""One thread with a Kombu connection of its own: does what it is asked, in order, and listens in between."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import queue
import threading
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from lazycelery.errors import LazyCeleryError
from lazycelery.sources.kombu import problems
from lazycelery.sources.kombu.address import Address

T = TypeVar("T")
Channel = Any
"""A channel of one of Kombu's virtual transports."""
Take = Callable[[Any], None]
"""Gets each message that was heard; called in the lane's thread."""
BROKEN = (ValueError, KeyError, TypeError, UnicodeError)
"""What Kombu raises for a message that is none: it is gone already, the next one may be better."""


class _Job(NamedTuple):
    work: Callable[[Channel], Any]
    done: asyncio.Future[Any]


class Lane:
    """Jobs wait for each other and never hold the loop: they run in a thread, which ends with the program."""

    def __init__(self, name: str, address: Address) -> None:
        self.address = address
        self.commands = 0
        """Jobs done, and messages heard."""
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # Only the thread touches these.
        self._connection: Any = None
        self._channel: Channel = None
        self._lost: asyncio.Future[None] | None = None

    async def do(self, work: Callable[[Channel], T], patience: float | None = None) -> T:
        """Run `work` on the lane's channel, connected when it is not yet.

        Raises `LazyCeleryError`; what is late goes on in the thread, and its outcome is lost.
        """
        self._loop = asyncio.get_running_loop()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"lazycelery {self._name}", daemon=True)
            self._thread.start()
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, done))
        try:
            return await asyncio.wait_for(done, patience or max(2 * self.address.timeout, 5.0))
        except asyncio.TimeoutError:
            raise problems.silent(self.address) from None

    async def listen(self, open_queue: Callable[[Channel], str], take: Take) -> asyncio.Future[None]:
        """Read a queue from now on; `open_queue` declares it. The future fails when that ends."""
        lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def begin(channel: Channel) -> None:
            name = open_queue(channel)
            channel.basic_consume(name, no_ack=True, callback=take, consumer_tag=name)
            self._lost = lost

        await self.do(begin)
        return lost

    async def close(self, last: Callable[[Channel], None] | None = None) -> None:
        """Do one last thing and end the thread. What is not connected is not connected for it."""
        if self._thread is None:
            return
        if last is not None and self._channel is not None:
            with contextlib.suppress(LazyCeleryError):
                await self.do(last, 2.0)
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, 1.0)
        self._thread = None

    # ---- in the thread

    def _run(self) -> None:
        while (job := self._next()) is not None:
            if job.done.cancelled():
                continue
            self.commands += 1
            try:
                result = job.work(self._ready())
            except BaseException as error:
                if not isinstance(error, LazyCeleryError):
                    self._let_go(error)
                self._tell(job.done, None, problems.explain(error, self.address))
            else:
                self._tell(job.done, result, None)
        self._let_go(None)

    def _next(self) -> _Job | None:
        """The next job; messages are heard until there is one."""
        while True:
            if self._lost is None:
                return self._jobs.get()
            with contextlib.suppress(queue.Empty):
                return self._jobs.get_nowait()
            self._hear()

    def _hear(self) -> None:
        try:
            self._connection.drain_events(timeout=self.address.transport.poll)
        except TimeoutError:
            return
        except BROKEN:
            pass
        except Exception as error:
            self._let_go(error)
            return
        self.commands += 1

    def _ready(self) -> Channel:
        if self._channel is None:
            transport = self.address.transport
            for driver in transport.modules:
                importlib.import_module(driver)
            kombu = importlib.import_module("kombu")
            options = dict(self.address.options)
            if not transport.silent:
                options.setdefault("polling_interval", transport.poll)
            self._connection = kombu.Connection(
                self.address.url, transport_options=options, connect_timeout=self.address.timeout
            )
            self._channel = self._connection.channel()
        return self._channel

    def _let_go(self, error: BaseException | None) -> None:
        """Give the connection up; the next job makes another."""
        connection, self._connection, self._channel = self._connection, None, None
        lost, self._lost = self._lost, None
        with contextlib.suppress(Exception):
            if connection is not None:
                connection.release()
        if lost is not None and error is not None:
            self._tell(lost, None, problems.explain(error, self.address))

    def _tell(self, future: asyncio.Future[Any], result: Any, problem: LazyCeleryError | None) -> None:
        def settle() -> None:
            if future.done():
                return
            if problem is None:
                future.set_result(result)
            else:
                future.set_exception(problem)

        self.soon(settle)

    def soon(self, call: Callable[[], None]) -> None:
        """Have the loop call something; nothing happens once it has ended."""
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)
