"""Copies keep the body to the byte; fresh messages are what Celery accepts."""

from __future__ import annotations

import json
import pickle

import pytest

from lazycelery.errors import Refused
from lazycelery.sources.codec import EnvelopeCodec
from tests.sources.conftest import enveloped, task_message

CODEC = EnvelopeCodec()


def test_a_copy_changes_ids_and_resets_retries_eta_and_expiry() -> None:
    raw = task_message(
        "old", [1], priority=6, eta="2030-01-01", expires="2030-01-02", redelivered=True, stamps={"a": 1}
    )
    original = json.loads(raw)
    copy = json.loads(CODEC.copy(raw, queue="high", new_id="new", headers={"lazycelery_retry_of": "old"}))
    assert copy["body"] == original["body"] and copy["content-type"] == original["content-type"]
    assert copy["headers"] == {
        "lang": "py",
        "task": "shop.add",
        "id": "new",
        "retries": 0,
        "root_id": "old",
        "eta": None,
        "expires": None,
        "stamps": {"a": 1},
        "lazycelery_retry_of": "old",
    }
    properties = copy["properties"]
    assert properties["priority"] == 6 and properties["correlation_id"] == "new"
    assert properties["delivery_info"] == {"exchange": "", "routing_key": "high"}
    assert properties["delivery_tag"] != original["properties"]["delivery_tag"]


@pytest.mark.parametrize(
    "data",
    [pickle.dumps([(1,), {}]), b"\x00\xff" * 50, b'[["\\ud800", NaN, 1e999], {}, {}]', b"x" * 5_000_000],
)
def test_a_copy_keeps_any_body_to_the_byte(data: bytes) -> None:
    raw = enveloped(None, data=data, headers={"id": "1", "task": "t", "odd": [float("nan"), 2**80, "\ud800"]})
    copy = json.loads(CODEC.copy(raw, queue="q", new_id="2", headers={}))
    original = json.loads(raw)
    assert copy["body"] == original["body"] and repr(copy["headers"]["odd"]) == repr(
        original["headers"]["odd"]
    )


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        enveloped({"task": "old", "id": "1", "args": []}),
        enveloped([], headers={"id": "1"}),
    ],
)
def test_a_message_without_id_in_its_headers_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        CODEC.copy(raw, queue="q", new_id="2", headers={})


def test_a_built_message_reads_back_as_it_was_meant() -> None:
    typed = {"__type__": "uuid", "__value__": "x"}
    raw = CODEC.build(
        task="shop.add",
        args=[1, typed],
        kwargs={"k": 2},
        queue="high",
        new_id="n",
        headers={"h": 1},
        priority=3,
    )
    message = CODEC.describe(raw, position=2)
    assert (message.id, message.task, message.args, message.kwargs) == ("n", "shop.add", [1, typed], {"k": 2})
    assert (message.priority, message.position, message.headers["h"]) == (3, 2, 1)
    assert json.loads(raw)["properties"]["delivery_info"]["routing_key"] == "high"
