"""The live log's ring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.log import SLICE, EventLog
from lazycelery.errors import UsageError
from lazycelery.model.cluster import LogPage
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor


def events(count: int, start: int = 0) -> list[Event]:
    return [Event(type="task-sent", uuid=f"t{number}", args="()") for number in range(start, start + count)]


def page(log: EventLog, *asked: Any) -> LogPage:
    steps = log.page(*asked)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: LogPage = end.value
            return found


def ids(log: EventLog, after: int, limit: int = 10) -> list[str | None]:
    return [line.id for line in page(log, after, limit, False, None, False).lines]


def test_without_a_place_the_newest_come_oldest_first() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    assert ids(log, -1, 2) == ["t3", "t4"]


def test_a_reader_goes_on_where_it_stopped() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    found = page(log, 0, 3, False, None, False)
    assert [line.seq for line in found.lines] == [1, 2, 3]
    assert ids(log, found.last) == ["t3", "t4"]


def test_what_left_the_ring_is_counted() -> None:
    log = EventLog(Redactor(), size=3)
    log.add(events(10))
    found = page(log, 2, 10, False, None, False)
    assert found.missed == 5
    assert [line.id for line in found.lines] == ["t7", "t8", "t9"]


def test_a_filter_that_matches_nothing_still_moves_on() -> None:
    log = EventLog(Redactor())
    log.add(events(4))
    found = page(log, 0, 10, False, lambda ids: set(), False)
    assert (found.lines, found.last) == ([], 4)


def test_secrets_are_redacted_unless_revealed() -> None:
    log = EventLog(Redactor())
    log.add([Event(type="task-received", uuid="t", args="()", kwargs="{'password': 'hunter2'}")])
    assert "hunter2" not in str(page(log, -1, 1, True, None, False))
    assert "hunter2" in str(page(log, -1, 1, True, None, True))


def test_an_event_that_names_the_id_alone_gets_the_task_from_what_is_known() -> None:
    log = EventLog(Redactor(), {"t": "shop.add"}.get)
    log.add([Event(type="task-succeeded", uuid="t"), Event(type="task-succeeded", uuid="unknown")])
    assert [line.name for line in page(log, -1, 5, False, None, False).lines] == ["shop.add", None]


@pytest.mark.parametrize("after", [-1, 0])
def test_a_filter_looks_at_few_events_in_one_go(after: int) -> None:
    """And asks about each task once: between two slices events are taken in, and the question may end."""
    log, asked = EventLog(Redactor()), list[set[str]]()
    log.add(events(10 * SLICE) + events(10 * SLICE))

    def none(ids: Iterable[str]) -> set[str]:
        asked.append(set(ids))
        return set()

    assert sum(1 for _ in log.page(after, 10, False, none, False)) == 19
    assert max(map(len, asked)) <= SLICE and sum(map(len, asked)) == 10 * SLICE
    steps = log.page(after, 10, False, none, False)
    next(steps)
    steps.close()


def test_what_is_found_early_needs_no_look_at_the_rest() -> None:
    log, asked = EventLog(Redactor()), list[str]()
    log.add(events(10 * SLICE))

    def all_of(ids: Iterable[str]) -> set[str]:
        asked.extend(ids)
        return set(ids)

    lines = page(log, -1, 3, False, all_of, False).lines
    assert [line.seq for line in lines] == [10 * SLICE - 2, 10 * SLICE - 1, 10 * SLICE]
    assert len(asked) == SLICE


def test_events_that_fall_out_during_a_look_are_counted_and_new_ones_are_seen() -> None:
    log = EventLog(Redactor(), size=3 * SLICE)
    log.add(events(3 * SLICE))
    steps = log.page(0, 9, False, lambda ids: {"t700"} & set(ids), False)
    next(steps)
    log.add(events(2 * SLICE, 3 * SLICE))
    with pytest.raises(StopIteration) as end:
        for _ in range(9):
            next(steps)
    found: LogPage = end.value.value
    assert [line.seq for line in found.lines] == [701] and found.missed == SLICE
    assert found.last == log.last
    steps = log.page(-1, 9, False, lambda ids: set(), False)
    next(steps)
    log.add(events(3 * SLICE))
    with pytest.raises(StopIteration) as end:
        for _ in range(9):
            next(steps)
    assert end.value.value.last == 5 * SLICE


async def test_a_wrong_filter_is_told_also_where_nothing_was_heard() -> None:
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0"))
    with pytest.raises(UsageError):
        await engine.log(0, 10, "nme:x")
