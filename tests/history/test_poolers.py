"""Between a recorder and its database: a pooler of sessions, and TLS."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lazycelery.store.history.postgres.address import Address
from lazycelery.store.history.postgres.storage import Shared
from tests.history.keeping import Monitor, found, ids, recorded
from tests.history.test_shared import broken, life, whole, writing
from tests.sources.servers import certificate
from tests.support.broker import free_port
from tests.support.postgres import PostgresServer, has_tls, need_server

pytestmark = pytest.mark.soak


@contextmanager
def pgbouncer(server: PostgresServer, **settings: str) -> Iterator[str]:
    """The URL of a pooler before the server."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("pgbouncer is not installed")
    port, place = free_port(), Path(tempfile.mkdtemp(prefix="lazycelery-pgbouncer-"))
    (place / "users").write_text('"shop" ""\n')
    own = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "trust",
        "auth_file": str(place / "users"),
        "logfile": str(place / "log"),
        **settings,
    }
    told = "\n".join(f"{name} = {value}" for name, value in own.items())
    config = f"[databases]\n* = host=127.0.0.1 port={server.port}\n[pgbouncer]\n{told}\n"
    (place / "ini").write_text(config)
    who: dict[str, object] = {}
    if os.getuid() == 0:
        account = pwd.getpwnam("nobody")
        os.chown(place, account.pw_uid, account.pw_gid)
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    process = subprocess.Popen([program, place / "ini"], stderr=subprocess.DEVNULL, **who)  # type: ignore[call-overload]
    try:
        time.sleep(1)
        yield server.url.replace(str(server.port), str(port))
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(place, ignore_errors=True)


def test_a_pooler_of_sessions_is_written_and_read_through(postgres: PostgresServer) -> None:
    settings = {"pool_mode": "session", "ignore_startup_parameters": "options"}
    with pgbouncer(postgres, **settings) as url:
        storage = Shared(Address(url, "lazycelery_pooled"))
        monitors = [Monitor(storage).start() for _ in range(3)]
        for number in range(400):
            for monitor in monitors:
                monitor.hear(*life(number))
            time.sleep(0.002)
        for monitor in monitors:
            monitor.stop()
            assert writing(monitor), monitor.recorder.status.reason
        assert len(ids(found(storage, limit=1_000))) == 400
        whole(Shared(Address(postgres.url, "lazycelery_pooled")), 400)


def test_a_pooler_that_refuses_is_said_with_what_it_needs(postgres: PostgresServer) -> None:
    with pgbouncer(postgres, pool_mode="session") as url:
        monitor = Monitor(Shared(Address(url, "lazycelery_refused"))).start()
        monitor.hear(*life(0))
        assert monitor.wait(lambda: broken(monitor))
        monitor.stop()
        assert "pool_mode = session and ignore_startup_parameters = options" in monitor.recorder.status.reason


def test_tls_is_used_and_checked_as_the_url_says(tmp_path: Path) -> None:
    need_server()
    server = PostgresServer()
    if not has_tls():
        server.remove()
        pytest.skip("the server's programs were built without TLS")
    cert, key = certificate(tmp_path)
    for name, path in (("server.crt", cert), ("server.key", key)):
        shutil.copy(path, server.dir / name)
        owner = server.dir.stat()
        os.chown(server.dir / name, owner.st_uid, owner.st_gid)
        (server.dir / name).chmod(0o600)
    own = {"ssl_cert_file": str(server.dir / "server.crt"), "ssl_key_file": str(server.dir / "server.key")}
    server.settings |= {"ssl": "on", **own}
    try:
        server.start()
        for query, why in (
            ("?sslmode=require", ""),
            (f"?sslmode=verify-full&sslrootcert={cert}", ""),
            (f"?sslmode=verify-ca&sslrootcert={key.replace('.key', '.none')}", "does not exist"),
            (f"?sslmode=verify-full&sslrootcert={_other(tmp_path)}", "certificate verify failed"),
        ):
            storage = Shared(Address(f"{server.url}{query}", "lazycelery_tls"))
            monitor = recorded(storage, life(0))
            assert (monitor.recorder.status.state == "writing") == (not why), monitor.recorder.status.reason
            if why:
                assert why in monitor.recorder.status.reason and why in found(storage).unread[0]
        seen = Shared(Address(f"{server.url}?sslmode=require", "lazycelery_tls"))
        assert ids(found(seen)) == ["t0"]
    finally:
        server.remove()


def _other(folder: Path) -> str:
    (folder / "other").mkdir()
    return certificate(folder / "other")[0]
