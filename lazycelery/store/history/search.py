"""Questions to the history, in the language of filters. SQL narrows down, the filter itself decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from lazycelery.store.history.storage import Part, Storage, Unreadable
from lazycelery.store.notes import Notes
from lazycelery.store.values import plain
from lazycelery.store.views import task

AT_ONCE = 2_000
MOST_NOTED = 500
"""Ids that are asked for at once: an older SQLite takes few values."""
CODED = ("name", "worker", "queue")
STORED = ("args", "kwargs", "result", "error")
_ENDED = ", ".join(str(int(state)) for state in (*FINISHED, State.LOST))

Condition = tuple[str, list[Any]]


def search(
    storage: Storage,
    query: HistoryQuery,
    now: float,
    go_on: Callable[[], bool] = lambda: True,
    notes: Notes | None = None,
) -> HistoryPage:
    """A page of the tasks that match, newest first. Raises `UsageError` for a wrong filter. `go_on` is
    asked between two slices. `notes`: our own on tasks, which are in no file of the history."""
    wanted, notes = parse(query.filter), notes or Notes()
    page = HistoryPage()
    name, _, number = query.after.partition(":")
    below = int(number) if number.isdecimal() else 0
    for part in storage.opened(page.unread, name):
        try:
            part.while_wanted(go_on)
            since = part.since()
            page.since = since if since is not None else page.since
            if page.next is None:
                before = below if part.name == name else part.last + 1
                _part(part, wanted, query, before, now, page, go_on, notes)
        except Unreadable as problem:
            if not go_on():
                return page
            page.unread.append(str(problem))
    return page


def _part(
    part: Part,
    wanted: Filter,
    query: HistoryQuery,
    before: int,
    now: float,
    page: HistoryPage,
    go_on: Callable[[], bool],
    notes: Notes,
) -> None:
    where, values = _narrowed(wanted, part, now, notes)
    coding_words = part.words
    while go_on():
        rows = part.newest(before, AT_ONCE, where, values)
        if not rows:
            return
        before = rows[-1][0]
        page.searched += len(rows)
        with _own(len(rows)) as columns:
            columns.notes = notes
            chunk = chunk_of(part.name, rows[::-1])
            placed = place(columns, chunk, Coding(coding_words), len(rows) + 1, still=True)
            matcher = Matcher(wanted, columns)
            slots = placed.slots[matcher.still(placed.slots)]
            slots = slots[matcher.now(slots, now)]
            doubtful = [
                columns.id[slot]
                for slot in slots.tolist()
                if part.many_write or columns.state[slot] not in FINISHED
            ]
            over = part.went_on(doubtful, go_on)
            number_of = dict(zip(placed.slots.tolist(), placed.numbers.tolist(), strict=True))
            for slot in slots[np.argsort(columns.vector("row")[slots])][::-1].tolist():
                if columns.id[slot] in over:
                    continue
                if len(page.tasks) >= query.limit:
                    page.next = f"{part.name}:{number_of[slot] + 1}"
                    return
                page.tasks.append(task(columns, slot))
        if len(rows) < AT_ONCE:
            return
    page.next = f"{part.name}:{before}"


@contextmanager
def _own(tasks: int) -> Iterator[Columns]:
    """Columns for some tasks of a part. Nobody may wait for the collector: a million tasks took a hundred
    megabytes more."""
    columns = Columns(tasks)
    try:
        yield columns
    finally:
        columns.let_go()


def _narrowed(wanted: Filter, part: Part, now: float, notes: Notes) -> Condition:
    """A condition in SQL that every matching row meets; other rows may meet it too."""
    conditions: list[str] = []
    values: list[Any] = []
    for term in wanted.terms:
        if term.negated:
            continue
        found = _noted(term, notes) if term.field in ("tag", "dealt") else _condition(term, part, now)
        if found is not None:
            conditions.append(f"({found[0]})")
            values += found[1]
    return " AND ".join(conditions), values


def _condition(term: Term, part: Part, now: float) -> Condition | None:
    if term.path:
        return None
    if not term.field:
        return _free(term, part)
    parts = [_test(term.field, test, part, now) for test in term.tests]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    return " OR ".join(part[0] for part in known), [value for part in known for value in part[1]]


def _test(field: str, test: Any, part: Part, now: float) -> Condition | None:
    if field in CODED and isinstance(test, TextMatch):
        return _words(field, test, part)
    if field == "state" and isinstance(test, frozenset):
        if len(test) == 1:
            return f"state = {int(*test)}", []  # Those that failed have an index.
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


def _noted(term: Term, notes: Notes) -> Condition | None:
    """Tasks with such a note, when they are few; all others are none of ours."""
    texts = notes.tags if term.field == "tag" else dict.fromkeys(notes.marks, "yes")
    if term.field == "dealt" and any(_fits(test, "no") for test in term.tests):
        return None
    noted = [
        task_id for task_id, text in list(texts.items()) if any(_fits(test, text) for test in term.tests)
    ]
    return (f"id IN ({', '.join('?' * len(noted))})", [*noted]) if len(noted) <= MOST_NOTED else None


def _fits(test: Any, text: str) -> bool:
    return not isinstance(test, TextMatch) or test.matches(plain(text))


def _words(field: str, test: TextMatch, part: Part) -> Condition:
    codes = [str(code) for code, word in part.words.items() if test.matches(word)]
    return f"{field} IN ({', '.join(codes) or 'NULL'})", []


def _contains(field: str, test: TextMatch) -> Condition | None:
    """Case is only known to SQLite where it is ASCII's."""
    if test.kind not in ("part", "whole") or not test.text.isascii():
        return None
    escaped = re.sub(r"([\\%_])", r"\\\1", test.text)
    return f"{field} LIKE ? ESCAPE '\\'", [f"%{escaped}%"]


def _free(term: Term, part: Part) -> Condition | None:
    [test] = term.tests
    if not isinstance(test, TextMatch):
        return None
    texts = [_contains(field, test) for field in ("id", *STORED)]
    if any(part is None for part in texts):
        return None
    parts = [*[part for part in texts if part is not None], *[_words(field, test, part) for field in CODED]]
    return " OR ".join(part[0] for part in parts), [value for part in parts for value in part[1]]


def task_of(storage: Storage, id: str) -> Any:
    """One task by id, as the newest part that has it tells; `None` when none does."""
    for part in storage.opened([]):
        try:
            found = part.number_of(id)
            rows = part.newest(found + 1, 1) if found is not None else []
        except Unreadable:
            continue
        if rows:
            with _own(1) as columns:
                place(columns, chunk_of(part.name, rows), Coding(part.words), 2, still=True)
                return task(columns, 0)
    return None
