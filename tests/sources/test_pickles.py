"""Pickles are looked at and never trusted."""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter, OrderedDict
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.sources import pickles
from lazycelery.sources.jsontext import Unreadable


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, ("touch /nonexistent/owned",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_reply_of_plain_values_is_read(protocol: int) -> None:
    reply = {"w1@h": {"ok": "pong", "n": [1, 2.5, None, True, -(2**40)], "t": "ü"}}
    assert pickles.load_plain(pickle.dumps(reply, protocol)).value == reply


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_counter_is_read_as_a_table_and_no_other_class_is(protocol: int) -> None:
    counted = {"total": Counter({"shop.add": 2})}
    assert pickles.load_plain(pickle.dumps(counted, protocol)).value == {"total": {"shop.add": 2}}
    with pytest.raises(Unreadable):
        pickles.load_plain(pickle.dumps(OrderedDict(a=1), protocol))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_reply_with_an_object_is_refused(protocol: int) -> None:
    with pytest.raises(Unreadable):
        pickles.load_plain(pickle.dumps({"w1@h": Evil()}, protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04",
        b"N",
        b"r\xff\xff\xff\x7f.",
        b"]r\xff\xff\xff\xff.",
        b"(" * 1000,
        b"\x80\x04]\x94" * 9,
    ],
)
def test_a_hostile_pickle_is_refused_without_harm(data: bytes) -> None:
    with pytest.raises(Unreadable):
        pickles.load_plain(data)


def test_doubling_references_do_not_explode() -> None:
    value: list[object] = []
    for _ in range(40):
        value = [value, value]
    with pytest.raises(Unreadable):
        pickles.load_plain(pickle.dumps(value))


def test_a_large_reply_is_refused() -> None:
    with pytest.raises(Unreadable):
        pickles.load_plain(pickle.dumps(["x" * pickles.MAX_REPLY]))


def test_the_texts_of_a_pickle_are_found_and_bounded() -> None:
    found, whole = pickles.strings(pickle.dumps({"key": ["a", "b" * 10_000], "e": Evil()}))
    assert {"key", "a"} <= set(found) and whole
    assert max(map(len, found)) == pickles.MAX_TEXT
    found, whole = pickles.strings(pickle.dumps([str(n) for n in range(5000)]))
    assert len(found) == pickles.MAX_STRINGS and not whole


@given(st.binary(max_size=200))
def test_no_bytes_break_the_readers(data: bytes) -> None:
    pickles.strings(data)
    with suppress(Unreadable):
        pickles.load_plain(data)


def test_a_tuple_of_tuples_as_a_key_does_not_hash_for_minutes() -> None:
    deep: object = ()
    for _ in range(60):
        deep = (deep, deep)
    data = b"\x80\x04}" + pickle.dumps(deep, 4)[2:-1] + b"K\x01s."
    began = time.process_time()
    with pytest.raises(Unreadable):
        pickles.load_plain(data)
    assert time.process_time() - began < 1
