from __future__ import annotations

import ast
from typing import Any

import pytest
from celery.utils.saferepr import saferepr
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.actions.literal import Lossy, arguments, round_trip

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)
anything = json_like | st.binary(max_size=8) | st.sets(st.integers(), max_size=3) | st.decimals()


@given(st.text(max_size=60) | anything.map(repr) | st.text("()[]{},'\"\\.: ab01beTrue", max_size=30))
def test_what_is_accepted_is_written_again_the_same(text: str) -> None:
    try:
        value = round_trip(text)
    except Lossy:
        return
    assert repr(value) == text
    assert ast.literal_eval(text) == value


@given(st.lists(anything, max_size=4).map(tuple), st.integers(1, 2000))
def test_what_celery_wrote_is_read_as_it_was_or_not_at_all(args: tuple[Any, ...], longest: int) -> None:
    try:
        read = round_trip(saferepr(args, longest))
    except Lossy:
        return
    assert read == args
    assert repr(read) == repr(args)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("('xxx...',)", "cut"),
        ("({'a': {'b': {...}}},)", "cut"),
        (r"('a\b',)", "backslash"),
        ("(b'00ff',)", "bytes"),
        ("({1, 2},)", "set"),
        ("({1: 2},)", "keys"),
        ("(datetime.date(2026, 1, 2),)", "objects"),
        ("(nan,)", "objects"),
        ("('a\nb',)", "objects"),
        ("(1+2j,)", "complex"),
        ("( 1,)", "again"),
        ("('" + "x" * 1000 + "',)", "so long"),
        ("(" * 300 + ")" * 300, "objects"),
    ],
)
def test_lossy_texts_are_refused(text: str, why: str) -> None:
    with pytest.raises(Lossy, match=why):
        round_trip(text)


def test_text_that_merely_ends_with_b_is_no_bytes() -> None:
    assert arguments("('bob', 2)", "{'to': 'rob'}") == (["bob", 2], {"to": "rob"})


def test_args_must_be_a_sequence_and_kwargs_a_dict() -> None:
    with pytest.raises(Lossy):
        arguments("'secret'", "{}")
    with pytest.raises(Lossy):
        arguments("()", "[]")
