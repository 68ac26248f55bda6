"""One thread in which a result backend is asked; the loop never waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.faces import by_face

T = TypeVar("T")
Job = tuple[Callable[[], Any], "asyncio.Future[Any]", asyncio.AbstractEventLoop]


class Thread:
    """Does one thing after the other. It ends with the program, also while a driver hangs."""

    def __init__(
        self,
        label: str,
        timeout: float,
        explain: Callable[[BaseException], LazyCeleryError],
        what: str = "The result backend",
    ) -> None:
        self._what = what
        self.commands = 0
        self._label, self._patience, self._explain = label, max(2 * timeout, 5.0), explain
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def do(self, work: Callable[[], T]) -> T:
        """Run `work` in the thread. Raises `LazyCeleryError`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="results", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, done, loop))
        try:
            return await asyncio.wait_for(done, self._patience)
        except asyncio.TimeoutError:
            raise ConnectionProblem(
                f"{self._what} {self._label} does not answer in time.",
                "Check the address, VPN and firewall, or give it longer"
                + by_face(" with --timeout SECONDS.", " (timeout in the profile)."),
            ) from None

    async def close(self, last: Callable[[], object]) -> None:
        """Do one last thing and end; what hangs is left behind."""
        if self._thread is not None:
            with contextlib.suppress(LazyCeleryError, asyncio.TimeoutError):
                await asyncio.wait_for(self.do(last), 1.0)
            self._jobs.put(None)
            self._thread = None

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, done, loop = job
            if done.cancelled():
                continue
            self.commands += 1
            result, problem = None, None
            try:
                result = work()
            except BaseException as error:
                problem = error if isinstance(error, LazyCeleryError) else self._explain(error)
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                loop.call_soon_threadsafe(_settle, done, result, problem)


def _settle(done: asyncio.Future[Any], result: Any, problem: LazyCeleryError | None) -> None:
    if done.done():
        return
    if problem is None:
        done.set_result(result)
    else:
        done.set_exception(problem)
