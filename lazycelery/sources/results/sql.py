"""Results in a database, by plain statements that only read: Celery's own table, or Django's.

Rows get ascending ids when a task's first state is written, so the newest are found by the primary key
whatever indexes there are; rows whose task had not ended are looked up again.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.results import DeliverResults
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.results.rows import CELERY, DJANGO, SIZE, Table, read_row
from lazycelery.sources.results.thread import Thread
from lazycelery.sources.results.values import MAX_VALUE

PREFIXES = ("db+", "database+", "django-db+")
PAGE = 100
"""Rows fetched by one statement."""
POLL = 2.0
"""Seconds between two looks for new rows; longer when a look takes long."""
SHARE = 20
"""A look is followed by at least so many times its own length of rest."""
OVERLAP = 50
"""Ids looked at again: a transaction that began earlier may end later."""
UNFINISHED = 500
"""Rows of running tasks that are looked up again."""
ENDED = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"})
DRIVERS = {
    "postgresql": (("psycopg", "psycopg"), ("psycopg2", "psycopg2")),
    "mysql": (("MySQLdb", "mysqldb"), ("pymysql", "pymysql")),
}
"""Module and SQLAlchemy's name for it, the first that is installed."""
INSTALL = {
    "postgresql": "pip install 'lazycelery[postgres]'",
    "mysql": "pip install 'lazycelery[sql]' pymysql",
}


class SqlResults:
    """The `Results` of a database."""

    one_by_one = False

    def __init__(self, url: str, profile: Profile) -> None:
        text = url.strip()
        prefix = next(each for each in PREFIXES if text.startswith(each))
        self._dsn = text.removeprefix(prefix)
        self._timeout = profile.timeout
        self.url = Redactor().url(text)
        self._thread = Thread(self.url, profile.timeout, self._explain)
        self._engine: Any = None
        self._table: Table = CELERY
        self._columns: list[Any] = []
        self._from: Any = None
        # Only the thread touches these.
        self._last: int | None = None
        self._seen: dict[int, tuple[str, Any]] = {}
        self._unfinished: dict[str, None] = {}

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out. Large ones are cut."""
        found: dict[str, ResultReport] = {}
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), PAGE):
            page = wanted[start : start + PAGE]
            # Decoded in the thread: a page of large rows would hold up the loop.
            reports = await self._thread.do(
                lambda page=page: self._reports(self._by_task(page))  # type: ignore[misc]
            )
            for report in reports:
                found[report.id] = report
        return found

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """The rows with the highest ids."""
        reports = await self._thread.do(lambda: self._reports(self._select(order="desc", limit=limit)))
        return sorted(reports, key=lambda report: report.date_done or 0.0, reverse=True)

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Look for new and changed rows until cancelled."""
        while True:
            began = time.monotonic()
            try:
                rows, reports = await self._thread.do(self._news)
            except LazyCeleryError as problem:
                status(StatusChange("lost", problem.title, problem.hint, next_try=time.time() + POLL * 2))
                await asyncio.sleep(POLL * 2)
                continue
            status(StatusChange("connected"))
            if reports:
                deliver(reports)
            if rows < PAGE:
                await asyncio.sleep(max(POLL, SHARE * (time.monotonic() - began)))

    def commands_sent(self) -> int:
        """Statements sent since the start."""
        return self._thread.commands

    async def close(self) -> None:
        """Let go of the connections."""
        await self._thread.close(lambda: self._engine.dispose() if self._engine is not None else None)

    # ---- in the thread

    def _news(self) -> tuple[int, list[ResultReport]]:
        """How many rows are new or changed, and what they tell."""
        rows = self._fresh()
        return len(rows), self._reports(rows)

    def _reports(self, rows: Sequence[Any]) -> list[ResultReport]:
        return [report for row in rows if (report := read_row(self._table, row)) is not None]

    def _by_task(self, ids: Sequence[str]) -> list[Any]:
        return self._select(lambda table: table.c.task_id.in_(list(ids)), limit=2 * len(ids))

    def _fresh(self) -> list[Any]:
        """Rows that were added or whose state changed since the last look; none at the first."""
        if self._last is None:
            for row in self._select(order="desc", limit=UNFINISHED // 2):
                self._note(row)
            self._last = max(self._seen, default=0)
            return []
        begin = self._last - OVERLAP
        rows = self._select(lambda table: table.c.id > begin, order="asc", limit=PAGE + OVERLAP)
        rows = [row for row in rows if self._note(row)]
        told = {row["task_id"] for row in rows}
        again = [each for each in list(self._unfinished)[:PAGE] if each not in told]
        if again:
            rows += [row for row in self._by_task(again) if self._note(row)]
            for each in again:  # The next look takes others.
                if self._unfinished.pop(each, 0) is None:
                    self._unfinished[each] = None
        oldest = self._last - 2 * UNFINISHED
        self._seen = {number: state for number, state in self._seen.items() if number > oldest}
        return rows

    def _note(self, row: Any) -> bool:
        """Remember a row; whether it tells something new."""
        number, task_id = int(row["id"]), str(row["task_id"])
        state = (str(row["status"]), row["date_done"])
        if str(row["status"]) in ENDED:
            self._unfinished.pop(task_id, None)
        elif len(self._unfinished) < UNFINISHED:
            self._unfinished[task_id] = None
        if self._last is not None:
            self._last = max(self._last, number)
        known, self._seen[number] = self._seen.get(number), state
        return known != state

    def _select(self, where: Any = None, order: str = "", limit: int = PAGE) -> list[Any]:
        self._open()
        sql = importlib.import_module("sqlalchemy")
        statement = sql.select(*self._columns).select_from(self._from).limit(limit)
        if where is not None:
            statement = statement.where(where(self._from))
        if order:
            column = self._from.c.id
            statement = statement.order_by(column.desc() if order == "desc" else column.asc())
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(statement).mappings()]

    def _open(self) -> None:
        if self._engine is not None:
            return
        sql, engine = opened(self._dsn, self._timeout, "Results in a database need")
        self._table, name, there = _found(sql.inspect(engine), self.url)
        columns = [each for each in self._table.small + self._table.large if each in there]
        self._from = sql.table(name, *(sql.column(each) for each in columns))
        self._columns = [self._from.c[each] for each in self._table.small if each in there]
        for each in self._table.large:
            if each in there:
                column = self._from.c[each]
                self._columns.append(sql.func.substr(column, 1, MAX_VALUE + 1).label(each))
                self._columns.append(sql.func.length(column).label(each + SIZE))
        self._engine = sql.create_engine(
            engine.url, pool_size=1, max_overflow=0, pool_recycle=600, pool_pre_ping=True,
            **read_only(self._dsn, self._timeout),
        ) if engine.name != "sqlite" else engine  # fmt: skip

    def _explain(self, error: BaseException) -> LazyCeleryError:
        cause = getattr(error, "orig", None) or error
        said = re.sub(r"\s+", " ", Redactor().text(str(cause))).strip()[:200].rstrip(".")
        return ConnectionProblem(
            f"The database {self.url} cannot be read: {said or type(cause).__name__}.",
            "Check the URL, and that this user may select from Celery's result table.",
        )


