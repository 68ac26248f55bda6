"""Messages off the wire: decoded where it is safe, described where it is not, never an exception."""

from __future__ import annotations

import base64
import bz2
import json
import lzma
import pickle
import time
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.sources.bodies import MAX_BODY, decode_body
from lazycelery.sources.jsontext import Unreadable, int_or_none, load, plain
from lazycelery.sources.wire import read_envelope, read_message, task_id_of
from tests.sources.conftest import enveloped, task_message

EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
HEADERS = {"task": "shop.add", "id": "1", "argsrepr": "(1, 2)", "kwargsrepr": "{}"}


def of_body(data: bytes, content_type: str, **headers: object) -> bytes:
    return enveloped(None, data=data, headers={**HEADERS, **headers}, **{"content-type": content_type})


def test_a_message_shows_what_its_headers_and_its_body_say() -> None:
    raw = task_message("abc", [1, {"a": None}], priority=6, eta="2030-01-01T00:00:00+00:00", group="g")
    message = read_message(raw, position=4)
    assert (message.id, message.task, message.priority, message.position) == ("abc", "shop.add", 6, 4)
    assert message.args == [1, {"a": None}] and message.kwargs == {} and message.decoded
    assert message.eta == "2030-01-01T00:00:00+00:00" and message.group_id == "g"
    assert message.size == len(raw) and message.embed is None and message.problem is None


def test_kombus_typed_values_stay_as_they_are() -> None:
    when = {"__type__": "datetime", "__value__": "2026-01-02T00:00:00+00:00"}
    assert read_message(task_message("1", [when])).args == [when]


def test_what_follows_a_task_is_shown_as_embedded() -> None:
    chain = [{"task": "shop.nap", "options": {"task_id": "2"}}]
    raw = enveloped([[1], {}, {**EMBED, "chain": chain}], headers=HEADERS)
    assert read_message(raw).embed == {"chain": chain}


def test_a_plain_body_without_base64_is_read() -> None:
    raw = enveloped(None, body=json.dumps([[7], {}, EMBED]), headers=HEADERS, properties={"priority": 0})
    assert read_message(raw).args == [7]


def test_a_protocol_1_message_has_its_id_in_the_body() -> None:
    body = {"task": "old.task", "id": "v1", "args": [1], "kwargs": {"k": 2}, "retries": 3, "eta": None}
    message = read_message(enveloped(body))
    assert (message.id, message.task, message.retries) == ("v1", "old.task", 3)
    assert message.args == [1] and message.kwargs == {"k": 2} and message.decoded


@pytest.mark.parametrize(
    ("pack", "name"),
    [(zlib.compress, "application/x-gzip"), (bz2.compress, "application/x-bz2"), (lzma.compress, "lzma")],
)
def test_a_compressed_body_is_unpacked(pack: object, name: str) -> None:
    data = pack(json.dumps([["x" * 1000], {}, EMBED]).encode())  # type: ignore[operator]
    assert read_message(of_body(data, "application/json", compression=name)).args == ["x" * 1000]


def test_a_bomb_is_not_unpacked_beyond_the_bound() -> None:
    bomb = zlib.compress(b"[" + b" " * 200_000_000 + b"]")
    started = time.process_time()
    message = read_message(of_body(bomb, "application/json", compression="application/x-gzip"))
    assert time.process_time() - started < 0.2
    assert not message.decoded and "unpacked" in str(message.problem) and message.args == "(1, 2)"


def test_a_pickle_shows_its_texts_and_is_not_loaded() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("it was loaded",))

    message = read_message(of_body(pickle.dumps([("hello", Evil()), {}]), "application/x-python-serialize"))
    assert not message.decoded and "hello" in message.args and "never loaded" in str(message.problem)


