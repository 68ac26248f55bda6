"""Questions to the files, in the language of filters. SQL narrows down, the filter itself decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.states import FINISHED, State
from lazycelery.store.columns import Columns
from lazycelery.store.filter import parse
from lazycelery.store.filter.matching import Matcher
from lazycelery.store.filter.parser import Filter, Term
from lazycelery.store.filter.quantities import Moment, Span
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.history.placing import Coding, chunk_of, place
from lazycelery.store.history.reader import File, Unreadable, opened
from lazycelery.store.views import task

AT_ONCE = 2_000
ASKED = 900
"""Ids asked for at once: an older SQLite takes no more values."""
CODED = ("name", "worker", "queue")
STORED = ("args", "kwargs", "result", "error")
_ENDED = ", ".join(str(int(state)) for state in (*FINISHED, State.LOST))

Condition = tuple[str, list[Any]]


def search(
    paths: Sequence[Path], query: HistoryQuery, now: float, go_on: Callable[[], bool] = lambda: True
) -> HistoryPage:
    """A page of the tasks that match, newest first. Raises `UsageError` for a wrong filter. `go_on` is
    asked between two slices."""
    wanted = parse(query.filter)
    page = HistoryPage()
    name, _, number = query.after.partition(":")
    below = int(number) if number.isdecimal() else 0
    paths = [path for path in paths if not name or path.name <= name]
    for file in opened(paths, page.unread):
        try:
            since = file.since()
            page.since = since if since is not None else page.since
            if page.next is None:
                before = below if file.path.name == name else file.last + 1
                _file(file, wanted, query, before, now, page, paths, go_on)
        except Unreadable as problem:
            page.unread.append(str(problem))
    return page


def _file(
    file: File,
    wanted: Filter,
    query: HistoryQuery,
    before: int,
    now: float,
    page: HistoryPage,
    paths: Sequence[Path],
    go_on: Callable[[], bool],
) -> None:
    where, values = _narrowed(wanted, file, now)
    coding_words = file.words
    while go_on():
        rows = file.newest(before, AT_ONCE, where, values)
        if not rows:
            return
        before = rows[-1][0]
        page.searched += len(rows)
        columns = Columns(len(rows))
        chunk = chunk_of(file.path.name, rows[::-1])
        placed = place(columns, chunk, Coding(coding_words), len(rows) + 1, still=True)
        matcher = Matcher(wanted, columns)
        slots = placed.slots[matcher.still(placed.slots)]
        slots = slots[matcher.now(slots, now)]
        unfinished = [columns.id[slot] for slot in slots.tolist() if columns.state[slot] not in FINISHED]
        over = _went_on(file, paths, unfinished, go_on)
        number_of = dict(zip(placed.slots.tolist(), placed.numbers.tolist(), strict=True))
        for slot in slots[np.argsort(columns.vector("row")[slots])][::-1].tolist():
            if columns.id[slot] in over:
                continue
            if len(page.tasks) >= query.limit:
                page.next = f"{file.path.name}:{number_of[slot] + 1}"
                return
            page.tasks.append(task(columns, slot))
        if len(rows) < AT_ONCE:
            return
    page.next = f"{file.path.name}:{before}"


def _went_on(file: File, paths: Sequence[Path], ids: Sequence[str], go_on: Callable[[], bool]) -> set[str]:
    """Those tasks, which had not ended in this file, of which a newer one has another row. The file that
    is being written has no index on ids: it is read once for many of them."""
    over: set[str] = set()
    newer = [path for path in paths if path.name > file.path.name] if ids else []
    for other in opened(newer, []):
        for start in range(0, len(ids) if other.version else 0, ASKED):
            if not go_on():
                return over
            some = ids[start : start + ASKED]
            query = f"SELECT id FROM tasks WHERE id IN ({', '.join('?' * len(some))})"
            over.update(row[0] for row in other.rows(query, some))
    return over


def _narrowed(wanted: Filter, file: File, now: float) -> Condition:
    """A condition in SQL that every matching row meets; other rows may meet it too."""
    conditions: list[str] = []
    values: list[Any] = []
    for term in wanted.terms:
        found = None if term.negated else _condition(term, file, now)
        if found is not None:
            conditions.append(f"({found[0]})")
            values += found[1]
    return " AND ".join(conditions), values


def _condition(term: Term, file: File, now: float) -> Condition | None:
    if term.path:
        return None
    if not term.field:
        return _free(term, file)
    parts = [_test(term.field, test, file, now) for test in term.tests]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    return " OR ".join(part[0] for part in known), [value for part in known for value in part[1]]


def _test(field: str, test: Any, file: File, now: float) -> Condition | None:
    if field in CODED and isinstance(test, TextMatch):
        return _words(field, test, file)
    if field == "state" and isinstance(test, frozenset):
        return f"state IN ({', '.join(str(int(state)) for state in test)})", []
    if field in ("since", "until") and isinstance(test, Moment):
        return f"since {'>=' if field == 'since' else '<='} ?", [test.at(now)]
    if field in ("runtime", "wait", "retries") and isinstance(test, Span):
        return f"{field} BETWEEN ? AND ?", [test.low, test.high]
    if field in STORED and isinstance(test, TextMatch):
        return _contains(field, test)
    if field == "id" and isinstance(test, TextMatch) and test.kind in ("part", "whole"):
        return _contains("id", test)
    return None


def _words(field: str, test: TextMatch, file: File) -> Condition:
    codes = [str(code) for code, word in file.words.items() if test.matches(word)]
    return f"{field} IN ({', '.join(codes)})", []


def _contains(field: str, test: TextMatch) -> Condition | None:
    """Case is only known to SQLite where it is ASCII's."""
    if test.kind not in ("part", "whole") or not test.text.isascii():
        return None
    escaped = re.sub(r"([\\%_])", r"\\\1", test.text)
    return f"{field} LIKE ? ESCAPE '\\'", [f"%{escaped}%"]


def _free(term: Term, file: File) -> Condition | None:
    [test] = term.tests
    if not isinstance(test, TextMatch):
        return None
    texts = [_contains(field, test) for field in ("id", *STORED)]
    if any(part is None for part in texts):
        return None
    parts = [*[part for part in texts if part is not None], *[_words(field, test, file) for field in CODED]]
    return " OR ".join(part[0] for part in parts), [value for part in parts for value in part[1]]


def task_of(paths: Sequence[Path], id: str) -> Any:
    """One task by id, as the newest file that has it tells; `None` when none does."""
    for file in opened(paths, []):
        try:
            query = "SELECT n FROM tasks WHERE id = ? ORDER BY n DESC LIMIT 1"
            found = file.rows(query, (id,))
            rows = file.newest(found[0][0] + 1, 1) if found else []
        except Unreadable:
            continue
        if rows:
            columns = Columns(1)
            place(columns, chunk_of(file.path.name, rows), Coding(file.words), 2, still=True)
            return task(columns, 0)
    return None
