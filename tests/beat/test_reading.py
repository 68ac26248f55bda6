"""Schedules as workers and RedBeat write them: read, put into words, computed. Nothing is unpickled."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import pytest

from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.profile import Profile
from lazycelery.model.timing import Timing, words
from lazycelery.sources.beat import choice, conf, open_schedules, redbeat
from lazycelery.sources.beat.clock import Ahead, Unknowable, next_after
from lazycelery.sources.beat.redbeat import RedBeat
from tests.support.broker import RedisServer

CRON = "<crontab: %s (m/h/dM/MY/d)>"


def cron(fields: str, zone: str | None = "UTC") -> Timing:
    timing = conf.read_schedule(CRON % fields)
    timing.zone = zone
    return timing


def between(timing: Timing, begin: float, end: float) -> list[float]:
    found: list[float] = []
    while (due := next_after(timing, found[-1] if found else begin)) is not None and due <= end:
        found.append(due)
    return found


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (30.0, "every 30 s"),
        (10, "every 10 s"),
        ("0:00:30", "every 30 s"),
        ("2 days, 0:05:00", "every 2 d 5 min"),
        ("<freq: 1.00 minute>", "every 1 min"),
        ("<solar: sunrise at latitude 48.1, longitude: 11.2>", "at sunrise (48.1, 11.2)"),
        (CRON % "*/5 1-3 * * mon-fri", "every 5 min in hours 1-3 on mon-fri"),
        (CRON % "30 2 * * *", "at 02:30 every day"),
        (CRON % "[0, 15] {1, 2} * * mon", "at minutes 0,15 in hours 1,2 on Monday"),
        (CRON % "range(0, 60, 20) * * * *", "at minutes 0,20,40 of every hour"),
        (CRON % "0 4 1 * *", "at 04:00 on day 1 of the month"),
        ("<crontab: 0 4 mon * * (m/h/d/dM/MY)>", "at 04:00 on Monday"),  # as older Celery wrote it
        (-1, "unknown"),
        (True, "unknown"),
        (None, "unknown"),
        ("<mine: every full moon>", "<mine: every full moon>"),
    ],
)
def test_a_schedule_in_plain_words(told: object, said: str) -> None:
    assert words(conf.read_schedule(told)) == said


def test_the_settings_of_a_worker_become_entries() -> None:
    entries = conf.read_conf(
        {
            "timezone": "Europe/Berlin",
            "beat_schedule": {
                "a": {
                    "task": "shop.a",
                    "schedule": 5.0,
                    "args": [1],
                    "options": {"queue": "q", "priority": 3},
                },
                "b": {"task": "shop.b", "schedule": CRON % "0 4 * * *", "kwargs": {"password": "********"}},
                "no task": {"schedule": 5.0},
                "no table": 7,
            },
        }
    )
    assert [(one.name, one.task, one.queue, one.options) for one in entries] == [
        ("a", "shop.a", "q", {"priority": 3}),
        ("b", "shop.b", None, {}),
    ]
    assert entries[1].timing.zone == "Europe/Berlin"
    assert conf.masked(entries[1].kwargs) and not conf.masked(entries[0].args)
    assert conf.read_conf({"beat_schedule": "all of it"}) == []


@pytest.mark.parametrize(
    ("settings", "zone"),
    [({}, "UTC"), ({"timezone": "Asia/Tokyo"}, "Asia/Tokyo"), ({"enable_utc": False}, None)],
)
def test_the_zone_of_crontabs(settings: dict[str, object], zone: str | None) -> None:
    assert conf.zone_of(settings) == zone


def test_an_hour_that_is_left_out_runs_when_it_would_have_been() -> None:
    begin = at("2026-03-28T12:00")
    due = between(cron("30 2 * * *", "Europe/Berlin"), begin, begin + 2 * 86_400)
    assert due == [at("2026-03-29T01:30"), at("2026-03-30T00:30")]


def test_an_hour_that_comes_twice_runs_once_as_celery_does_it() -> None:
    begin = at("2026-10-24T23:50")
    due = between(cron("*/30 * * * *", "Europe/Berlin"), begin, begin + 4 * 3600)
    shown = [datetime.fromtimestamp(one, timezone.utc).strftime("%H:%M") for one in due]
    assert shown == ["00:00", "00:30", "02:00", "02:30", "03:00", "03:30"]  # 01:00 and 01:30 are left out


def test_both_days_of_a_crontab_must_fit() -> None:
    found = next_after(cron("0 0 1 * mon"), at("2026-11-26T00:00"))
    assert found == at("2027-02-01T00:00")  # the next first of a month that is a Monday


@pytest.mark.parametrize(
    ("timing", "why"),
    [
        (cron("0 4 30 2 *"), "never occurs"),
        (cron("61 4 * * *"), "Celery cannot read it"),
        (cron("nonsense 4 * * *"), "Celery cannot read it"),
        (cron("0 4 * * *", None), "own time zone"),
        (cron("0 4 * * *", "Mars/Base"), "no time zone"),
        (cron("0 4 * * *", "../../etc/passwd"), "no time zone"),
        (cron(",".join(["1"] * 150) + " * * * *"), "too long"),
        (Timing(text="rrule"), "not computed"),
    ],
)
def test_what_cannot_be_computed_says_why(timing: Timing, why: str) -> None:
    with pytest.raises(Unknowable, match=why):
        next_after(timing, at("2026-11-26T00:00"))


def test_what_is_remembered_is_what_would_be_computed() -> None:
    ahead, begin = Ahead(), at("2026-10-24T20:00")
    for fields, zone in (
        ("*/30 * * * *", "Europe/Berlin"),
        ("30 2 * * *", "Asia/Tokyo"),
        ("0 4 29 2 *", "UTC"),
    ):
        timing = cron(fields, zone)
        for step in (0, 60, 1799, 1800, 1801, 7200, 90_000, 0):  # also back
            assert ahead.next_after(timing, begin + step) == next_after(timing, begin + step)


# ---- RedBeat's JSON


def definition(**told: object) -> bytes:
    return json.dumps({"name": "n", "task": "shop.n", **told}).encode()


def test_a_definition_of_redbeat() -> None:
    entry = redbeat.read_definition(
        "n",
        definition(
            schedule={"__type__": "crontab", "minute": "*/5", "hour": [1, 2]},
            args=[1],
            kwargs={"a": 2},
            options={"queue": "q", "expires": 30},
            enabled=False,
        ),
    )
    assert (entry.task, entry.schedule, entry.queue) == ("shop.n", "every 5 min in hours 1,2", "q")
    assert (entry.args, entry.kwargs, entry.options, entry.enabled) == ([1], {"a": 2}, {"expires": 30}, False)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"__type__": "interval", "every": 90, "relative": False}, "every 1 min 30 s"),
        ({"__type__": "rrule", "freq": 2, "interval": 2, "byhour": [9]}, "rule: weekly every 2 hour 9"),
        ({"__type__": "interval", "every": -4}, "interval"),
        ({"__type__": "os.system"}, "os.system"),
        ("text", "unknown"),
        (None, "unknown"),
    ],
)
def test_a_schedule_of_redbeat(schedule: object, said: str) -> None:
    assert redbeat.read_definition("n", definition(schedule=schedule)).schedule == said


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "raw",
    [
        None,
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        pickle.dumps(Bomb()),
        b"[" * 100_000,
        b'{"args": ' + b"[" * 90 + b"]" * 90 + b"}",
    ],
)
def test_a_definition_that_is_none_says_so(raw: bytes | None) -> None:
    entry = redbeat.read_definition("n", raw)
    assert entry.name == "n" and "cannot be read" in entry.unknown["task"]


@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 12), ("Europe/Berlin", 11), (7200.0, 10), ("Mars/Base", None), (1e12, None)]
)
def test_a_moment_of_redbeat(zone: object, hour: int | None) -> None:
    told = {"__type__": "datetime", "year": 2026, "month": 1, "day": 2, "hour": 12, "timezone": zone}
    found = redbeat.read_moment(told)
    assert found == (None if hour is None else at(f"2026-01-02T{hour}:00"))
    assert redbeat.read_moment({**told, "month": 13}) is None


def test_a_switched_definition_keeps_all_else() -> None:
    raw = b'{"name": "n", "big": 123456789012345678901234567890, "f": 0.1, "nan": NaN, "enabled": true}'
    written = redbeat.switched(raw, False)
    assert written is not None and json.loads(written)["big"] == 123456789012345678901234567890
    assert written == raw.decode().replace("true", "false")
    assert redbeat.switched(written.encode(), False) is None
    assert redbeat.switched(b'{"name": "n"}', True) is None  # RedBeat takes it for enabled
    for broken in (b"", b"[1]", b"[" * 100_000, pickle.dumps(Bomb())):
        with pytest.raises(Refused):
            redbeat.switched(broken, True)


def test_workers_name_no_database_and_a_url_with_a_slip_shows_no_password() -> None:
    profile = Profile(broker="amqp://b")
    for told in ("sqlite:////etc/app.db", "postgresql://u:hunter2@h/app"):
        assert choice.schedules_url({"redbeat_redis_url": told}, profile).url is None
    assert choice.schedules_url({"redbeat_redis_url": "redis://b/2"}, profile).url == "redis://b/2"
    with pytest.raises(UsageError) as refused:
        open_schedules("postgresql:/u:hunter2@h/app", profile)
    assert "hunter2" not in f"{refused.value.title} {refused.value.hint}"


@pytest.mark.broker
async def test_only_what_the_schedule_of_its_prefix_lists_is_switched(broker: RedisServer) -> None:
    client = broker.client()
    text = json.dumps({"name": "often", "task": "shop.add", "enabled": True})
    for prefix in ("redbeat:", "shop:beat:"):
        client.hset(f"{prefix}often", "definition", text)
        client.zadd(f"{prefix}:schedule", {f"{prefix}often": 1.0})
    client.hset("redbeat:stray", "definition", text)
    beats = RedBeat(broker.url, Profile(broker=broker.url, beat_prefix="shop:beat:"))
    assert await beats.switch("often", False)
    assert json.loads(client.hget("shop:beat:often", "definition") or "")["enabled"] is False  # type: ignore[arg-type]
    assert client.hget("redbeat:often", "definition") == text.encode()
    await beats.close()
    beats = RedBeat(broker.url, Profile(broker=broker.url))
    with pytest.raises(NothingFound, match="stray is not in RedBeat's schedule"):
        await beats.switch("stray", False)
    assert client.hget("redbeat:stray", "definition") == text.encode()
    await beats.close()
