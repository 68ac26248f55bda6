"""What may stand next in a filter."""

from __future__ import annotations

import pytest

from lazycelery.model.event import Event
from lazycelery.store.filter import parse
from lazycelery.store.store import Store

NOW = 1_000_000.0


@pytest.fixture
def store() -> Store:
    store = Store(1000)
    events = []
    for number in range(30):
        name = "shop.charge" if number % 3 else "mail.send later"
        common = {
            "hostname": "celery@web-1",
            "uuid": f"task-{number}",
            "timestamp": NOW + number,
            "received": NOW,
        }
        kwargs = f"{{'order': {{'id': {number}, 'city': 'Oslo'}}, 'note': 'x'}}"
        events.append(
            Event(type="task-received", name=name, args="(1,)", kwargs=kwargs, clock=number, **common)
        )  # type: ignore[arg-type]
        if number % 3 == 1:
            events.append(Event(type="task-failed", exception="Timeout('gateway')", clock=99, **common))  # type: ignore[arg-type]
    store.apply_events(events)
    return store


def offered(store: Store, text: str) -> list[str]:
    return [one.text for one in store.complete(text, len(text))]


def test_a_word_begun_becomes_a_field(store: Store) -> None:
    assert offered(store, "sta") == ["state:"]
    assert offered(store, "name:x -wor") == ["worker:"]


def test_values_are_those_that_were_seen_the_frequent_first(store: Store) -> None:
    assert offered(store, "name:") == ["shop.charge", '"mail.send later"']
    assert offered(store, "worker:web") == ["celery@web-1"]
    assert offered(store, "error:") == ["Timeout"]
    assert offered(store, "state:fai") == ["failure"]


def test_after_a_comma_the_next_value_is_completed(store: Store) -> None:
    [one] = store.complete("state:retry,suc", 15)
    assert (one.start, one.end, one.text) == (12, 15, "success")


def test_paths_lead_into_arguments(store: Store) -> None:
    assert offered(store, "kwargs.order.c") == ["kwargs.order.city:"]
    assert offered(store, "kwargs.order.city:") == ["Oslo"]
    assert "args.0:" in offered(store, "args.")


def test_the_word_under_the_cursor_counts_and_not_the_last_one(store: Store) -> None:
    [one] = store.complete("sta name:x", 3)
    assert (one.start, one.end, one.text) == (0, 3, "state:")


@pytest.mark.parametrize(
    "text", ["", "-", "nosuch:", "kwargs.", 'name:"mail', "state:failure,", "~", "a:b:c"]
)
def test_whatever_is_offered_can_be_read_back(store: Store, text: str) -> None:
    for one in store.complete(text, len(text)):
        if not one.text.endswith(":"):
            parse(text[: one.start] + one.text)