def test_msgpack_is_read_and_yaml_is_named() -> None:
    packed = msgspec.msgpack.encode([[1, b"\xff"], {"a": 1}, EMBED])
    message = read_message(of_body(packed, "application/x-msgpack"))
    assert message.args[0] == 1 and message.kwargs == {"a": 1} and message.decoded
    assert "YAML" in str(read_message(of_body(b"- [1]\n- {}\n", "application/x-yaml")).problem)
    assert read_message(of_body(b"[[1], {}, null]", "application/x-yaml")).args == [1]


def test_10_megabytes_of_arguments_are_cut_quickly_and_said_so() -> None:
    raw = task_message("big", ["x" * 10_000_000], argsrepr="('xxx...',)", kwargsrepr="{}")
    started = time.process_time()
    message = read_message(raw)
    assert time.process_time() - started < 0.15
    assert message.id == "big" and message.args == "('xxx...',)" and not message.decoded
    assert "10.0 MB" in str(message.problem) and message.size == len(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"{}",
        b'{"body": 3}',
        b'{"headers": [], "properties": 7}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_message_is_said_so(raw: bytes) -> None:
    message = read_message(raw)
    assert message.id is None and message.problem and not message.decoded


def test_an_odd_json_number_or_text_does_not_hide_a_message() -> None:
    data = b'[["\\ud800", NaN, 123456789012345678901234567890], {}, null]'
    message = read_message(of_body(data, "application/json"))
    assert message.args == ["?", "nan", "123456789012345678901234567890"]


def test_deep_nesting_is_refused_and_not_passed_on() -> None:
    message = read_message(of_body(b"[[" + b"[" * 500 + b"]" * 500 + b"],{}]", "application/json"))
    assert not message.decoded and "64 levels" in str(message.problem)
    assert read_message(b"[" * 100_000).problem


def test_plain_tells_whether_it_replaced_anything() -> None:
    assert plain({"a": [1, 2.5, None, "ü", True]}).exact
    assert not plain([2**70]).exact and not plain([(1,)]).exact
    assert plain({1: b"\xff", "s": {3}}).value == {"1": "�", "s": [3]}


@pytest.mark.parametrize("value", [True, 1.0, "x", "1-2", "--1", 2**63, None, "9" * 19])
def test_int_or_none_takes_only_64_bit_integers(value: object) -> None:
    assert int_or_none(value) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CONTENT_TYPES = (
    "application/json",
    "application/x-python-serialize",
    "application/x-msgpack",
    "application/x-yaml",
    "text/plain",
)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    msgspec.msgpack.encode(read_message(raw))
    task_id_of(raw)


@given(
    st.dictionaries(
        st.sampled_from(["body", "headers", "properties", "content-type", "content-encoding", "x"]),
        json_values,
    )
)
def test_no_envelope_breaks_the_reader(document: dict[str, object]) -> None:
    msgspec.msgpack.encode(read_message(json.dumps(document).encode()))


@given(json_values, json_values, json_values)
def test_no_headers_properties_or_body_break_the_reader(
    body: object, headers: object, properties: object
) -> None:
    raw = enveloped(body, headers=headers, properties=properties)
    msgspec.msgpack.encode(read_message(raw))


@given(
    st.binary(max_size=300),
    st.sampled_from(CONTENT_TYPES),
    st.sampled_from([None, "application/x-gzip", "application/x-bz2", "application/x-lzma", "br"]),
)
def test_no_body_breaks_the_decoder(data: bytes, content_type: str, compression: str | None) -> None:
    msgspec.msgpack.encode(decode_body(data, content_type, compression).value)


@given(json_values)
def test_what_is_loaded_can_be_sent_on(value: object) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(load(json.dumps(value)))) is not NotImplemented


def test_a_body_of_the_bound_is_decoded_and_one_byte_more_is_not() -> None:
    assert decode_body(b'"' + b"x" * (MAX_BODY - 2) + b'"', None).problem is None
    assert decode_body(b'"' + b"x" * (MAX_BODY - 1) + b'"', None).problem


def test_broken_base64_is_unreadable() -> None:
    envelope = read_envelope(enveloped(None, body="a"))
    with pytest.raises(Unreadable):
        envelope.body_bytes()
    assert base64.b64encode(b"") == b""
