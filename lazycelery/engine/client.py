"""The engine in a process of its own, and the face's side of the link to it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import msgspec

from lazycelery.engine import protocol
from lazycelery.engine.pipe import Pipe
from lazycelery.errors import ConnectionProblem
from lazycelery.waiting import unhurried

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from lazycelery.engine.api import EngineApi
    from lazycelery.model.profile import Profile

LONG = 64 * 1024
"""Bytes of an answer beyond which it is decoded in slices."""
GONE = "The engine process has ended."
_HELLO = msgspec.msgpack.Decoder(int)
"""Of an engine's version: what it answers when it has begun."""

BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv[1]]; "
    "from lazycelery.engine.__main__ import main; main()"
)
"""Without the current directory: a user's `celery.py` or `redis.py` there must never be imported."""


class EngineProcess:
    """A started engine process. `connect` makes it an `EngineApi`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.patience = 3.0
        """Seconds it may take to put back what it changed."""

    @property
    def pid(self) -> int:
        """Process id of the engine."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    async def connect(self, profile: Profile) -> EngineClient:
        """Start the engine on a profile, which travels by pipe. Raises `LazyCeleryError`."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ConnectionProblem(GONE)
        self.patience = profile.timeout + 2
        return await EngineClient(cast("BinaryIO", stdout), cast("BinaryIO", stdin), self).anew(profile)

    def end(self, wait: float = 3.0) -> None:
        """Close the pipe, which ends the engine; kill it when it does not listen."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(wait)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(1)


def spawn() -> EngineProcess:
    """Start an engine process now; it loads its libraries while the caller does other things."""
    process = subprocess.Popen(
        [sys.executable, "-c", BOOT, str(Path(__file__).resolve().parents[2])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is the face's business.
    )
    return EngineProcess(process)


class EngineClient:
    """An `EngineApi` on the other end of a pipe: each method of it becomes a request."""

    def __init__(self, reader: BinaryIO, writer: BinaryIO, process: EngineProcess | None = None) -> None:
        self.process = process
        self.ended = asyncio.Event()
        """Set when the engine is gone."""
        self._number = 0
        self._waiting: dict[int, tuple[asyncio.Future[msgspec.Raw], msgspec.msgpack.Decoder[Any]]] = {}
        self._pipe = Pipe(reader, writer, self._received, self._gone)

    async def call(
        self,
        method: str,
        arguments: dict[str, Any],
        answer: msgspec.msgpack.Decoder[Any],
        each: msgspec.msgpack.Decoder[Any] | None = None,
    ) -> Any:
        """Send a request and wait for its answer; cancelling drops it on the other side too. A long list is
        decoded by `each` of what is in it: ten thousand workers would hold a key for some frames."""
        payload = await self._asked(method, arguments, answer)
        try:
            if each is not None and len(memoryview(payload)) > LONG:
                return await unhurried(map(each.decode, protocol.decode_list(payload)))
            return answer.decode(payload)
        except msgspec.DecodeError as problem:
            told = f"The engine's answer does not fit: {problem}."
            raise ConnectionProblem(told, "Restart lazycelery.") from None

    async def _asked(
        self, method: str, arguments: dict[str, Any], answer: msgspec.msgpack.Decoder[Any]
    ) -> msgspec.Raw:
        if self.ended.is_set():
            raise ConnectionProblem(GONE, "It is started again.")
        self._number += 1
        number = self._number
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[number] = (future, answer)
        self._pipe.send(protocol.frame((number, method, arguments)))
        try:
            return await future
        except asyncio.CancelledError:
            self._pipe.send(protocol.frame((number, "cancel", {})))
            raise
        finally:
            self._waiting.pop(number, None)

    async def anew(self, profile: Profile) -> EngineClient:
        """Start an engine in that process, or another one in its place: at another moment of a recording it
        begins from what was kept on the way. Where one is still beginning, both have the newest one when this
        is there. Raises `LazyCeleryError`, and then the process ends."""
        self._give_up(but=_HELLO)
        try:
            await self.call(
                "hello",
                {"version": protocol.VERSION, "profile": msgspec.to_builtins(profile)},
                _HELLO,
            )
        except BaseException:  # Given up by who asked, too: nobody else knows this engine, and would end it.
            self.let_go()
            raise
        return self

    @property
    def api(self) -> EngineApi:
        """This client under the type of the interface that it serves."""
        return cast("EngineApi", self)

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Each method of `EngineApi` is a request of the same name."""
        method = protocol.METHODS.get(name)
        if method is None:
            raise AttributeError(name)

        def ask(*args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
            given = {**dict(zip(method.arguments, args, strict=False)), **kwargs}
            return self.call(name, msgspec.to_builtins(given), method.answer, method.each)

        return ask

    def let_go(self) -> None:
        """Close the pipe, which ends the engine; waits for nothing."""
        self._pipe.close(0.0)

    async def close(self) -> None:
        """Let the engine put back what it changed, then end it."""
        if not self.ended.is_set():
            with contextlib.suppress(ConnectionProblem, asyncio.TimeoutError):
                method = protocol.METHODS["close"]
                patience = self.process.patience if self.process else 3.0
                await asyncio.wait_for(self.call("close", {}, method.answer), patience)
        self._pipe.close(0.2)
        if self.process is not None:
            await asyncio.to_thread(self.process.end)

    def _received(self, body: bytes) -> None:
        try:
            number, good, payload = protocol.decode_response(body)
        except msgspec.DecodeError:
            self._gone()
            return
        future, _ = self._waiting.get(number, (None, None))
        if future is None or future.done():
            return
        if good:
            future.set_result(payload)
        else:
            future.set_exception(protocol.error_in(payload))

    def _gone(self) -> None:
        self.ended.set()
        self._give_up()

    def _give_up(self, but: msgspec.msgpack.Decoder[Any] | None = None) -> None:
        """What was asked is not answered any more, `but` answers of that kind."""
        for future, answer in list(self._waiting.values()):
            if not future.done() and answer is not but:
                future.set_exception(ConnectionProblem(GONE, "It is started again."))
