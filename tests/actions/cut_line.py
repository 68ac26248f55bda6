"""A line to a broker that breaks at a chosen command, before or after the broker has done it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable


class CutLine:
    """Passes bytes on until `cut_at` is seen in what is sent; then every connection is cut.

    With `deliver` the broker still gets the command, and only its answer is lost. `stays` keeps the line
    dead; otherwise new connections work. `meanwhile` runs when the command was delivered.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut_at: tuple[bytes, ...] = ()
        self.deliver = False
        self.stays = False
        self.meanwhile: Callable[[], None] = lambda: None
        self.cuts = 0
        self.dead = False
        self._swallowed: asyncio.Event | None = None

    async def open(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/0"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.dead:
            writer.close()
            return
        there, to_broker = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.ensure_future(self._back(there, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                if self.cut_at and all(word in data for word in self.cut_at):
                    await self._cut(data, to_broker)
                    break
                to_broker.write(data)
        back.cancel()
        to_broker.close()
        writer.transport.abort()

    async def _cut(self, data: bytes, to_broker: asyncio.StreamWriter) -> None:
        self.cut_at, self.dead = (), self.stays
        self.cuts += 1
        if self.deliver:
            self._swallowed = asyncio.Event()
            to_broker.write(data)
            await self._swallowed.wait()
            self._swallowed = None
            self.meanwhile()

    async def _back(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await there.read(1 << 20):
                if self._swallowed is not None:
                    self._swallowed.set()
                    return
                if self.dead:
                    break
                writer.write(data)
        writer.transport.abort()

    async def close(self) -> None:
        self._server.close()


@contextlib.asynccontextmanager
async def cut_line(port: int) -> AsyncIterator[tuple[CutLine, str]]:
    line = CutLine(port)
    try:
        yield line, await line.open()
    finally:
        await line.close()