def _found(inspected: Any, label: str) -> tuple[Table, str, set[str]]:
    """The table of results, and its columns. Raises `ConnectionProblem` when there is none."""
    names = set(inspected.get_table_names())
    ours = [(CELERY, CELERY.name), (DJANGO, DJANGO.name)]
    ours += [(CELERY, name) for name in sorted(names) if name.endswith("taskmeta")]
    for table, name in ours:
        if name in names:
            return table, name, {str(column["name"]) for column in inspected.get_columns(name)}
    raise ConnectionProblem(
        f"The database {label} holds no results: neither {CELERY.name} nor {DJANGO.name}.",
        "Celery makes its table with the first result. Is it another database or schema?",
    )


def opened(dsn: str, timeout: float, who_needs: str) -> tuple[Any, Any]:
    """SQLAlchemy and an engine that reads, nothing asked yet; `who_needs`: "Results in a database need".
    Raises `ConnectionProblem`."""
    try:
        sql = importlib.import_module("sqlalchemy")
    except ImportError:
        raise ConnectionProblem(
            f"{who_needs} SQLAlchemy, which is not installed.",
            "pip install 'lazycelery[sql]', into the environment of lazycelery.",
        ) from None
    engine = sql.create_engine(with_driver(dsn), poolclass=sql.pool.NullPool, **read_only(dsn, timeout))
    if engine.name == "sqlite" and engine.url.database and not Path(engine.url.database).exists():
        raise ConnectionProblem(f"There is no database {engine.url.database}.", "Check the path in the URL.")
    return sql, engine


def with_driver(dsn: str) -> str:
    """The URL with a driver that is installed. Raises `ConnectionProblem` when there is none."""
    scheme, mark, rest = dsn.partition("://")
    name = "postgresql" if scheme == "postgres" else scheme
    if name not in DRIVERS:
        return dsn
    for module, driver in DRIVERS[name]:
        if importlib.util.find_spec(module) is not None:
            return f"{name}+{driver}{mark}{rest}"
    raise ConnectionProblem(
        f"No driver for {name} is installed.", f"{INSTALL[name]}, where LazyCelery is installed."
    )


def read_only(dsn: str, timeout: float) -> dict[str, Any]:
    """What keeps a connection from changing anything, and from waiting for ever, where the driver can."""
    seconds = max(1, round(timeout))
    kind = dsn.partition("://")[0].partition("+")[0]
    if kind in ("postgresql", "postgres"):
        options = f"-c default_transaction_read_only=on -c statement_timeout={max(5000, 2000 * seconds)}"
        return {"connect_args": {"connect_timeout": seconds, "options": options}}
    if kind in ("mysql", "mariadb"):
        return {"connect_args": {"connect_timeout": seconds}}
    return {"connect_args": {"timeout": seconds}} if kind == "sqlite" else {}
