"""Runs the commands by which a profile starts, stops and follows workers: here, or over `ssh`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from collections import deque
from collections.abc import Mapping, Sequence

from lazycelery.errors import Refused, UsageError
from lazycelery.model.service import Deed, LogText, Service
from lazycelery.sources.protocols.services import Ran
from lazycelery.waiting import came

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5")
"""The user's own ssh, with its configuration and agent; it never asks."""
MOST_OUTPUT = 64 * 1024
"""Bytes of a command's output that are kept, the last."""
MOST_LINES = 2000
LONGEST_LINE = 4000
CHUNK = 8192
IDLE = 20.0
"""Seconds after which a log that nobody reads is followed no longer."""


def argv(service: Service, deed: Deed) -> list[str]:
    """The words of a command as they are run. Raises `Refused` when there is none."""
    command = service.command(deed)
    if command is None:
        raise Refused(
            f"The profile says not how to {deed} {service.name}.",
            f"Add {deed} (or unit) to its [[profiles.NAME.workers]].",
        )
    if service.host is None:
        # No shell: what a command needs one for can be a script.
        return shlex.split(command) if isinstance(command, str) else list(command)
    if service.host.startswith("-"):
        raise UsageError(f"{service.host!r} is no host.")
    return [*SSH, "--", service.host, command if isinstance(command, str) else shlex.join(command)]


class Services:
    """The commands of one profile, by worker."""

    def __init__(self, services: Sequence[Service]) -> None:
        self._services: Mapping[str, Service] = {service.name: service for service in services}
        self._followed: dict[str, _Followed] = {}

    def known(self) -> dict[str, Service]:
        """Workers that the profile has commands for."""
        return dict(self._services)

    def full(self, name: str) -> str:
        """The whole name of a worker, where a half fits one."""
        fits = [each for each in self._services if name in (each, *each.split("@", 1))]
        return fits[0] if len(fits) == 1 else name

    def shown(self, name: str, deed: Deed) -> str:
        """A command as a person would type it. Raises `Refused` when there is none."""
        return shlex.join(argv(self._service(name), deed))

    async def run(self, name: str, deed: Deed, *, timeout: float = 60.0) -> Ran:
        """Run a command to its end. Raises `Refused` when it cannot be started."""
        process = await _start(argv(self._service(name), deed))
        tail = bytearray()
        try:
            await asyncio.wait_for(_drain(process, tail), timeout)
            code = await process.wait()
        except asyncio.TimeoutError:
            await _end(process)
            return Ran(code=None, output=tail.decode("utf-8", "replace"))
        except BaseException:
            await _end(process)
            raise
        return Ran(code=code, output=tail.decode("utf-8", "replace"))

    async def log(self, name: str, limit: int) -> LogText:
        """The end of a log; it is followed from the first time it is asked for, until nobody asks."""
        followed = self._followed.get(name)
        if followed is None or followed.over:
            words = argv(self._service(name), "logs")
            followed = self._followed[name] = _Followed(name, await _start(words), shlex.join(words))
            await followed.first()
        return followed.read(limit)

    async def close(self) -> None:
        """Follow nothing any more."""
        for followed in self._followed.values():
            await followed.end()
        self._followed.clear()

    def _service(self, name: str) -> Service:
        service = self._services.get(name)
        if service is None:
            known = f"It has: {', '.join(self._services)}." if self._services else ""
            raise Refused(
                f"The profile has no commands for {name}.",
                f"Add [[profiles.NAME.workers]] with this name. {known}".strip(),
            )
        return service


class _Followed:
    """One log, read for as long as somebody asks for it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, command: str) -> None:
        self._name, self._process, self._command = name, process, command
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._dropped = 0
        self._came = asyncio.Event()
        self._task = asyncio.create_task(self._follow())
        self._asked = asyncio.get_running_loop().time()
        self._watch = asyncio.create_task(self._until_idle())

    @property
    def over(self) -> bool:
        """Whether it was ended because nobody asked."""
        return self._watch.done()

    async def first(self) -> None:
        """Wait a moment for the first lines."""
        await came(self._came, 1.0)

    def read(self, limit: int) -> LogText:
        self._asked = asyncio.get_running_loop().time()
        code = self._process.returncode
        lines = list(self._lines)[-limit:]
        return LogText(
            worker=self._name,
            lines=lines,
            dropped=self._dropped + len(self._lines) - len(lines),
            running=code is None,
            command=self._command,
            why=None if code is None else f"The command has ended with {code}.",
        )

    async def _follow(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while data := await self._process.stdout.read(CHUNK):
            *lines, rest = (rest + data).split(b"\n")
            if len(rest) > LONGEST_LINE:
                lines, rest = [*lines, rest[:LONGEST_LINE]], b""
            for line in lines:
                self._keep(line)
            self._came.set()
        if rest:
            self._keep(rest)
        self._came.set()
        await self._process.wait()

    def _keep(self, line: bytes) -> None:
        if len(self._lines) == MOST_LINES:
            self._dropped += 1
        self._lines.append(line[:LONGEST_LINE].decode("utf-8", "replace").rstrip("\r"))

    async def _until_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._asked + IDLE - loop.time()) > 0:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), left)
                return  # The command has ended by itself.
        await _end(self._process)
        self._task.cancel()

    async def end(self) -> None:
        self._watch.cancel()
        self._task.cancel()
        await _end(self._process)


async def _start(words: Sequence[str]) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Refused(f"{words[0]} could not be started: {reason}.", "", nothing_done=True) from error


async def _drain(process: asyncio.subprocess.Process, tail: bytearray) -> None:
    assert process.stdout is not None
    while data := await process.stdout.read(CHUNK):
        tail += data
        del tail[:-MOST_OUTPUT]


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a command with all that it started."""
    for how in (signal.SIGTERM, signal.SIGKILL if os.name != "nt" else signal.SIGTERM):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.name == "nt":
                process.terminate()
            else:
                os.killpg(process.pid, how)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), 2)
