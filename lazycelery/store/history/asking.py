"""Events, findings and samples of the history: its parts one after the other, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import cast

from lazycelery.model.recorded import Recorded, RecordedFinding, RecordedPage, RecordedQuery
from lazycelery.store.filter.entries import entry_filter
from lazycelery.store.history.entries import FINDINGS_AT_ONCE
from lazycelery.store.history.soundness import FAULTS
from lazycelery.store.history.storage import Storage, Unreadable

RECKONED = 2
"""Seconds by which monitors may differ on when one thing began: Redis tells its uptime in whole ones."""


def ask(
    storage: Storage, query: RecordedQuery, now: float, go_on: Callable[[], bool] = lambda: True
) -> Generator[RecordedPage, None, None]:
    """All that match, some at a time, as they are asked for; the last page may hold none. `limit` and `after`
    are for the caller. Raises `UsageError` for a wrong filter, at the first page. Once `go_on` says no it
    ends soon."""
    wanted = entry_filter(query.kind, query.filter, now)
    unread: list[str] = []
    read = False
    findings = _Findings()

    def told(entries: Sequence[Recorded]) -> Generator[RecordedPage, None, None]:
        if entries:
            page = RecordedPage(unread=_taken(unread), read=True)
            setattr(page, query.kind, list(entries))
            yield page

    for part in storage.opened(unread):
        since = float("inf")
        try:
            part.while_wanted(go_on)
            if query.kind == "findings":
                since = part.begin() or since  # What had begun before and lasted stands in it, too.
            for entries in part.recorded(wanted, go_on):
                read = True
                if query.kind == "findings":
                    findings.take(cast("Sequence[RecordedFinding]", entries))
                else:
                    yield from told(entries)
                if not go_on():
                    return
            read = True
        except Unreadable as problem:
            unread.append(str(problem))
        except FAULTS as fault:
            unread.append(f"{part.name}: {type(fault).__name__}")
        for some in findings.due(since):
            yield from told(some)
        if not go_on():
            return
    for some in findings.due():
        yield from told(some)
    yield RecordedPage(unread=unread, read=read)


class _Findings:
    """Those of all parts, each once, by when they began. One that lasted longer than a file, or its monitor,
    stands in the next one too, and one that another hid for a while twice in the same."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int], list[RecordedFinding]] = {}
        """By code, subject, and the second in which a row began."""
        self._held: list[RecordedFinding] = []

    def take(self, findings: Sequence[RecordedFinding]) -> None:
        """Some more, of files the newest rows first: of two that began at once the first tells the end."""
        for one in findings:
            same = self._same(one)
            self._known.setdefault((one.code, one.subject, int(_began(one))), []).append(same or one)
            if same is None:
                self._held.append(one)
            elif same.began != one.began:  # Reckoned anew, or another recorder's.
                same.ended = one.ended if _ended(one) > _ended(same) else same.ended
                same.began = one.began if _began(one) < _began(same) else same.began

    def _same(self, one: RecordedFinding) -> RecordedFinding | None:
        """That of which this is another row: both began within a moment, and one was there when the other
        did."""
        second = int(_began(one))
        for at in range(second - RECKONED, second + RECKONED + 1):
            for known in self._known.get((one.code, one.subject, at), ()):
                met = max(_began(known), _began(one)) <= min(_ended(known), _ended(one))
                if met or known.began == one.began:
                    return known
        return None

    def due(self, since: float = float("-inf")) -> Iterator[list[RecordedFinding]]:
        """Those that began then or later, newest first, some at a time: an older part has none that comes
        between."""
        self._held.sort(key=_began, reverse=True)
        many = sum(_began(one) >= since for one in self._held)
        due, self._held = self._held[:many], self._held[many:]
        for start in range(0, many, FINDINGS_AT_ONCE):
            yield due[start : start + FINDINGS_AT_ONCE]


def _began(one: RecordedFinding) -> float:
    return 0.0 if one.began is None else one.began


def _ended(one: RecordedFinding) -> float:
    return float("inf") if one.ended is None else one.ended


def _taken(unread: list[str]) -> list[str]:
    told = unread.copy()
    unread.clear()
    return told
