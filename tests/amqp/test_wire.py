"""Tables, properties and envelopes: to the byte, and harmless when they are broken."""

from __future__ import annotations

import contextlib
import json
from datetime import datetime, timezone
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pika
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.errors import Refused
from lazycelery.sources.amqp.codec import AmqpCodec
from lazycelery.sources.amqp.envelope import from_envelope, to_envelope
from lazycelery.sources.amqp.properties import read_properties, without_header, write_properties
from lazycelery.sources.amqp.tables import Malformed, read_table, write_table

METHOD = SimpleNamespace(exchange="", routing_key="q", redelivered=False)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20).map(lambda data: b"\xff" + data)
    | st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(
        lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
TABLES = st.dictionaries(st.text(max_size=20), VALUES, max_size=5)


@given(TABLES)
def test_a_table_reads_back_as_it_was_written(table: dict[str, Any]) -> None:
    raw = write_table(table)
    assert read_table(raw, 0) == (table, len(raw))


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for read in (lambda: read_table(data, 0), lambda: read_properties(data)):
        with contextlib.suppress(Malformed):
            read()


def test_properties_are_those_that_pika_writes() -> None:
    headers = {"a": "ü", "n": 7, "none": None, "list": [1, "x", True], "deep": {"k": 2**40}}
    told: dict[str, Any] = {
        "content_type": "application/json",
        "headers": headers,
        "delivery_mode": 2,
        "priority": 9,
        "correlation_id": "c",
        "timestamp": 1_700_000_000,
        "cluster_id": "z",
    }
    raw = b"".join(pika.BasicProperties(**told).encode())
    assert read_properties(raw) == told
    assert write_properties(told) == raw


@given(TABLES, st.binary(max_size=50))
def test_an_envelope_keeps_body_and_properties_to_the_byte(table: dict[str, Any], body: bytes) -> None:
    raw = write_properties({"headers": table, "priority": 3, "expiration": "5", "delivery_mode": 2})
    again, properties = from_envelope(to_envelope(body, raw, METHOD), "guest")
    assert again == body and properties.raw == raw
    document = json.loads(to_envelope(body, raw, METHOD))
    del document["properties"]["amqp"]  # Then it is written anew, with the same meaning.
    _, rewritten = from_envelope(json.dumps(document).encode(), "guest")
    assert read_properties(rewritten.raw) == read_properties(raw)


def test_the_broker_s_own_count_is_no_part_of_a_message() -> None:
    plain = write_properties({"content_type": "x", "headers": {"a": 1, "b": 0.5}, "priority": 1})
    counted = write_properties(
        {"content_type": "x", "headers": {"a": 1, "x-delivery-count": 3, "b": 0.5}, "priority": 1}
    )
    assert without_header(counted, "x-delivery-count") == plain
    assert from_envelope(to_envelope(b"", counted, METHOD), "u")[1].raw == plain


def test_nobody_else_is_spoken_for() -> None:
    raw = write_properties({"user_id": "ada", "type": "t"})
    envelope = to_envelope(b"", raw, METHOD)
    assert read_properties(from_envelope(envelope, "ada")[1].raw)["user_id"] == "ada"
    assert read_properties(from_envelope(envelope, "bob")[1].raw) == {"type": "t", "headers": {}}


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"body": "abc", "properties": {"body_encoding": "base64"}}']
)
def test_what_is_no_envelope_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused, match="no Kombu envelope"):
        from_envelope(raw, "guest")


def test_a_copy_is_written_anew_with_its_own_id_and_nothing_else_changed() -> None:
    headers = {"id": "old", "task": "t", "retries": 2, "eta": "x", "rate": 0.25, "x-death": [{"count": 1}]}
    raw = write_properties({"headers": headers, "priority": 4, "correlation_id": "old", "expiration": "9"})
    copy = AmqpCodec().copy(to_envelope(b"body", raw, METHOD), queue="q", new_id="new", headers={"h": 1})
    body, properties = from_envelope(copy, "guest")
    told = read_properties(properties.raw)
    assert body == b"body" and told["priority"] == 4 and told["correlation_id"] == "new"
    assert "expiration" not in told
    assert told["headers"] == {
        "id": "new",
        "task": "t",
        "retries": 0,
        "eta": None,
        "expires": None,
        "rate": 0.25,
        "h": 1,
    }


def test_a_timestamp_beyond_all_calendars_is_a_number() -> None:
    raw = b"\x00\x00\x00\x0b\x01tT" + (2**63).to_bytes(8, "big")
    assert read_table(raw, 0)[0] == {"t": 2**63}


def test_a_decimal_keeps_its_places() -> None:
    raw = write_table({"d": Decimal("12.50"), "n": Decimal("-3")})
    assert read_table(raw, 0)[0] == {"d": Decimal("12.50"), "n": Decimal("-3")}
