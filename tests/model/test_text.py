from __future__ import annotations

import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lazycelery.model.text import clean, clean_block, short_value

BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
ANY_TEXT = st.text(alphabet=st.characters(codec=None))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(ANY_TEXT, inner, max_size=5),
    max_leaves=20,
)


def harmless(text: str) -> bool:
    return not any(
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in BIDI or char in "\u200b\ufeff"
        for char in text
    )


@given(ANY_TEXT)
def test_no_harmful_character_survives(text):
    assert harmless(clean(text))


@given(ANY_TEXT, st.integers(0, 50))
def test_a_cut_text_keeps_to_its_limit_and_says_so(text, limit):
    cut = clean(text, limit)
    assert len(cut) <= limit
    assert harmless(cut)
    assert len(text) <= limit or not limit or cut.endswith("…")


def test_an_escape_sequence_shows_as_a_picture():
    assert clean("\x1b[31mred\x1b[0m\n") == "␛[31mred␛[0m␊"
    assert clean("a\u202eb\x9bc\x7f") == "a�b�c␡"


def test_plain_words_of_any_language_are_untouched():
    for text in ("naïve", "注文", "заказ", "🎉", "a b", ""):
        assert clean(text) == text


@given(ANY_TEXT, st.none() | st.integers(1, 5))
def test_lines_of_a_block_are_harmless_and_counted(text, most):
    lines = clean_block(text, most)
    assert all(harmless(line) for line in lines)
    assert most is None or len(lines) <= most


def test_a_long_block_says_how_many_lines_are_missing():
    assert clean_block("1\n2\r\n3\r4\n5", 3) == ["1", "2", "… 3 more lines"]
    assert clean_block("1\n2\n3", 3) == ["1", "2", "3"]
    assert clean_block("\tx") == ["    x"]


@given(JSON, st.integers(1, 80))
def test_a_short_value_is_short_and_harmless(value, limit):
    text = short_value(value, limit)
    assert len(text) <= limit
    assert harmless(text)


def test_a_short_value_reads_like_python():
    assert short_value({"a": [1, None, True], "b": "x"}, 80) == "{'a': [1, None, True], 'b': 'x'}"
    assert short_value((1,), 80) == "(1,)"
    assert short_value("abcdefgh", 6) == "'abcd…"
    assert short_value([[[1]]] * 100, 10) == "[[[1]], […"


def test_ten_megabytes_cost_no_more_than_a_line():
    huge = [{"blob": "x" * 10_000_000}, *range(1_000_000)]
    started = time.process_time()
    for _ in range(100):
        assert len(short_value(huge, 200)) == 200
    assert time.process_time() - started < 0.1


def test_what_is_no_json_is_named_and_never_asked_for_its_repr():
    class Rude:
        def __repr__(self):
            raise RuntimeError("no")

    assert short_value([Rude()], 80) == "[<Rude>]"
    assert "bit integer" in short_value(10**5000, 80)
