"""Questions to the history, in the language of filters. SQL narrows down, the filter itself decides."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.store.columns import Columns
from lazycelery.store.filter import parse
from lazycelery.store.filter.matching import Matcher
from lazycelery.store.filter.parser import Filter
from lazycelery.store.history import let_go
from lazycelery.store.history.files import order
from lazycelery.store.history.kinship import FEW, Kinship
from lazycelery.store.history.later import Later
from lazycelery.store.history.narrowing import narrowed
from lazycelery.store.history.placing import Chunk, Coding, chunk_of, place
from lazycelery.store.history.soundness import FAULTS
from lazycelery.store.history.storage import Part, Storage, Unreadable
from lazycelery.store.notes import Notes
from lazycelery.store.sealing import FIELDS
from lazycelery.store.views import task

AT_ONCE, LEAST = 2_000, 100
"""Rows read together, at most and at least."""
FIRST, SOON = 4, 0.05
"""Rows judged together at first, and seconds within which some must be for more to follow."""
MOST_TEXT = 16_000_000
"""Signs of the texts of a page, about: one of large tracebacks or arguments is a shorter page."""


def search(
    storage: Storage,
    query: HistoryQuery,
    now: float,
    go_on: Callable[[], bool] = lambda: True,
    notes: Notes | None = None,
    kinship: Kinship | None = None,
    later: Later | None = None,
) -> HistoryPage:
    """A page of the tasks that match, newest first. Raises `UsageError` for a wrong filter. `go_on` is
    asked between two slices. `notes`: our own on tasks, which are in no file of the history. `kinship` and
    `later`: those of the page before."""
    wanted, notes = parse(query.filter), notes or Notes()
    page, oldest, room, newest = HistoryPage(), "", MOST_TEXT, True
    name, _, number = query.after.partition(":")
    below = int(number) if number.isdecimal() else 0
    later, counted = later or Later(), set[tuple[int, str]]()
    if name and not later.begun:
        for part in storage.opened([]):
            later.saw(part.name, part.last)
    for part in storage.opened(page.unread, name):
        try:
            part.while_wanted(go_on)
            later.saw(part.name, part.last)
            since = part.since()
            page.since = since if since is not None else page.since
            if not name:
                page.until = part.last_seen(now) if newest else page.until
                newest = False
                page.not_kept = let_go.told(page.not_kept, part, counted)
            if page.next is None:
                # It may have been put aside since the page before, under a longer name.
                before = below if order(part.name) == order(name) else part.last + 1
                count = len(page.tasks)
                room = _part(part, wanted, query, before, now, page, go_on, notes, later, room)
                oldest = part.name if len(page.tasks) > count else oldest
                end = page.next or ""
                page.skipped += part.skipped(int(end.partition(":")[2]) if end else 0)
            if part.damage:
                page.unread.append(part.damage)
        except Unreadable as problem:
            if not go_on():
                return page
            page.unread.append(str(problem))
        except FAULTS as fault:
            page.unread.append(f"{part.name}: {type(fault).__name__}")
    if query.children and page.tasks:
        many = bool(query.after or (page.next and query.limit > FEW))
        (kinship or Kinship()).put(storage, page.tasks, oldest, go_on, page.unread, many)
        page.unread = list(dict.fromkeys(page.unread))  # Some were opened twice.
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
    later: Later,
    room: int,
) -> int:
    """`room`: for the signs of so many texts; returns what is left of it."""
    where, values = narrowed(wanted, part, now, notes)
    words = part.words
    while go_on():
        # Without a filter nearly every row is one of the page: but for those that went on elsewhere.
        most = AT_ONCE if wanted.terms else min(AT_ONCE, max(LEAST, query.limit - len(page.tasks) + 1))
        rows = part.newest(before, most, where, values)
        if not rows:
            return room
        before = rows[-1][0]
        page.searched += len(rows)
        with _own(len(rows)) as columns:
            columns.notes = notes
            chunk = chunk_of(part.name, rows[::-1])
            placed = place(columns, chunk, Coding(words), len(rows) + 1, still_from=-math.inf)
            matcher = Matcher(wanted, columns)
            slots = _matching(matcher, placed.slots, now, go_on)
            if slots is None:
                page.next = f"{part.name}:{rows[0][0] + 1}"
                return room
            number_of = dict(zip(placed.slots.tolist(), placed.numbers.tolist(), strict=True))
            order = slots[np.argsort(columns.vector("row")[slots])][::-1].tolist()
            while order:
                some = order[: max(LEAST, query.limit - len(page.tasks))]
                over = part.went_on({columns.id[slot]: number_of[slot] for slot in some}, later, go_on)
                for slot in some:
                    if columns.id[slot] in over:
                        continue
                    if len(page.tasks) >= query.limit or room <= 0:
                        page.next = f"{part.name}:{number_of[slot] + 1}"
                        return room
                    page.tasks.append(task(columns, slot, sent=()))
                    room -= _signs(columns, slot)
                del order[: len(some)]
        if len(rows) < most:
            return room
    page.next = f"{part.name}:{before}"
    return room


def _matching(
    matcher: Matcher, slots: npt.NDArray[Any], now: float, go_on: Callable[[], bool]
) -> npt.NDArray[Any] | None:
    """Those that match; `None` once nobody wants to know. A dear pattern may take long for each: few are
    judged together until it shows that they are cheap."""
    found, start, many = [slots[:0]], 0, FIRST if matcher.dear else max(1, len(slots))
    while start < len(slots):
        began = time.monotonic()
        if start and not go_on():
            return None
        some = slots[start : start + many]
        start += many
        some = some[matcher.still(some)]
        found.append(some[matcher.now(some, now)])
        many = many * 8 if time.monotonic() < began + SOON else FIRST
    return np.concatenate(found)


def _signs(columns: Columns, slot: int) -> int:
    """Of its long texts."""
    signs = len(columns.traceback.get(slot) or "")
    return signs + sum([len(getattr(columns, name)[slot] or "") for name in FIELDS])


@contextmanager
def _own(tasks: int) -> Iterator[Columns]:
    """Columns for some tasks of a part. Nobody may wait for the collector: a million tasks took a hundred
    megabytes more."""
    columns = Columns(tasks)
    try:
        yield columns
    finally:
        columns.let_go()


def row_of(storage: Storage, id: str) -> tuple[Chunk, Coding] | None:
    """One task by id, as the newest part that has it tells; `None` when none does."""
    for part in storage.opened([]):
        try:
            found = part.number_of(id)
            rows = part.newest(found + 1, 1) if found is not None else []
        except Unreadable:
            continue
        if rows:
            return chunk_of(part.name, rows), Coding(part.words)
    return None


def task_of(storage: Storage, id: str) -> Any:
    """The same, as a task."""
    found = row_of(storage, id)
    if found is None:
        return None
    with _own(1) as columns:
        place(columns, *found, 2, still_from=-math.inf)
        return task(columns, 0)
