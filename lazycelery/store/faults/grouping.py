"""The failures among the tasks, in groups: counted by columns, in slices of a few milliseconds."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.model.faults import ErrorGroup, ErrorPage, Share
from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.faults.kinds import AGAIN, FAILED, Codes, Slots
from lazycelery.store.filter import parse
from lazycelery.store.filter.matching import Matcher

MOST = 100_000
"""Failures that are looked at, the newest."""
TOLD = 500
"""Groups that are told where there are too many: so many of the most frequent, last seen, newest."""
STEPS = 30
"""Of a group's history."""
RECENT = 300.0
"""Seconds over which a rate is taken."""
SHARES = 10
"""Names told of a group."""
SLICE = 131_072
NOTED = 8192
"""Failures looked up among what was dealt with in one go."""
MATCHED, MATCHED_DEAR = 32_768, 1024
"""Slots matched in one go, by numbers and by texts."""

Steps = Generator[None, None, Any]


class Failures(NamedTuple):
    """Slots of failures with the number of their kind and their moments, the oldest first."""

    slots: Slots
    codes: Codes
    since: npt.NDArray[np.float64]
    cut: int


def failures(
    columns: Columns, filter: str, since: float | None, now: float
) -> Generator[None, None, Failures]:
    """Those that match. Raises `UsageError` for a wrong filter."""
    matcher = Matcher(parse(filter), columns) if filter.strip() else None
    slots = yield from failed_slots(columns, since)
    cut = max(0, len(slots) - MOST)
    if cut:
        slots = slots[np.argpartition(columns.vector("since")[slots], cut)[cut:]]
        yield
    # Before they are matched: a filter may ask for groups, and finds them all read then.
    codes = yield from columns.kinds.read(slots)
    if matcher is not None:
        slots = yield from _matching(matcher, slots, now)
        codes = columns.kinds.known(slots)
    times = columns.vector("since")[slots].copy()
    yield
    order = np.argsort(times, kind="stable")
    order = order[codes[order] != 0]
    yield
    return Failures(slots[order], codes[order], times[order], cut)


def failed_slots(columns: Columns, since: float | None = None) -> Generator[None, None, Slots]:
    """Slots of tasks that failed, or may wait for a retry after it, in slices."""
    states, attempts = columns.vector("state"), columns.vector("attempt")
    found: list[Slots] = []
    for start in range(0, len(states), SLICE):
        here = states[start : start + SLICE]
        again = np.isin(here, AGAIN) & (attempts[start : start + SLICE] > 0)
        part = start + np.flatnonzero(np.isin(here, FAILED) | again)
        part = part[columns.vector("row")[part] != 0]
        found.append(part if since is None else part[columns.vector("since")[part] > since])
        yield
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)


def _matching(matcher: Matcher, slots: Slots, now: float) -> Generator[None, None, Slots]:
    step = MATCHED_DEAR if matcher.dear else MATCHED
    kept: list[Slots] = []
    for start in range(0, len(slots), step):
        part = slots[start : start + step]
        part = part[matcher.still(part)]
        kept.append(part[matcher.now(part, now)])
        yield
    return np.concatenate(kept) if kept else slots[:0]


