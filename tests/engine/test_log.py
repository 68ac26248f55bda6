"""The live log's ring."""

from __future__ import annotations

from lazycelery.engine.log import EventLog
from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor


def events(count: int, start: int = 0) -> list[Event]:
    return [Event(type="task-sent", uuid=f"t{number}", args="()") for number in range(start, start + count)]


def ids(log: EventLog, after: int, limit: int = 10) -> list[str | None]:
    return [line.id for line in log.page(after, limit, False, None, False).lines]


def test_without_a_place_the_newest_come_oldest_first() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    assert ids(log, -1, 2) == ["t3", "t4"]


def test_a_reader_goes_on_where_it_stopped() -> None:
    log = EventLog(Redactor())
    log.add(events(5))
    page = log.page(0, 3, False, None, False)
    assert [line.seq for line in page.lines] == [1, 2, 3]
    assert ids(log, page.last) == ["t3", "t4"]


def test_what_left_the_ring_is_counted() -> None:
    log = EventLog(Redactor(), size=3)
    log.add(events(10))
    page = log.page(2, 10, False, None, False)
    assert page.missed == 5
    assert [line.id for line in page.lines] == ["t7", "t8", "t9"]


def test_a_filter_that_matches_nothing_still_moves_on() -> None:
    log = EventLog(Redactor())
    log.add(events(4))
    page = log.page(0, 10, False, lambda event: False, False)
    assert (page.lines, page.last) == ([], 4)


def test_secrets_are_redacted_unless_revealed() -> None:
    log = EventLog(Redactor())
    log.add([Event(type="task-received", uuid="t", args="()", kwargs="{'password': 'hunter2'}")])
    assert "hunter2" not in str(log.page(-1, 1, True, None, False))
    assert "hunter2" in str(log.page(-1, 1, True, None, True))


def test_an_event_that_names_the_id_alone_gets_the_task_from_what_is_known() -> None:
    log = EventLog(Redactor(), {"t": "shop.add"}.get)
    log.add([Event(type="task-succeeded", uuid="t"), Event(type="task-succeeded", uuid="unknown")])
    assert [line.name for line in log.page(-1, 5, False, None, False).lines] == ["shop.add", None]
