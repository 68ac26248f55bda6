"""Events, findings and samples of the history: its parts one after the other, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.store.filter.entries import entry_filter
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
        try:
            part.while_wanted(go_on)
            for entries in part.recorded(wanted, go_on):
                read = True
                if query.kind == "findings":
                    entries = [one for one in entries if _known(one) not in newer]
                    own.update(map(_known, entries))
                if entries:
                    page = RecordedPage(unread=_taken(unread), read=True)
                    setattr(page, query.kind, list(entries))
                    yield page
                if not go_on():
                    return
            read = True
        except Unreadable as problem:
            unread.append(str(problem))
        newer |= own
        if not go_on():
            return
    yield RecordedPage(unread=unread, read=read)


def _known(finding: Any) -> Any:
    return finding.code, finding.subject, finding.began


def _taken(unread: list[str]) -> list[str]:
    told = unread.copy()
    unread.clear()
    return told
