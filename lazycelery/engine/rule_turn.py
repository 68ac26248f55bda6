"""Who evaluates the rules of a cluster: one process of a machine, and one machine of all.

On a machine a lock keeps processes apart that the system gives back; machines are kept apart by the broker,
by what expires there by itself (`Leasing`), and only where rules do something: a dry run writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lazycelery.actions.audit import whoami
from lazycelery.actions.files import being_written, open_private, write_all
from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.sources.protocols.queues import Leasing, QueueOps
from lazycelery.store.history.files import LOCK
from lazycelery.store.history.lock import Lock

NAME = "lazycelery.rules"
"""A key of Redis, an exclusive queue of RabbitMQ."""
HELD = 15.0
"""Seconds for which Redis keeps it for one that is silent."""
RENEWED = 3.0
FRESH = 0.5
"""Seconds for which it is not asked again before something is done."""
NOTE = "evaluator"
NO_LEASE = "nothing keeps a second machine apart on this broker"


class Turn:
    """The right to evaluate."""

    def __init__(
        self, profile: Profile, queues: QueueOps, directory: Path, clock: Callable[[], float]
    ) -> None:
        user, host, _ = whoami()
        self.name = f"{user}@{host} (process {os.getpid()})"
        self._token = f"{self.name} #{uuid.uuid4().hex[:8]}"
        self._queues, self._clock, self._directory = queues, clock, directory
        self._acts = any(rule.apply for rule in profile.rules)
        self._lock = Lock(directory)
        self._asked: tuple[float, float] | None = None
        self.why = ""
        """Why it is not ours."""

    @property
    def apart(self) -> bool:
        """Whether other machines are kept apart, or need not be."""
        return not self._acts or isinstance(self._queues, Leasing)

    async def take(self) -> bool:
        """Try to get it. Raises `OSError` where no lock can be made."""
        if not self._lock.take():
            self.why = told(self._directory) or f"evaluated by {self._lock.holder()}"
            return False
        if not await self._leased():
            await asyncio.to_thread(self._note, self.why)
            return False
        await asyncio.to_thread(self._note, f"evaluated by {self.name}")
        return True

    async def still(self, at_once: bool = False) -> bool:
        """Whether it is still ours; asks the broker every three seconds, or now. A broker that cannot be
        asked is believed until it would have given the right to another one."""
        if not self._acts or not isinstance(self._queues, Leasing):
            return True
        age = self._age()
        if age < (FRESH if at_once else RENEWED):
            return True
        return await self._leased() or (self._age() < HELD and self.why.startswith("not known"))

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """While what was begun is finished: a broker that heard nothing for so long would let another
        machine begin beside it."""
        renewing = asyncio.create_task(self._renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.wait([renewing])

    async def _renew(self) -> None:
        with contextlib.suppress(LazyCeleryError, OSError):
            while self._lock.held and await self.still():  # noqa: ASYNC110
                await asyncio.sleep(RENEWED / 2)

    async def give_back(self) -> None:
        """Let another one evaluate."""
        with contextlib.suppress(LazyCeleryError, OSError):
            if self._lock.held and self._acts and isinstance(self._queues, Leasing):
                await self._queues.give_up(NAME, self._token)
        self._lock.give_back()
        self._asked = None

    async def _leased(self) -> bool:
        if not self._acts or not isinstance(self._queues, Leasing):
            return True
        asked = (time.monotonic(), self._clock())  # It expires so long after it was asked for, not answered.
        try:
            holder = await self._queues.lease(NAME, self._token, HELD)
        except LazyCeleryError as problem:
            self.why = f"not known to be free: {problem.title}"
            return False
        if holder != self._token:
            self.why = f"evaluated by {holder.partition(' #')[0]}, on another machine or by another user"
            self._asked = None
            return False
        self._asked = asked
        return True

    def _age(self) -> float:
        """Seconds since the broker said so. Neither clock alone: one stands still while a machine sleeps,
        the other may be set."""
        if self._asked is None:
            return HELD
        return max(time.monotonic() - self._asked[0], self._clock() - self._asked[1])

    def _note(self, text: str) -> None:
        with contextlib.suppress(OSError):
            descriptor = open_private(self._directory / NOTE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            try:
                write_all(descriptor, text.encode())
            finally:
                os.close(descriptor)


def told(directory: Path) -> str:
    """Who evaluates the rules, as the one knows that watches on this machine; empty when none does."""
    try:
        if being_written(directory / LOCK):
            return (directory / NOTE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass
    return ""
