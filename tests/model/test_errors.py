"""Errors as a person reads them."""

from __future__ import annotations

from lazycelery.errors import LazyCeleryError


def test_what_is_wrong_and_what_to_do_are_two_sentences() -> None:
    assert str(LazyCeleryError("column 9: a value is missing", "Write it.")) == (
        "column 9: a value is missing. Write it."
    )
    assert str(LazyCeleryError("Is it?", "It is.")) == "Is it? It is."
    assert str(LazyCeleryError("no hint")) == "no hint"
