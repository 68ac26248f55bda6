"""RedBeat's schedule on Redis: a sorted set of keys by due time, and a hash an entry. Nothing is unpickled;
its JSON is read here, and never by RedBeat's own decoder."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from redis import exceptions as redis_errors

from lazycelery.errors import ConnectionProblem, NothingFound, Refused
from lazycelery.model.beat import BeatEntry, SchedulerName
from lazycelery.model.profile import Profile
from lazycelery.model.timing import Timing, crontab, words
from lazycelery.sources.beat import MOST
from lazycelery.sources.jsontext import Unreadable, float_or_none, int_or_none, parse, plain, text_or_none
from lazycelery.sources.protocols.schedules import ScheduleReport
from lazycelery.sources.redis.address import parse_address
from lazycelery.sources.redis.connection import Server

PREFIX = "redbeat:"
EMPTY = (
    "RedBeat has no entries at {url} under the prefix {prefix!r}. Another redbeat_key_prefix, which workers "
    "mask, is given with beat_prefix in the profile."
)
PAGE = 100
LARGEST = 256 * 1024
"""Bytes of a definition that is read."""
OPTIONS = ("priority", "expires", "exchange", "routing_key")
CRON = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
PARTS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
FREQUENCIES = ("yearly", "monthly", "weekly", "daily", "hourly", "minutely", "secondly")


class RedBeat:
    """The `Schedules` of RedBeat."""

    name: SchedulerName = "redbeat"

    def __init__(self, url: str, profile: Profile) -> None:
        self._server = Server(parse_address(url.strip(), profile), profile.timeout)
        self.url = self._server.address.label
        self._prefix = PREFIX if profile.beat_prefix is None else profile.beat_prefix
        self._checked = False

    async def read(self) -> ScheduleReport:
        """All entries, those due first; at most `MOST`. Raises `ConnectionProblem`."""
        await self._check()
        with self._server.explained():
            redis = self._server.redis
            pipe = redis.pipeline(transaction=False)
            pipe.zcard(self._key(":schedule"))
            pipe.zrange(self._key(":schedule"), 0, MOST - 1, withscores=True)
            pipe.pttl(self._key(":lock"))
            pipe.time()
            total, due, lock, now = await pipe.execute(raise_on_error=False)
            if isinstance(total, redis_errors.RedisError) or isinstance(due, redis_errors.RedisError):
                raise ConnectionProblem(
                    f"{self._key(':schedule')} at {self.url} cannot be read: {_said(total)}.",
                    "Is it RedBeat's? Another redbeat_key_prefix is given with beat_prefix in the profile; "
                    "a user of its own needs the commands zrange and hget on these keys.",
                )
            entries = []
            for start in range(0, len(due), PAGE):
                entries += await self._page(due[start : start + PAGE])
        held = lock / 1000 if isinstance(lock, int) and lock > 0 else None
        return ScheduleReport(
            entries=entries,
            total=int(total),
            locked=held,
            present=bool(total),
            note="" if total else EMPTY.format(url=self.url, prefix=self._prefix),
            now=now[0] + now[1] / 1e6 if isinstance(now, tuple) else None,
        )

    async def _page(self, due: list[tuple[bytes, float]]) -> list[BeatEntry]:
        redis, keys = self._server.redis, [key for key, _ in due]
        pipe = redis.pipeline(transaction=False)
        for key in keys:
            pipe.hstrlen(key, "definition")
        sizes = await pipe.execute(raise_on_error=False)
        readable = [
            key for key, size in zip(keys, sizes, strict=True) if isinstance(size, int) and size <= LARGEST
        ]
        for key in readable:
            pipe.hget(key, "definition")
            pipe.hget(key, "meta")
            pipe.sismember(self._key(":statics"), self._named(key))
        answers = iter(await pipe.execute(raise_on_error=False) if readable else [])
        found = {key: (next(answers), next(answers), next(answers)) for key in readable}
        return [self._entry(key, score, *found.get(key, (None, None, False))) for key, score in due]

    def _entry(self, key: bytes, score: float, definition: Any, meta: Any, static: Any) -> BeatEntry:
        entry = read_definition(self._named(key), definition)
        entry.static = static == 1
        ran, entry.runs = read_meta(meta)
        if ran is not None and entry.runs:
            # Without a count it is the moment at which the entry was written.
            entry.last_run, entry.sources["last_run"] = ran, "redbeat"
        else:
            entry.unknown["last_run"] = "RedBeat has not sent it yet."
        if score >= 0:
            entry.next_run = _whole(score) if entry.timing.kind == "crontab" else float(score)
            entry.sources["next_run"] = "redbeat"
        else:
            entry.unknown["next_run"] = "Its schedule has come to its end."
        return entry

    async def switch(self, name: str, on: bool) -> bool:
        """Rewrite `enabled` in an entry's definition, all else as it is: what RedBeat reads at each look."""
        await self._check()
        key = self._key(name)
        with self._server.explained():
            async with self._server.redis.pipeline(transaction=True) as pipe:
                await pipe.watch(key)
                if int(await pipe.hstrlen(key, "definition")) > LARGEST:
                    raise Refused("Its definition is too large to be changed from here.", nothing_done=True)
                raw = await pipe.hget(key, "definition")
                # A hash of this name that the schedule does not list is another scheduler's, or nobody's.
                if raw is None or await pipe.zscore(self._key(":schedule"), key) is None:
                    raise NothingFound(f"{name} is not in RedBeat's schedule any more.", nothing_done=True)
                written = switched(raw, on)
                if written is None:
                    return False
                pipe.multi()  # type: ignore[no-untyped-call]
                pipe.hset(key, "definition", written)
                try:
                    await pipe.execute()
                except redis_errors.WatchError:
                    raise Refused(
                        f"{name} was changed by somebody else meanwhile.", "Try again.", nothing_done=True
                    ) from None
        return True

    def commands_sent(self) -> int:
        """Commands sent since the start."""
        return self._server.commands

    async def close(self) -> None:
        """Let go of the connections."""
        with contextlib.suppress(*_FAILURES):
            await self._server.close()

    async def _check(self) -> None:
        if not self._checked:
            await self._server.check()
            self._checked = True

    def _key(self, end: str) -> str:
        return self._prefix + end

    def _named(self, key: bytes) -> str:
        return key.decode("utf-8", "replace").removeprefix(self._prefix)


