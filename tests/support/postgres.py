"""A real PostgreSQL on a private port, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from tests.support.broker import free_port


def binaries() -> Path:
    """The folder of PostgreSQL's programs, newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: float(each.parent.name))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise RuntimeError("no PostgreSQL: apt-get install postgresql")
    return found[-1] if found else Path(str(on_path)).parent


class PostgresServer:
    """One server process. It refuses to run as root, so then it runs as its package's user."""

    def __init__(self) -> None:
        self.port = free_port()
        self.dir = Path(tempfile.mkdtemp(prefix="lazycelery-postgres-"))
        self.process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, object] = {}
        if os.getuid() == 0:
            account = pwd.getpwnam("postgres")
            os.chown(self.dir, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    @property
    def url(self) -> str:
        return f"postgresql://shop@127.0.0.1:{self.port}/postgres"

    def start(self) -> PostgresServer:
        programs, data = binaries(), self.dir / "data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as,  # type: ignore[call-overload]
        )
        return self.run()

    def run(self) -> PostgresServer:
        """Start it, or start it again."""
        programs = binaries()
        self.process = subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                self.dir / "data",
                "-p",
                str(self.port),
                "-k",
                self.dir,
                "-h",
                "127.0.0.1",
                "-c",
                "fsync=off",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,  # type: ignore[call-overload]
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(ready, check=False).returncode == 0:
                return self
            time.sleep(0.05)
        raise RuntimeError("PostgreSQL did not start")

    def processes(self) -> list[psutil.Process]:
        """All of them, the first one is the parent."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self) -> None:
        """All of its processes at once, as a crash does."""
        assert self.process is not None
        found = self.processes()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(10)
        psutil.wait_procs(found[1:], 5)

    def remove(self) -> None:
        if self.process is not None:
            self.process.terminate()  # A smart shutdown waits for clients.
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        shutil.rmtree(self.dir, ignore_errors=True)
