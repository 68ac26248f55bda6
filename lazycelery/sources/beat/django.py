"""django-celery-beat's tables, by plain statements. They are only read, but for the switch of an entry and
the row that tells beat to read again, which a person has confirmed."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound
from lazycelery.model.beat import BeatEntry, SchedulerName
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.timing import Timing, crontab, words
from lazycelery.sources.beat import MOST
from lazycelery.sources.jsontext import Unreadable, float_or_none, int_or_none, load, text_or_none
from lazycelery.sources.protocols.schedules import ScheduleReport
from lazycelery.sources.results.rows import moment
from lazycelery.sources.results.sql import opened, read_only
from lazycelery.sources.results.thread import Thread

PREFIXES = ("django-db+", "database+", "db+")
KINDS = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "oracle", "mssql")
TASKS = "django_celery_beat_periodictask"
CHANGES = "django_celery_beat_periodictasks"
COLUMNS = (
    *("id", "name", "task", "queue", "exchange", "routing_key", "priority", "expires", "expire_seconds"),
    *("one_off", "start_time", "enabled", "last_run_at", "total_run_count", "date_changed"),
)
TEXTS = ("args", "kwargs")
SCHEDULES = {
    "interval": ("every", "period"),
    "crontab": ("minute", "hour", "day_of_month", "month_of_year", "day_of_week", "timezone"),
    "solar": ("event", "latitude", "longitude"),
    "clocked": ("clocked_time",),
}
"""Columns of the tables `django_celery_beat_<kind>schedule`."""
PERIODS = {"microseconds": 1e-6, "seconds": 1.0, "minutes": 60.0, "hours": 3600.0, "days": 86_400.0}
LONGEST = 65_536
"""Characters of arguments that are read."""
WRITTEN = 200.0
"""Seconds: beat writes runs down every three minutes, and not when they are sent."""
PATIENCE = 5.0
"""Seconds of a timeout, at least: the first look imports SQLAlchemy and asks for all columns."""
AHEAD = 120.0
LOCAL = "The database's times lie ahead: Django writes them in local time (USE_TZ = False)."


class DjangoBeat:
    """The `Schedules` of django-celery-beat."""

    name: SchedulerName = "django"

    def __init__(self, url: str, profile: Profile) -> None:
        text = url.strip()
        prefix = next((each for each in PREFIXES if text.startswith(each)), "")
        self._dsn = text.removeprefix(prefix)
        self._timeout = profile.timeout
        self.url = Redactor().url(self._dsn)
        self._thread = Thread(self.url, max(profile.timeout, PATIENCE), self._explain, what="The database")
        self._engine: Any = None
        self._tables: dict[str, Any] = {}

    async def read(self) -> ScheduleReport:
        """Entries by id, at most `MOST`. Raises `ConnectionProblem`."""
        return await self._thread.do(self._report)

    async def switch(self, name: str, on: bool) -> bool:
        """Set `enabled` of an entry, and tell beat to read again; false when it was so already.

        Raises `NothingFound`, or `ConnectionProblem` when it may not be written: then nothing was done."""
        return await self._thread.do(lambda: self._switch(name, on))

    def commands_sent(self) -> int:
        """Statements sent since the start."""
        return self._thread.commands

    async def close(self) -> None:
        """Let go of the connections."""
        await self._thread.close(lambda: self._engine.dispose() if self._engine is not None else None)

    # ---- in the thread

    def _report(self) -> ScheduleReport:
        total, rows, now = self._rows()
        return ScheduleReport(entries=[read_row(row, now) for row in rows], total=total, now=now)

    def _rows(self) -> tuple[int, list[dict[str, Any]], float]:
        self._open()
        sql = importlib.import_module("sqlalchemy")
        tasks = self._tables[TASKS]
        chosen, source = [tasks.c[each] for each in COLUMNS if each in tasks.c], tasks
        for each in TEXTS:
            chosen.append(sql.func.substr(tasks.c[each], 1, LONGEST + 1).label(each))
        for kind in SCHEDULES:
            table = self._tables.get(kind)
            if table is not None and f"{kind}_id" in tasks.c:
                source = source.outerjoin(table, tasks.c[f"{kind}_id"] == table.c.id)
                chosen.append(tasks.c[f"{kind}_id"])
                chosen += [each.label(f"{kind}_{each.name}") for each in table.c if each.name != "id"]
        statement = sql.select(*chosen).select_from(source).order_by(tasks.c.id).limit(MOST)
        with self._engine.connect() as connection:
            rows = [dict(row) for row in connection.execute(statement).mappings()]
            total = connection.execute(sql.select(sql.func.count()).select_from(tasks)).scalar_one()
        return int(total), rows, datetime.now(timezone.utc).timestamp()

    def _switch(self, name: str, on: bool) -> bool:
        self._open()
        sql = importlib.import_module("sqlalchemy")
        tasks, changes = self._tables[TASKS], self._tables[CHANGES]
        engine = sql.create_engine(
            self._engine.url, poolclass=sql.pool.NullPool, **_patience(self._dsn, self._timeout)
        )
        with engine.begin() as connection:
            row = connection.execute(
                sql.select(tasks.c.id, tasks.c.enabled).where(tasks.c.name == name)
            ).first()
            if row is None:
                raise NothingFound(f"{name!r} is not in the database any more.", nothing_done=True)
            if bool(row[1]) == on:
                return False
            connection.execute(sql.update(tasks).where(tasks.c.id == row[0]).values(enabled=on))
            told = connection.execute(sql.select(changes.c.last_update).where(changes.c.ident == 1)).first()
            stamp = _stamp(moment(told[0]) if told is not None else None, engine.name)
            if told is None:
                connection.execute(sql.insert(changes).values(ident=1, last_update=stamp))
            else:
                connection.execute(sql.update(changes).where(changes.c.ident == 1).values(last_update=stamp))
        return True

    def _open(self) -> None:
        if self._engine is not None:
            return
        sql, engine = opened(self._dsn, self._timeout, "Django's database needs")
        inspected = sql.inspect(engine)
        there = set(inspected.get_table_names())
        if not {TASKS, CHANGES} <= there:
            raise ConnectionProblem(
                f"The database {self.url} has no schedule: {TASKS} is not there.",
                "django-celery-beat makes it by `manage.py migrate`. Is it another database or schema?",
            )
        names = {TASKS: TASKS, CHANGES: CHANGES}
        names |= {kind: f"django_celery_beat_{kind}schedule" for kind in SCHEDULES}
        self._tables = {
            key: sql.table(name, *(sql.column(str(each["name"])) for each in inspected.get_columns(name)))
            for key, name in names.items()
            if name in there
        }
        self._engine = engine

    def _explain(self, error: BaseException) -> LazyCeleryError:
        cause = getattr(error, "orig", None) or error
        said = re.sub(r"\s+", " ", Redactor().text(str(cause))).strip()[:200].rstrip(".")
        return ConnectionProblem(
            f"The database {self.url} cannot be used: {said or type(cause).__name__}.",
            "Check the URL, and that this user may select from django_celery_beat's tables; enabling and "
            "disabling needs update on two of them.",
        )


def _patience(dsn: str, timeout: float) -> dict[str, Any]:
    """As for reading, without what forbids a change."""
    options = read_only(dsn, timeout)
    options.get("connect_args", {}).pop("options", None)
    return options


def _stamp(before: float | None, kind: str) -> Any:
    """A moment after the one that is there, whichever zone Django writes in, as the driver wants it."""
    at = datetime.now(timezone.utc)
    if before is not None:
        at = max(at, datetime.fromtimestamp(before, timezone.utc) + timedelta(seconds=1))
    if kind == "postgresql":
        return at
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if kind == "sqlite" else at.replace(tzinfo=None)


def read_row(row: Mapping[str, Any], now: float) -> BeatEntry:
    """A row of the tables, joined, as an entry. Never raises."""
    timing = read_timing(row)
    options = {
        key: row.get(key) for key in ("priority", "exchange", "routing_key") if row.get(key) not in (None, "")
    }
    if (seconds := int_or_none(row.get("expire_seconds"))) is not None:
        options["expires"] = seconds
    entry = BeatEntry(
        name=str(row.get("name")),
        task=text_or_none(row.get("task")) or "",
        schedule=words(timing),
        timing=timing,
        queue=text_or_none(row.get("queue")) or None,
        options=options,
        enabled=bool(row.get("enabled")),
        runs=int_or_none(row.get("total_run_count")),
        scheduler="django",
        written=WRITTEN,
    )
    for field, empty in (("args", []), ("kwargs", {})):
        _arguments(entry, field, row.get(field), empty)
    _times(entry, row, now)
    return entry


def _arguments(entry: BeatEntry, field: str, raw: Any, empty: Any) -> None:
    text = raw if isinstance(raw, str) else ""
    if len(text) > LONGEST:
        entry.unknown[field] = "They are longer than is read."
        return
    try:
        value = load(text) if text.strip() else empty
    except Unreadable as why:
        entry.unknown[field] = f"They cannot be read: {why}. Beat disables such an entry."
        return
    setattr(entry, field, value)


def _times(entry: BeatEntry, row: Mapping[str, Any], now: float) -> None:
    ran, changed = moment(row.get("last_run_at")), moment(row.get("date_changed"))
    start, expires = moment(row.get("start_time")), moment(row.get("expires"))
    if ran is not None and ran > now + AHEAD:
        entry.unknown["last_run"] = entry.unknown["next_run"] = LOCAL
        return
    if ran is not None:
        entry.last_run, entry.sources["last_run"] = ran, "django"
    else:
        entry.unknown["last_run"] = (
            "It was not sent yet, or was disabled and enabled again in Django's admin."
        )
        entry.since = changed
    if expires is not None and expires <= now:
        entry.unknown["next_run"] = "It has expired."
    elif start is not None and start > now:
        entry.next_run, entry.sources["next_run"] = start, "django"
    elif row.get("one_off") and entry.runs:
        entry.unknown["next_run"] = "It is sent once, and was."


def read_timing(row: Mapping[str, Any]) -> Timing:
    """Whichever of the four schedules an entry has."""
    if row.get("interval_id") is not None:
        every = float_or_none(row.get("interval_every"))
        unit = PERIODS.get(str(row.get("interval_period")))
        if every and unit:
            return Timing(kind="interval", every=every * unit)
    elif row.get("crontab_id") is not None:
        fields = {name: str(row.get(f"crontab_{name}") or "*")[:300] for name in SCHEDULES["crontab"][:-1]}
        zone = text_or_none(row.get("crontab_timezone")) or "UTC"
        fields = {name: re.sub(r"\s", "", text) for name, text in fields.items()}
        return crontab(fields, " ".join(fields.values()), zone)
    elif row.get("solar_id") is not None:
        place = [_number(row.get("solar_latitude")), _number(row.get("solar_longitude"))]
        event = str(row.get("solar_event"))[:40]
        return Timing(kind="solar", event=event, latitude=place[0], longitude=place[1])
    elif row.get("clocked_id") is not None:
        return Timing(kind="clocked", at=moment(row.get("clocked_clocked_time")))
    return Timing(text="no schedule")


def _number(value: Any) -> float | None:
    """What a driver gives for a decimal."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
