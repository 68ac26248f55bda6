"""Reads the history of a team: a `Part` a day, through tables that a role with SELECT alone may read."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lazycelery.model.recorded import Recorded
from lazycelery.store.filter.entries import EntryFilter
from lazycelery.store.history.later import Later
from lazycelery.store.history.placing import PLACE
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.entries import DayEntries
from lazycelery.store.history.postgres.faults import said
from lazycelery.store.history.postgres.hours import once
from lazycelery.store.history.postgres.rows import text_in, text_out
from lazycelery.store.history.schema import COLUMNS
from lazycelery.store.history.storage import Condition, Hour, Unreadable

COLUMN_LIST = ", ".join(COLUMNS)
TEXTS = [PLACE[name] for name in ("args", "kwargs", "result", "error", "traceback")]
AHEAD = 8
"""Pages asked for together."""
LARGEST = 16_000_000
"""Signs of the texts of such pages, about: of larger ones fewer are asked for."""
STILL = 30
"""Seconds without a word after which a recorder that did not end was killed."""


class Day:
    """One day, over a connection that others use too."""

    aside, damage = False, ""

    def __init__(
        self,
        connection: Any,
        schema: str,
        day: datetime.date,
        words: dict[int, str],
        place: str,
        over: Callable[[], bool],
    ) -> None:
        """`over` tells that the monitor ends, and no more may be asked. Raises `Unreadable`."""
        self._connection, self._schema, self._place, self._over = connection, schema, place, over
        self._day, self.words, self.name = day, words, day.isoformat()
        self._answer: Any = None
        self._going_on: tuple[Any, ...] | None = None
        """What the next call asks when it goes on."""
        self._signs = 0
        """Of the texts of a row, by the last ones."""
        self.last: int = self._one("SELECT max(n) FROM {s}.tasks WHERE day = {d}") or 0

    def skipped(self, above: int = 0) -> int:
        """A server reads a page or refuses the question."""
        return 0

    def while_wanted(self, go_on: Callable[[], bool]) -> None:
        """Not here: the server has a bound of its own, and is told when the monitor ends."""

    def count(self, most: int) -> tuple[int, bool]:
        """Tasks in it: one by one, as their numbers have gaps."""
        if not self.last:
            return 0, True
        some = f"SELECT FROM {{s}}.tasks WHERE day = {{d}} LIMIT {max(most, 0) + 1}"
        found = int(self._one(f"SELECT count(*) FROM ({some}) AS counted") or 0)
        return min(found, max(most, 0)), found <= most

    def since(self) -> float | None:
        """First sight of its oldest task, where that was on the day itself."""
        found = self._one("SELECT first FROM {s}.tasks WHERE day = {d} ORDER BY n LIMIT 1")
        return max(float(found), self.begin()) if found is not None else None

    def begin(self) -> float:
        """As the day began."""
        return tables.begin_of(self._day)

    def last_seen(self, until: float) -> float | None:
        """When any recorder last wrote, by the server's clock."""
        found = self._one("SELECT max(coalesce(ended, seen)) FROM {s}.runs")
        return float(found) if found is not None else None

    def began(self) -> float | None:
        """When the first of the recorders began that wrote until just now."""
        query = f"""SELECT min(began) FROM {{s}}.runs WHERE coalesce(ended, seen) >
            (SELECT max(coalesce(ended, seen)) FROM {{s}}.runs) - {STILL}"""
        began = self._one(query)
        return float(began) if began is not None else None

    def interrupted(self) -> bool:
        """Whether the recorder that wrote last was killed; one that writes still was not."""
        query = f"""SELECT ended IS NULL AND seen < extract(epoch FROM now()) - {STILL}
            FROM {{s}}.runs WHERE batches > 0 ORDER BY coalesce(ended, seen) DESC LIMIT 1"""
        return bool(self._one(query))

    def newest(self, before: int, limit: int, where: str = "", values: Sequence[Any] = ()) -> list[Any]:
        """Rows below a number, highest first."""
        if not self.last:
            return []
        asked = (limit, where, tuple(values))
        rows = self._next(limit) if self._going_on == (before, *asked) else []
        if not rows:
            # Who goes on gets several pages of one question; the first one is answered soon.
            goes_on = self._going_on is not None and self._going_on[1:] == asked
            many = max(limit, min(limit * AHEAD, LARGEST // (self._signs + 1))) if goes_on else limit
            # Letters compare as SQLite's do: of ASCII, without their case.
            same = where.replace("?", "%s").replace(" LIKE ", " ILIKE ")
            condition = f"AND ({same})" if where else ""
            query = f"""SELECT {COLUMN_LIST} FROM {{s}}.tasks WHERE day = {{d}} AND n < %s {condition}
                ORDER BY n DESC LIMIT %s"""
            self._answer = self._asked(query, (before, *map(_value, values), many))
            rows = self._next(limit)
        self._going_on = (rows[-1][0], *asked) if rows else None
        return rows

    def _next(self, limit: int) -> list[Any]:
        rows = [_row(row) for row in self._answer.fetchmany(limit)]
        if rows:
            self._signs = sum(len(row[at] or "") for row in rows for at in TEXTS) // len(rows)
        return rows

    def texts(self, fields: Sequence[str], like: str | None, found: Callable[..., bool]) -> Condition | None:
        """The server knows nothing of `found`."""
        if like is None:
            return None
        return " OR ".join(f"{field} LIKE ? ESCAPE '\\'" for field in fields), [like] * len(fields)

    def number_of(self, id: str) -> int | None:
        """The row of a task."""
        found: int | None = self._one("SELECT n FROM {s}.tasks WHERE day = {d} AND id = %s", (text_in(id),))
        return found

    def went_on(self, rows: Mapping[str, int], later: Later, go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks that had a row on a later day when the question began; each day has one."""
        if not rows or not go_on():
            return set()
        query = "SELECT id FROM {s}.tasks WHERE day > {d} AND id = ANY(%s) AND n <= %s"
        return {row[0] for row in self._rows(query, (list(map(text_in, rows)), later.last))}

    def children(self, parents: Sequence[str], after: int, limit: int) -> list[tuple[int, str, str]]:
        """All of the day is read for it: nothing is kept in the order of parents."""
        whose = "parent_id = ANY(%s)" if parents else "parent_id IS NOT NULL"
        query = f"""SELECT n, parent_id, id FROM {{s}}.tasks WHERE day = {{d}} AND n > %s AND {whose}
            ORDER BY n LIMIT %s"""
        wanted = [list(map(text_in, parents))] if parents else []
        return self._rows(query, (after, *wanted, limit))

    def hours(self, since: float, until: float, kind: str = "") -> list[Hour]:
        """Statistics of the day's hours that began between; of one kind, or of all."""
        begin = tables.begin_of(self._day)
        query = """SELECT began, kind, key, counts, runtime, wait FROM {s}.statistics
            WHERE began > %s AND began <= %s AND began >= %s AND began < %s AND kind LIKE %s"""
        asked = (since, until, begin, begin + tables.DAY, kind or "%")
        hours = [Hour(*row) for row in self._rows(query, asked)]
        return hours if kind else once(hours)

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """Events, findings or samples."""
        entries = DayEntries(self._place, self._rows, self.words, self._day, self._days())
        yield from entries.recorded(wanted, go_on)
        if go_on() and self._day not in self._days():
            raise Unreadable(f"{self.name}, which was removed meanwhile")

    def _days(self) -> list[datetime.date]:
        try:
            return tables.days(self._connection, self._schema)
        except Exception as problem:
            if (reason := said(problem)) is None:
                raise
            raise Unreadable(f"{self._place}: {reason}") from None

    def _one(self, query: str, values: Sequence[Any] = ()) -> Any:
        found = self._rows(query, values)
        return found[0][0] if found else None

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return list(self._asked(query, values).fetchall())

    def _asked(self, query: str, values: Sequence[Any]) -> Any:
        if self._over():
            raise Unreadable(f"{self._place}: the monitor ends")
        text = query.replace("{s}", self._schema).replace("{d}", f"DATE '{self._day}'")
        try:
            return self._connection.execute(text, tuple(values))
        except Exception as problem:
            if (reason := said(problem)) is None:
                raise
            raise Unreadable(f"{self._place}: {reason}") from None


def _row(row: Sequence[Any]) -> Sequence[Any]:
    """As SQLite gives it."""
    if not any(text is not None and text[:1] == "\x01" for text in row[TEXTS[0] : TEXTS[-1] + 1]):
        return row
    own = list(row)
    for place in TEXTS:
        own[place] = text_out(own[place])
    return own


def _value(value: Any) -> Any:
    return text_in(value) if isinstance(value, str) else value