_FAILURES = (redis_errors.RedisError, OSError)


def read_definition(name: str, raw: Any) -> BeatEntry:
    """The `definition` of an entry; one that cannot be read says so. Never raises."""
    try:
        told = parse(raw) if isinstance(raw, bytes) else None
        if not isinstance(told, dict):
            raise Unreadable("there is none" if raw is None else "it is no table")
        args, kwargs = plain(told.get("args")).value, plain(told.get("kwargs")).value
        options = plain(told.get("options")).value
    except Unreadable as why:
        reason = f"Its definition cannot be read: {why}."
        return BeatEntry(
            name=name,
            task="",
            schedule="unknown",
            timing=Timing(),
            scheduler="redbeat",
            unknown={"task": reason, "schedule": reason, "enabled": reason},
        )
    options = options if isinstance(options, dict) else {}
    timing = read_timing(told.get("schedule"))
    enabled = told.get("enabled")
    return BeatEntry(
        name=text_or_none(told.get("name")) or name,
        task=text_or_none(told.get("task")) or "",
        schedule=words(timing),
        timing=timing,
        queue=text_or_none(options.get("queue")),
        args=args,
        kwargs=kwargs,
        options={key: options[key] for key in OPTIONS if options.get(key) is not None},
        enabled=enabled if isinstance(enabled, bool) else True,
        scheduler="redbeat",
    )


def switched(raw: bytes | str, on: bool) -> str | None:
    """A definition with `enabled` set; `None` when it is so already. Raises `Refused` for what is none."""
    try:
        parse(raw)  # Bounds are looked at before Python's own reader, which keeps every number as it is.
        told = json.loads(raw)
        if not isinstance(told, dict):
            raise Unreadable("it is no table")
    except (ValueError, RecursionError):
        raise Refused(
            "Its definition cannot be read: nothing is written over it.", nothing_done=True
        ) from None
    if told.get("enabled", True) is on:
        return None
    return json.dumps({**told, "enabled": on})


def read_meta(raw: Any) -> tuple[float | None, int | None]:
    """When it ran last, and how often."""
    with contextlib.suppress(Unreadable):
        told = parse(raw) if isinstance(raw, bytes) else None
        if isinstance(told, dict):
            return read_moment(told.get("last_run_at")), int_or_none(told.get("total_run_count"))
    return None, None


def read_moment(value: Any) -> float | None:
    """Epoch seconds of RedBeat's `{"__type__": "datetime", …}`."""
    if not isinstance(value, dict) or value.get("__type__") != "datetime":
        return None
    parts = {part: number for part in PARTS if (number := int_or_none(value.get(part))) is not None}
    zone = _zone(value.get("timezone", "UTC"))
    if not parts.keys() >= {"year", "month", "day"} or zone is None:
        return None
    try:
        return datetime(**parts, tzinfo=zone).timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(value: Any) -> tzinfo | None:
    try:
        offset = float_or_none(value)
        return timezone(timedelta(seconds=offset)) if offset is not None else ZoneInfo(str(value)[:100])
    except (ValueError, OverflowError, KeyError, OSError):
        return None


def read_timing(value: Any) -> Timing:
    """A schedule of RedBeat's JSON."""
    told: Mapping[str, Any] = value if isinstance(value, dict) else {}
    kind = told.get("__type__")
    if kind == "interval" and (every := float_or_none(told.get("every"))) and every > 0:
        return Timing(kind="interval", every=every, relative=told.get("relative") is True)
    if kind == "crontab":
        fields = {name: _field(told.get(name, "*")) for name in CRON}
        return crontab(fields, " ".join(fields.values()))
    if kind == "rrule":
        return Timing(kind="rrule", text=_rrule(told))
    return Timing(text=str(kind)[:40] if kind else "")


def _field(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(each)[:20] for each in value[:60])
    return str(value)[:200]


def _rrule(told: Mapping[str, Any]) -> str:
    freq, step = int_or_none(told.get("freq")), int_or_none(told.get("interval")) or 1
    name = FREQUENCIES[freq] if freq is not None and 0 <= freq < len(FREQUENCIES) else "?"
    rules = [f"{key[2:]} {_field(told[key])}" for key in sorted(told) if key.startswith("by") and told[key]]
    count = int_or_none(told.get("count"))
    return " ".join([f"rule: {name}", *([f"every {step}"] if step > 1 else []), *rules,
                     *([f"{count} times"] if count else [])])  # fmt: skip


def _whole(score: float) -> float:
    """RedBeat cuts parts of a second: what is due on the minute may be written as a second before it."""
    return score + 1 if score % 60 == 59 else float(score)


def _said(answer: Any) -> str:
    return str(answer)[:120].rstrip(".") if isinstance(answer, Exception) else "it is no sorted set"