def grouped(
    columns: Columns, filter: str, since: float | None, now: float, first_of: dict[str, float]
) -> Generator[None, None, ErrorPage]:
    """All groups, the most frequent first; `first_of` tells when a group was seen first, where somebody
    remembers a time before the tasks that are known. What is new is for the caller to say."""
    bad = yield from failures(columns, filter, since, now)
    page = ErrorPage(failures=len(bad.slots), cut=bad.cut, since=columns.oldest(), now=now)
    if not len(bad.slots):
        return page
    # What is known of the history may lie behind what was seen again since.
    page.since = min(page.since or now, float(columns.vector("first")[bad.slots].min()))
    codes, places, counts = np.unique(bad.codes, return_inverse=True, return_counts=True)
    yield
    oldest, newest = np.zeros(len(codes), dtype=np.intp), np.zeros(len(codes), dtype=np.intp)
    line = np.arange(len(places))
    newest[places] = line  # The last one written stays, and the newest come last.
    oldest[places[::-1]] = line[::-1]
    page.matched = len(codes)
    yield
    if len(codes) > 3 * TOLD:
        picked = np.concatenate([_highest(each) for each in (counts, newest, oldest)])
        # Asked for counts it does not load numpy.ma, which takes 50 ms.
        kept = np.unique(picked, return_counts=True)[0]
        inside = np.isin(places, kept)
        places = np.searchsorted(kept, places[inside])
        codes, counts, oldest, newest = codes[kept], counts[kept], oldest[kept], newest[kept]
        told = Failures(bad.slots[inside], bad.codes[inside], bad.since[inside], bad.cut)
        oldest, newest = (np.searchsorted(np.flatnonzero(inside), each) for each in (oldest, newest))
        bad = told
        yield
    begin = float(bad.since[0]) if since is None else since
    page.step = max(1.0, (now - begin) / STEPS)
    bars = yield from _history(bad.since, places, len(codes), now, page.step)
    recent = np.bincount(places[bad.since > now - RECENT], minlength=len(codes))
    failed = np.bincount(places[columns.vector("state")[bad.slots] == FAILED[0]], minlength=len(codes))
    yield
    dealt = yield from _dealt(columns, bad, places, len(codes))
    tasks = yield from _shares(columns.names, columns.vector("name")[bad.slots], places, len(codes))
    workers = yield from _shares(columns.workers, columns.vector("worker")[bad.slots], places, len(codes))
    queues = yield from _shares(columns.queues, columns.vector("queue")[bad.slots], places, len(codes))
    reach = min(RECENT, max(1.0, now - (page.since or now)))
    for at, code in enumerate(codes.tolist()):
        one = columns.kinds.faults[code]
        assert one is not None
        count, wrong = int(counts[at]), int(failed[at])
        first = float(bad.since[oldest[at]])
        page.groups.append(
            ErrorGroup(
                id=one.id,
                type=one.type,
                message=one.message,
                place=one.place,
                code=one.code,
                count=count,
                failed=wrong,
                retrying=count - wrong,
                dealt=dealt[at],
                rate=int(recent[at]) / reach,
                first=min(first, first_of.get(one.id, first)),
                last=float(bad.since[newest[at]]),
                tasks=tasks[at],
                workers=workers[at],
                queues=queues[at],
                history=bars[at],
                sample=columns.id[int(bad.slots[newest[at]])],
            )
        )
        if at % 100 == 99:
            yield
    return page


def _dealt(columns: Columns, bad: Failures, places: Slots, groups: int) -> Generator[None, None, list[int]]:
    """How many of each group somebody has dealt with."""
    found = [0] * groups
    notes, ids = columns.notes, columns.id
    if notes.marks:
        pairs = zip(bad.slots.tolist(), bad.since.tolist(), places.tolist(), strict=True)
        for number, (slot, since, at) in enumerate(pairs, 1):
            found[at] += notes.dealt(ids[slot], since) is not None
            if number % NOTED == 0:
                yield
    return found


def _highest(numbers: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """The places of the highest ones."""
    return np.argpartition(numbers, len(numbers) - TOLD)[len(numbers) - TOLD :]


def _history(
    since: npt.NDArray[np.float64], places: Slots, groups: int, now: float, step: float
) -> Generator[None, None, list[list[int]]]:
    """Failures of each group by step, the last step under way."""
    back = np.clip((now - since) // step, 0, STEPS - 1).astype(np.int64)
    yield
    bars = np.bincount(places * STEPS + (STEPS - 1 - back), minlength=groups * STEPS)
    return bars.reshape(groups, STEPS).tolist()


def _shares(
    words: Words, values: npt.NDArray[Any], places: Slots, groups: int
) -> Generator[None, None, list[list[Share]]]:
    """The most frequent words of each group."""
    pairs, counts = np.unique(places.astype(np.int64) << 32 | values, return_counts=True)
    yield
    found: list[list[Share]] = [[] for _ in range(groups)]
    for number, at in enumerate(np.argsort(-counts, kind="stable").tolist()):
        group, word = int(pairs[at]) >> 32, words.texts[int(pairs[at]) & 0xFFFFFFFF]
        if word is not None and len(found[group]) < SHARES:
            found[group].append(Share(value=word, count=int(counts[at])))
        if number % 2000 == 1999:
            yield
    return found
