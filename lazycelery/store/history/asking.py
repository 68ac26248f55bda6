"""Events, findings and samples of the history: its parts one after the other, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.store.filter.entries import entry_filter
from lazycelery.store.history.soundness import FAULTS
from lazycelery.store.history.storage import Storage, Unreadable


def ask(
    storage: Storage, query: RecordedQuery, now: float, go_on: Callable[[], bool] = lambda: True
) -> Generator[RecordedPage, None, None]:
    """All that match, some at a time, as they are asked for; the last page may hold none. `limit` and `after`
    are for the caller. Raises `UsageError` for a wrong filter, at the first page. Once `go_on` says no it
    ends soon."""
    wanted = entry_filter(query.kind, query.filter, now)
    unread: list[str] = []
    read = False
    newer: set[Any] = set()
    """Findings of the part after: one that lasted longer than a file stands in the next one too."""
    for part in storage.opened(unread):
        own: set[Any] = set()
        """One that another hid for a while stands in a part twice, and tells its end in the newer row."""
        try:
            part.while_wanted(go_on)
            for entries in part.recorded(wanted, go_on):
                read = True
                if query.kind == "findings":
                    entries = list(_fresh(entries, newer, own))
                if entries:
                    page = RecordedPage(unread=_taken(unread), read=True)
                    setattr(page, query.kind, list(entries))
                    yield page
                if not go_on():
                    return
            read = True
        except Unreadable as problem:
            unread.append(str(problem))
        except FAULTS as fault:
            unread.append(f"{part.name}: {type(fault).__name__}")
        newer |= own
        if not go_on():
            return
    yield RecordedPage(unread=unread, read=read)


def _fresh(findings: Iterable[Any], newer: set[Any], own: set[Any]) -> Iterator[Any]:
    for one in findings:
        key = one.code, one.subject, one.began
        if key not in newer and key not in own:
            own.add(key)
            yield one


def _taken(unread: list[str]) -> list[str]:
    told = unread.copy()
    unread.clear()
    return told
