"""Serves an engine to one face over a pipe."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec

from lazycelery.engine import protocol
from lazycelery.engine.engine import Engine
from lazycelery.engine.pipe import Pipe
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.profile import Profile

logger = logging.getLogger(__name__)

BUG = "Something went wrong inside the engine: {kind}."


class Server:
    """Answers requests until the face closes its end; then the engine is closed."""

    def __init__(
        self, reader: BinaryIO, writer: BinaryIO, begun: Callable[[Profile], None] = lambda _: None
    ) -> None:
        self._begun = begun
        """Called with the profile, before the engine starts."""
        self._engine: Engine | None = None
        self._beginning = asyncio.Lock()
        self._wanted: Profile | None = None
        """What to begin with next; of several that came while another one began, the last."""
        self._running: dict[int, asyncio.Task[None]] = {}
        self._asked: set[asyncio.Task[None]] = set()
        """Those of them that ask the engine of now."""
        self.done = asyncio.Event()
        self._pipe = Pipe(reader, writer, self._received, self.done.set)

    async def run(self) -> None:
        """Until the face is gone."""
        await self.done.wait()
        for task in self._running.values():
            task.cancel()
        if self._engine is not None:
            await self._engine.close()
        self._pipe.close()

    def _received(self, body: bytes) -> None:
        try:
            number, method, arguments = protocol.decode_request(body)
        except msgspec.DecodeError:
            logger.error("a request that cannot be decoded")
            self.done.set()
            return
        if method == "cancel":
            if task := self._running.get(number):
                task.cancel()
            return
        task = asyncio.create_task(self._answer(number, method, arguments))
        self._running[number] = task
        task.add_done_callback(lambda _: self._running.pop(number, None))
        if method != "hello":
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _answer(self, number: int, method: str, arguments: dict[str, Any]) -> None:
        try:
            result = await self._call(method, arguments)
            framed = protocol.frame((number, True, result))
        except LazyCeleryError as problem:
            framed = protocol.frame((number, False, protocol.error_out(problem)))
        except Exception as problem:  # A bug must be told, and must not end the others' answers.
            logger.exception("request %s failed", method)
            told = LazyCeleryError(
                BUG.format(kind=type(problem).__name__), "The engine's log has the details."
            )
            framed = protocol.frame((number, False, protocol.error_out(told)))
        self._pipe.send(framed)
        if method == "close":
            self.done.set()

    async def _call(self, method: str, arguments: dict[str, Any]) -> object:
        if method == "hello":
            return await self._hello(arguments)
        known = protocol.METHODS.get(method)
        if known is None:
            raise UsageError(f"The engine has no method {method!r}.", "Face and engine differ in version.")
        if self._engine is None:
            raise UsageError("The engine has not been started.", "Say hello first.")
        return await getattr(self._engine, method)(**known.convert(arguments))

    async def _hello(self, arguments: dict[str, Any]) -> int:
        if arguments.get("version") != protocol.VERSION:
            raise UsageError(
                f"The engine speaks version {protocol.VERSION} of the protocol, the face "
                f"{arguments.get('version')}.",
                "Restart both from the same installation.",
            )
        self._wanted = profile = msgspec.convert(arguments["profile"], Profile)
        # One after the other: one that came in between found no engine, and began from nothing.
        async with self._beginning:
            if self._wanted is not None or self._engine is None:
                profile, self._wanted = self._wanted or profile, None
                await self._begin(profile)
        return protocol.VERSION

    async def _begin(self, profile: Profile) -> None:
        self._begun(profile)
        old, self._engine = self._engine, None
        if old is None:
            self._engine = Engine(profile)
        else:  # Another moment of a recording.
            self._give_up()
            self._engine = await old.again(profile)
            del old
            gc.unfreeze()
        # The libraries and the empty columns stay for good: collecting them again and again costs pauses.
        gc.collect()
        gc.freeze()
        await self._engine.start()

    def _give_up(self) -> None:
        """What was asked of the engine that is left. No task may be kept: each holds all of that engine, and
        what is there when the next one begins stays for good."""
        for task in self._asked:
            task.cancel()
