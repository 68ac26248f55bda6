"""django-celery-beat: its tables by its own migrations, a real beat, and what is told of both."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem, UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources.beat import open_schedules
from lazycelery.sources.beat.django import DjangoBeat, read_row
from tests.beat.test_on_redis import carry_out, engine_on, named, rests, until, when
from tests.support.beat import DATABASE, CeleryBeat
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, app_env
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.broker

ENTRIES = [
    {"name": "often", "task": "shop.add", "interval": {"every": 1, "period": "seconds"}, "args": "[1, 2]"},
    {
        "name": "off",
        "task": "shop.nap",
        "interval": {"every": 1, "period": "seconds"},
        "args": "[0]",
        "enabled": False,
    },
    {
        "name": "tokyo",
        "task": "shop.echo",
        "crontab": {"minute": "30", "hour": "2", "timezone": "Asia/Tokyo"},
        "kwargs": '{"password": "hunter2"}',
        "queue": "celery",
        "priority": 3,
        "expire_seconds": 60,
    },
    {
        "name": "once",
        "task": "shop.late",
        "clocked": {"clocked_time": "2099-01-01T00:00:00+00:00"},
        "one_off": True,
    },
    {
        "name": "sun\x1b[31m",
        "task": "shop.flaky",
        "enabled": False,
        "solar": {"event": "sunrise", "latitude": "48.1", "longitude": "11.2"},
    },
    {
        "name": "old",
        "task": "shop.charge",
        "interval": {"every": 1, "period": "hours"},
        "expires": "2020-01-01T00:00:00+00:00",
    },
]


def make_database(path: Path, broker: str, entries: list[dict[str, Any]]) -> dict[str, str]:
    """A database with the tables of the installed django-celery-beat; the environment that names it."""
    return make_tables({"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}, broker, entries)


def make_tables(database: dict[str, Any], broker: str, entries: list[dict[str, Any]]) -> dict[str, str]:
    env = {"TEST_DJANGO_DB": json.dumps(database), "TEST_ENTRIES": json.dumps(entries)}
    command = [sys.executable, "-m", "tests.support.django_app"]
    subprocess.run(
        command, cwd=ROOT, env=app_env(broker, None, env), check=True, capture_output=True, timeout=60
    )
    return env


@pytest.fixture(scope="module")
def database(
    shared_broker: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    path = tmp_path_factory.mktemp("django") / "app.sqlite3"
    return path, make_database(path, shared_broker.url, ENTRIES)


@pytest.fixture(scope="module")
def beat(shared_broker: RedisServer, database: tuple[Path, dict[str, str]]) -> Iterator[CeleryBeat]:
    one = CeleryBeat(
        shared_broker.url, scheduler=DATABASE, app="tests.support.django_app", env=database[1]
    ).start()
    yield one
    one.stop()


async def test_the_tables_tell_every_kind_of_schedule(
    shared_broker: RedisServer, database: tuple[Path, dict[str, str]], beat: CeleryBeat
) -> None:
    async with engine_on(shared_broker, beat=f"django-db+sqlite:///{database[0]}") as engine:

        async def sent() -> Any:
            found = await engine.beat()
            return found if named(found, "often").sources.get("last_run") == "event" else None

        found = await until(sent)  # By the event of its sending: beat itself writes it down minutes later.
        often, tokyo, once = (named(found, name) for name in ("often", "tokyo", "once"))
        assert (often.schedule, often.enabled, often.args) == ("every 1 s", True, [1, 2])
        assert not often.late
        assert (tokyo.schedule, tokyo.timing.zone) == ("at 02:30 every day", "Asia/Tokyo")
        assert tokyo.next_run is not None and tokyo.next_run % 86_400 == 17.5 * 3600  # 17:30 UTC
        assert (tokyo.queue, tokyo.options) == ("celery", {"priority": 3, "expires": 60})
        assert tokyo.kwargs == {"password": "[redacted]"}
        assert (once.schedule, once.next_run) == ("once", 4_070_908_800.0)
        assert named(found, "off").enabled is False and named(found, "off").next_run is None
        assert named(found, "sun\x1b[31m").schedule == "at sunrise (48.1, 11.2)"
        assert named(found, "celery.backend_cleanup").timing.kind == "crontab"  # beat's own
        state = found.schedulers[0]
        assert (state.name, state.state, state.switches) == ("django", "connected", True)
        assert named(found, "old").enabled is False or "expired" in named(found, "old").unknown["next_run"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:////nowhere/app.sqlite3", "There is no database"),
        ("postgresql://app:s3cretwrong@127.0.0.1:1/app", ""),
        ("mysql://app:s3cretwrong@127.0.0.1:1/app", ""),
    ],
)
async def test_a_database_that_cannot_be_read_says_why_without_its_password(url: str, why: str) -> None:
    source = open_schedules(url, Profile(broker="redis://x", timeout=1))
    with pytest.raises(ConnectionProblem) as told:
        await source.read()
    assert why in str(told.value) and "s3cretwrong" not in str(told.value)
    await source.close()


async def test_missing_tables_are_named(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.sqlite3").close()
    source = open_schedules(f"sqlite:///{tmp_path}/empty.sqlite3", Profile(broker="redis://x"))
    with pytest.raises(ConnectionProblem, match="django_celery_beat_periodictask is not there"):
        await source.read()
    await source.close()


def test_a_url_that_is_no_schedule_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match="not read from amqp://") as told:
        open_schedules("amqp://me:s3cretwrong@h//", Profile(broker="redis://x"))
    assert "s3cretwrong" not in str(told.value)


async def test_a_disabled_entry_is_sent_no_more_and_an_enabled_one_again(
    shared_broker: RedisServer, database: tuple[Path, dict[str, str]], beat: CeleryBeat
) -> None:
    async with engine_on(shared_broker, beat=f"sqlite:///{database[0]}", allow=["beat"]) as engine:
        outcome = await carry_out(engine, "beat", "often", do="disable")
        assert outcome.done == 1 and named(await engine.beat(), "often").enabled is False
        assert (await carry_out(engine, "beat", "off", do="enable")).done == 1  # It is the other one now.
        await rests(beat, "often", "off")
        sent = beat.sent("often")
        assert (await carry_out(engine, "beat", "often", do="enable")).done == 1
        await until(lambda: when(beat.sent("often") > sent))


async def test_a_database_that_takes_no_change_has_none_in_part(
    shared_broker: RedisServer, database: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "app.sqlite3"
    with sqlite3.connect(database[0]) as whole, sqlite3.connect(path) as copy:
        whole.backup(copy)
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TRIGGER held BEFORE INSERT ON django_celery_beat_periodictasks "
            "BEGIN SELECT RAISE(ABORT, 'this user may not'); END"
        )
        connection.execute("DELETE FROM django_celery_beat_periodictasks")
    async with engine_on(shared_broker, beat=f"sqlite:///{path}", allow=["beat"]) as engine:
        outcome = await carry_out(engine, "beat", "often", do="disable")
        assert (outcome.done, outcome.failed) == (0, 1) and "this user may not" in outcome.proof
        assert named(await engine.beat(), "often").enabled is True


@pytest.mark.soak
async def test_a_real_postgresql_is_read_and_switched(shared_broker: RedisServer) -> None:
    server = PostgresServer()
    try:
        server.start()
        place = {"NAME": "postgres", "USER": "shop", "HOST": "127.0.0.1", "PORT": server.port}
        env = make_tables({"ENGINE": "django.db.backends.postgresql", **place}, shared_broker.url, ENTRIES)
        one = CeleryBeat(
            shared_broker.url, scheduler=DATABASE, app="tests.support.django_app", env=env
        ).start()
        try:
            async with engine_on(shared_broker, beat=f"django-db+{server.url}", allow=["beat"]) as engine:
                tokyo = named(await engine.beat(), "tokyo")
                assert tokyo.timing.zone == "Asia/Tokyo" and tokyo.next_run is not None
                assert (await carry_out(engine, "beat", "off", do="enable")).done == 1
                assert (await carry_out(engine, "beat", "often", do="disable")).done == 1
                await until(lambda: when(one.sent("off") > 0))
                await rests(one, "often", "off")
        finally:
            one.stop()
        wrong = open_schedules(
            server.url.replace("shop@", "nobody:s3cretwrong@"), Profile(broker="redis://x")
        )
        with pytest.raises(ConnectionProblem) as told:
            await wrong.read()
        assert "nobody" in str(told.value) and "s3cretwrong" not in str(told.value)
        await wrong.close()
    finally:
        server.remove()


NOW = 1_800_000_000.0
ROW = {
    "name": "n",
    "task": "t",
    "enabled": 1,
    "interval_id": 1,
    "interval_every": 10,
    "interval_period": "minutes",
}


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(NOW + seconds))


@pytest.mark.parametrize(
    ("own", "field", "why"),
    [
        ({"last_run_at": stamp(7200)}, "last_run", "USE_TZ = False"),
        ({"args": "[1, "}, "args", "cannot be read"),
        ({"args": "x" * 70_000}, "args", "longer"),
        ({"one_off": 1, "total_run_count": 1, "last_run_at": stamp(-60)}, "next_run", "sent once"),
        ({"expires": stamp(-60), "last_run_at": stamp(-60)}, "next_run", "expired"),
        ({}, "last_run", "not sent yet"),
    ],
)
def test_what_a_row_does_not_tell_is_said(own: dict[str, Any], field: str, why: str) -> None:
    assert why in read_row({**ROW, **own}, NOW).unknown[field]


def test_a_pickle_in_a_row_is_text_that_is_no_json() -> None:
    import pickle

    entry = read_row({**ROW, "args": pickle.dumps([1], 0).decode()}, NOW)
    assert entry.args is None and "cannot be read" in entry.unknown["args"]
    assert read_row({"name": None, "task": None}, NOW).schedule == "no schedule"
    assert isinstance(open_schedules("db+sqlite:///x", Profile(broker="redis://x")), DjangoBeat)


async def test_rows_are_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    source = DjangoBeat("sqlite:////nowhere/app.sqlite3", Profile(broker="redis://x"))
    monkeypatch.setattr(source, "_rows", lambda: (1, [ROW], NOW))
    threads: list[str] = []

    def noted(row: dict[str, Any], now: float) -> Any:
        threads.append(threading.current_thread().name)
        return read_row(row, now)

    monkeypatch.setattr("lazycelery.sources.beat.django.read_row", noted)
    report = await source.read()
    await source.close()
    assert len(report.entries) == 1 and threads == ["results"]
