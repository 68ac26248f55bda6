"""Time in which we did not run counts as watched where the connection outlived it."""

from __future__ import annotations

import pytest

from lazycelery.engine.held import RABBIT, Held, kept_by
from lazycelery.model.cluster import SourceHealth
from lazycelery.sources.amqp.events import TTL
from lazycelery.store.store import Store
from tests.store.build import T0, received, succeeded
from tests.store.test_statistics import read

HELD = 50.0


def health(last: float = T0) -> SourceHealth:
    return SourceHealth(name="events", state="connected", last=last)


def held_for(events: SourceHealth, seconds: float = HELD) -> Held:
    """After `seconds` without a look; it ran again at T0 + `seconds`."""
    held = Held()
    assert held.second(100.0, T0, events) == held.second(100.0 + seconds, T0 + seconds, events) == 0.0
    return held


def test_what_the_connection_outlived_was_watched_once_it_brings_something() -> None:
    events = health()
    held = held_for(events)
    assert held.second(151.0, T0 + 51, events) == 0.0, "nothing came: it may be dead, and not know it"
    events.last = T0 + 51.5
    assert held.second(152.0, T0 + 52, events) == HELD
    assert held.second(153.0, T0 + 53, events) == 0.0


@pytest.mark.parametrize("change", [{"state": "lost"}, {"gaps": 1}])
def test_nothing_was_watched_where_it_broke_meanwhile(change: dict[str, object]) -> None:
    events = health()
    held = held_for(events)
    events.last = T0 + 50.5
    for name, value in change.items():
        setattr(events, name, value)
    assert held.second(151.0, T0 + 51, events) == 0.0
    events.state = "connected"
    assert held.second(152.0, T0 + 52, events) == 0.0


def test_no_more_was_watched_than_the_broker_keeps_and_the_hour_has() -> None:
    assert kept_by("redis://h/0") == float("inf") and kept_by("pyamqp://h//") == RABBIT == TTL / 1000
    events, held = health(), Held(RABBIT)
    assert held.second(0.0, T0, events) == held.second(7200.0, T0 + 7200, events) == 0.0
    events.last = T0 + 7200.5
    assert held.second(7201.0, T0 + 7201, events) == RABBIT
    store, hour = Store(), T0 // 3600 * 3600
    store.second(hour + 3300)
    store.second(hour + 9000)
    store.second(hour + 9001, held=5700.0)
    assert sum(seen for _, seen in store.figures.hours_seen()) < 10


def test_an_ordinary_second_is_owed_nothing() -> None:
    events = health()
    held = held_for(events, 4.0)
    events.last = T0 + 4.5
    assert held.second(105.0, T0 + 5, events) == 0.0


@pytest.mark.parametrize("every", [1, 6, 50])
def test_a_rate_is_right_however_long_the_seconds_of_a_starved_monitor_are(every: int) -> None:
    store, held, events = Store(), Held(), health()
    store.second(T0, held=held.second(0.0, T0, events))
    for end in range(every, 600, every):
        for number in range(end - every, end):
            task = f"t{number}"
            store.apply_events([received(number, task), succeeded(number + 0.5, task)])
        events.last = T0 + end - 0.01
        store.second(T0 + end, held=held.second(float(end), T0 + end, events))
    [row] = read(store, "task", 300, T0 + 600 - every).rows
    assert row.rate == pytest.approx(1.0, rel=0.2)
