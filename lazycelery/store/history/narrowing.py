"""A filter as a condition in SQL, as far as that goes: every row that matches meets it, and few others."""

from __future__ import annotations

from typing import Any

from lazycelery.store.filter.likeness import like_of
from lazycelery.store.filter.parser import Filter, Term
from lazycelery.store.filter.quantities import Moment, Span
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.history.storage import Condition, Part
from lazycelery.store.notes import Notes
from lazycelery.store.values import NUL, plain

MOST_NOTED = 500
"""Ids that are asked for at once: an older SQLite takes few values."""
CODED = ("name", "worker", "queue")
STORED = ("args", "kwargs", "result", "error")


def narrowed(wanted: Filter, part: Part, now: float, notes: Notes) -> Condition:
    """A condition in SQL that every matching row meets; other rows may meet it too. `notes`: our own on
    tasks."""
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
    if field in ("id", *STORED) and isinstance(test, TextMatch):
        return _found(test, (field,), part)
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


def _free(term: Term, part: Part) -> Condition | None:
    [test] = term.tests
    if not isinstance(test, TextMatch) or (found := _found(test, ("id", *STORED), part)) is None:
        return None
    parts = [*[_words(field, test, part) for field in CODED], found]
    return " OR ".join(part[0] for part in parts), [value for part in parts for value in part[1]]


def _found(test: TextMatch, fields: tuple[str, ...], part: Part) -> Condition | None:
    """Found in one of these texts. Asked of a million rows: nothing is called that need not be."""
    matches = test.matches

    def found(*texts: str | None) -> bool:
        for text in texts:  # noqa: SIM110 - `any` takes half as long again.
            if text is not None and matches(text[1:] if text[:1] == NUL else text):
                return True
        return False

    return part.texts(fields, like_of(test), found)
