"""Events off the wire: fast when they fit, kept when they are odd, counted when they are none."""

from __future__ import annotations

import json
import math
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.model.event import Event
from lazycelery.sources import event_wire
from lazycelery.sources.event_wire import decode_events
from tests.sources.conftest import enveloped
from tests.sources.test_wire import json_values

STARTED = {"type": "task-started", "uuid": "u", "hostname": "w@h", "pid": 9, "clock": 6, "timestamp": 1.5}


def decoded(payload: bytes) -> tuple[list[Event], int]:
    events: list[Event] = []
    malformed = decode_events([payload], 7.0, events)
    return events, malformed


def test_a_batch_and_a_single_event_are_both_read() -> None:
    events, malformed = decoded(enveloped([STARTED, {**STARTED, "type": "task-received", "args": "(1,)"}]))
    assert [(e.type, e.args, e.received) for e in events] == [
        ("task-started", None, 7.0),
        ("task-received", "(1,)", 7.0),
    ]
    assert malformed == 0 and len(decoded(enveloped(STARTED))[0]) == 1


def test_names_of_hosts_are_one_text_and_do_not_pile_up() -> None:
    first, second = (decoded(enveloped(STARTED))[0][0].hostname for _ in range(2))
    assert first is second
    for start in range(0, 3 * event_wire.MOST_HOSTS, 1000):
        names = [f"w@pod-{number}" for number in range(start, start + 1000)]
        events, _ = decoded(enveloped([{**STARTED, "hostname": name} for name in names]))
        assert [each.hostname for each in events] == names
        assert len(event_wire._hosts) <= event_wire.MOST_HOSTS


def test_messages_read_together_stay_in_order_whatever_they_hold() -> None:
    own = {**STARTED, "type": "task-progress", "current": 5}
    payloads = [
        *(enveloped([{**STARTED, "uuid": "1"}, {**STARTED, "uuid": "2"}]), b"no message"),
        *(enveloped([{**own, "uuid": "3"}, {**own, "uuid": "4"}]), enveloped({**STARTED, "uuid": "5"})),
        *(b'{"body": "?"}', enveloped([{**STARTED, "uuid": "6", "extra": {"x": 1}}, 7])),
        enveloped([{**STARTED, "uuid": "8", "timestamp": 0}]),
    ]
    events: list[Event] = []
    assert decode_events(payloads, 7.0, events) == 3
    assert [event.uuid for event in events] == ["1", "2", "3", "4", "5", "6", "8"]
    assert [event.extra for event in events] == [None, None, {"current": 5}, {"current": 5}, None, None, None]
    assert {event.received for event in events} == {7.0} and events[-1].timestamp == 7.0


def test_a_custom_event_keeps_its_own_fields() -> None:
    (event,), malformed = decoded(enveloped({**STARTED, "type": "task-progress", "current": 5, "extra": 1}))
    assert event.extra == {"current": 5, "extra": 1} and event.uuid == "u" and malformed == 0


def test_a_sender_cannot_set_our_own_fields() -> None:
    (event,), _ = decoded(enveloped({**STARTED, "received": 1.0, "extra": {"a": 1}}))
    assert event.received == 7.0 and event.extra is None


def test_a_value_of_the_wrong_type_goes_to_extra() -> None:
    (event,), malformed = decoded(enveloped({**STARTED, "uuid": 3, "clock": "x", "pid": "12"}))
    assert event.uuid is None and event.clock is None and event.pid == 12
    assert event.extra == {"uuid": 3, "clock": "x"} and malformed == 0


def test_one_broken_event_does_not_hide_the_others() -> None:
    events, malformed = decoded(enveloped([STARTED, 3, {"no": "type"}, {"type": 5}, STARTED]))
    assert len(events) == 2 and malformed == 3


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**64), 10**400])
def test_a_number_that_no_column_holds_is_not_a_number(number: int) -> None:
    (event,), _ = decoded(enveloped({**STARTED, "clock": number, "pid": number}))
    assert event.clock is None and event.pid is None and event.extra is not None


@pytest.mark.parametrize("told", [math.nan, math.inf, -math.inf, 1e20, 1e308, -5, 0, "soon", None])
def test_a_time_that_no_calendar_knows_is_the_time_of_arrival(told: object) -> None:
    (event,), _ = decoded(enveloped({**STARTED, "timestamp": told}))
    assert event.timestamp == 7.0


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"\xff",
        b'{"status": "SUCCESS", "result": 5}',
        enveloped(None, data=b"{broken"),
        enveloped(None, body="*no base64*"),
        enveloped("text"),
        b"[" * 50_000,
    ],
)
def test_what_is_no_event_is_counted(payload: bytes) -> None:
    assert decoded(payload) == ([], 1)


def test_a_body_without_base64_is_read() -> None:
    payload = enveloped(None, body=json.dumps([STARTED]), properties={})
    assert decoded(payload)[0][0].uuid == "u"


@given(st.binary(max_size=300))
def test_no_payload_breaks_the_decoder(payload: bytes) -> None:
    decoded(payload)
    decoded(enveloped(None, data=payload))


@given(st.dictionaries(st.sampled_from([*Event.__struct_fields__, "x"]), json_values))
def test_no_fields_break_the_decoder(fields: dict[str, object]) -> None:
    events, _ = decoded(enveloped([{**fields, "type": "task-started"}, fields]))
    assert events[0].type == "task-started"
    msgspec.msgpack.encode(events)
    for event in events:
        assert all(number is None or -(2**63) <= number < 2**63 for number in (event.pid, event.clock))


def test_an_event_costs_a_few_microseconds() -> None:
    payload = enveloped([{**STARTED, "type": "task-received", "args": "(1, 2)", "name": "shop.add"}] * 2)
    json_only, ours = [], []
    for _ in range(5):
        started = time.process_time()
        for _ in range(2000):
            json.loads(payload)
        json_only.append(time.process_time() - started)
        started = time.process_time()
        events: list[Event] = []
        for _ in range(2000):
            decode_events([payload], 1.0, events)
        ours.append(time.process_time() - started)
    # The standard library needs as long for the envelope alone.
    assert min(ours) < 1.5 * min(json_only)
