"""Errors in groups, as a face asks for them: what is new since a mark, and no secrets."""

from __future__ import annotations

from typing import Any

from lazycelery.engine.parts import Parts
from lazycelery.engine.slices import in_slices
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.model.faces import by_face
from lazycelery.model.faults import ErrorDetail, ErrorGroup, ErrorPage, ErrorQuery, HeatBy, HeatMap, Mark
from lazycelery.store.filter import parse
from lazycelery.store.filter.quantities import Moment

MOST = 1000
"""Groups that are told at once."""
TOLD_MARKS = 20


class ErrorAnswers:
    """Groups, one group, heat maps, marks."""

    def __init__(self, parts: Parts) -> None:
        self._errors, self._clock, self._memory = parts.store.errors, parts.clock, parts.memory
        self._redactor, self._guard, self._marks = parts.redactor, parts.guard, parts.marks

    async def page(self, query: ErrorQuery) -> ErrorPage:
        """The groups of what matches."""
        await self._memory.failures()
        marks = await self._marks.all()
        mark, now = _chosen(marks, query.mark), self._clock()
        page = await in_slices(self._errors.page(query, _moment(query.since, now), now))
        page.mark, page.marks = mark, marks[:TOLD_MARKS]
        watched = mark is not None and page.since is not None and page.since <= mark.at
        for group in page.groups:
            if mark is not None and group.first is not None:
                group.new = group.first > mark.at if watched or group.first <= mark.at else None
        if query.new:
            page.groups = [group for group in page.groups if group.new]
            page.matched = len(page.groups)
            page.failures = sum(group.count for group in page.groups)
        page.groups.sort(key=_ORDERS[query.sort])
        page.groups = page.groups[: max(0, min(query.limit, MOST))]
        return page

    async def detail(self, id: str, filter: str) -> ErrorDetail:
        """One group, and what its tasks have in common."""
        if not id.isalnum():
            raise UsageError(f"{id} is no group of errors.", "Its id is ten characters, such as 3fa91b22c0.")
        await self._memory.failures()
        found = await in_slices(self._errors.detail(id, filter, self._clock(), self._hide))
        if found is None:
            raise NothingFound(
                f"No task that failed is in a group {id}.",
                by_face("`lazycelery errors`", ":errors") + " lists them.",
            )
        return found

    def _hide(self, path: str, value: Any) -> Any:
        """A value of an argument; its path may say that it is a secret."""
        if self._guard.may("reveal"):
            return value
        names = [name for name in path.split(".")[1:] if not name.isdecimal()]
        if any(map(self._redactor.secret, names)):
            return "[redacted]"
        return self._redactor.text(value) if isinstance(value, str) else value

    async def heat(self, by: HeatBy, filter: str, since: str) -> HeatMap:
        """Failures by task name and worker or hour."""
        await self._memory.failures()
        now = self._clock()
        return await in_slices(self._errors.heat(by, filter, _moment(since, now), now))

    async def mark(self, name: str) -> Mark:
        """Set a mark now."""
        try:
            return await self._marks.add(self._redactor.text(name))
        except OSError as problem:
            raise LazyCeleryError(
                f"The mark cannot be written: {problem.strerror or problem}.",
                "It belongs to the history; history_dir or history_url in the profile chooses another place.",
            ) from None


def _moment(text: str, now: float) -> float | None:
    """Epoch seconds of a moment as a filter says it. Raises `UsageError`."""
    if not text:
        return None
    [term] = parse(f'since:"{text}"').terms
    [test] = term.tests
    assert isinstance(test, Moment)
    return test.at(now)


def _chosen(marks: list[Mark], name: str) -> Mark | None:
    """The mark of that name; without one the last that a person set, else the last of the workers."""
    if name:
        found = next((one for one in marks if one.name == name), None)
        if found is None:
            known = ", ".join(one.name for one in marks[:5])
            raise NothingFound(f"There is no mark {name!r}.", f"The last ones: {known}." if known else "")
        return found
    return next((one for one in marks if one.by == "person"), marks[0] if marks else None)


def _by_count(group: ErrorGroup) -> tuple[float, ...]:
    return (-group.count, -(group.last or 0.0))


def _by_last(group: ErrorGroup) -> tuple[float, ...]:
    return (-(group.last or 0.0), -group.count)


def _by_first(group: ErrorGroup) -> tuple[float, ...]:
    return (-(group.first or 0.0), -group.count)


_ORDERS = {"count": _by_count, "last": _by_last, "first": _by_first}
