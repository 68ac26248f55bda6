"""Events, findings and samples of the history: its parts one after the other, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Generator

from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.store.filter.entries import entry_filter
from lazycelery.store.history.storage import Storage, Unreadable


def ask(
    storage: Storage, query: RecordedQuery, now: float, go_on: Callable[[], bool] = lambda: True
) -> Generator[RecordedPage, None, None]:
    """All that match, some at a time, as they are asked for; the last page may hold none. Raises `UsageError`
    for a wrong filter, at the first page. Once `go_on` says no it ends soon."""
    wanted = entry_filter(query.kind, query.filter, now)
    unread: list[str] = []
    read = False
    for part in storage.opened(unread):
        try:
            part.while_wanted(go_on)
            for entries in part.recorded(wanted, go_on):
                read = True
                if entries:
                    yield RecordedPage(entries=list(entries), unread=_taken(unread), read=True)
                if not go_on():
                    return
            read = True
        except Unreadable as problem:
            unread.append(str(problem))
        if not go_on():
            return
    yield RecordedPage(unread=unread, read=read)


def _taken(unread: list[str]) -> list[str]:
    told = unread.copy()
    unread.clear()
    return told
