"""The password of a team's database: asked for when it is needed; no start waits for it or fails by it."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from lazycelery import passwords
from lazycelery.engine.engine import Engine
from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.passwords import Password
from lazycelery.store.history.postgres.address import WRITES, Address, connect
from lazycelery.store.history.postgres.storage import Shared
from tests.engine.test_contract import until
from tests.history.keeping import found, ids, recorded
from tests.store.build import received
from tests.support.broker import RedisServer
from tests.support.postgres import PostgresServer


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


def test_it_is_asked_for_once_by_whoever_comes_first(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    password = Password(python(f"open({str(mark)!r}, 'a').write('x'); print('geheim')"))
    assert not mark.exists()
    heard: list[str] = []
    threads = [threading.Thread(target=lambda: heard.append(password())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heard == ["geheim"] * 4 and mark.read_text() == "x"
    password.wrong()  # It was changed: asked for again, and then not for a while.
    assert password() == "geheim" and mark.read_text() == "xx"
    password.wrong()
    assert password() == "geheim" and mark.read_text() == "xx"


def test_one_that_fails_is_said_and_asked_for_again_later(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mark = tmp_path / "ready"
    script = f"import os, sys; print('geheim') if os.path.exists({str(mark)!r}) else sys.exit('geheim')"
    password = Password(python(script), named="history_")
    with pytest.raises(ConnectionProblem) as refused:
        password()
    assert refused.value.title == "The setting history_password_command ended with code 1."
    assert "geheim" not in str(refused.value)
    mark.touch()
    with pytest.raises(ConnectionProblem):  # Nobody is asked each second.
        password()
    monkeypatch.setattr(password, "_next", 0.0)
    assert password() == "geheim"


def test_one_that_hangs_is_bounded_and_ends_with_the_monitor(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = (
        "import subprocess, sys, time; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    )
    with monkeypatch.context() as short:
        short.setattr(passwords, "COMMAND_TIMEOUT", 0.5)
        with pytest.raises(ConnectionProblem, match="did not answer within"):
            Password(python(hangs))()
    password = Password(python(hangs))
    threading.Timer(0.5, password.give_up).start()
    began = time.monotonic()
    with pytest.raises(ConnectionProblem):
        password()
    assert time.monotonic() - began < 5


@pytest.mark.skipif(os.name != "posix", reason="sessions and terminals are POSIX's")
def test_it_has_no_terminal_that_it_could_paint_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPG_TTY", "/dev/pts/0")
    script = "import os; print(os.environ.get('GPG_TTY'), os.getsid(0) == os.getpid())"
    assert Password(python(script))() == "None True"


def test_a_database_that_does_not_answer_has_nobody_asked_again(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    password = Password(python(f"open({str(mark)!r}, 'a').write('x'); print('geheim')"))
    hosts = "127.0.0.1:1,127.0.0.1:2"
    for where in (hosts, "127.0.0.1:1", hosts):
        with pytest.raises(psycopg.OperationalError):
            connect(Address(f"postgresql://lazy@{where}/d", "", password), WRITES)
    assert mark.read_text() == "x"


def test_what_the_command_prints_opens_the_database(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = postgres.dir / "data" / "pg_hba.conf"
    rules.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    admin = connect(Address(postgres.url, ""), WRITES)
    admin.execute("SELECT pg_reload_conf()")
    admin.execute("CREATE ROLE guarded LOGIN PASSWORD 'it''s @ secret'")
    admin.execute("GRANT CREATE ON DATABASE postgres TO guarded")
    admin.close()
    url = postgres.url.replace("shop@", "guarded@")
    storage = Shared(Address(url, "lazycelery_guarded", Password(["echo", "it's @ secret"])))
    monitor = recorded(storage, [received(0, "t0")])
    assert monitor.recorder.status.state == "writing", monitor.recorder.status.reason
    assert ids(found(storage)) == ["t0"]
    password = Password(["echo", "wrong"])
    wrong = Shared(Address(url, "lazycelery_guarded", password))
    assert "password authentication failed" in found(wrong).unread[0]
    password._command = ("echo", "it's @ secret")  # It was changed; several hosts tell of it, too.
    several = url.replace("@127.0.0.1:", "@127.0.0.1:1,127.0.0.1:", 1)
    assert ids(found(Shared(Address(several, "lazycelery_guarded", password)))) == ["t0"]


@pytest.mark.broker
@pytest.mark.parametrize("script", ["import sys; sys.exit(3)", "import time; time.sleep(60)"])
async def test_without_it_the_monitor_starts_and_says_why(broker: RedisServer, script: str) -> None:
    profile = Profile(
        broker=broker.url,
        recorder=True,
        history_url="postgresql://lazy@127.0.0.1:1/d",
        history_password_command=python(script),
    )
    engine = Engine(profile)
    began = time.monotonic()
    await engine.start()
    overview = await engine.ready(10)
    assert overview.connected and time.monotonic() - began < 6

    async def said() -> bool:
        titles = [notice.title for notice in (await engine.overview()).notices]
        return any("history_password_command ended with code 3" in title for title in titles)

    if "exit" in script:
        assert await until(said)
    began = time.monotonic()
    await engine.close()
    assert time.monotonic() - began < 8
