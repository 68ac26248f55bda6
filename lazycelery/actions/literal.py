"""Arguments from an event's repr text, only when not a bit of them can have been lost."""

from __future__ import annotations

import ast
from typing import Any

LONGEST = 1000
"""Celery cuts at 1024 characters; what comes near may have been cut."""
SCALARS = (type(None), bool, int, float, str)


class Lossy(ValueError):
    """The text does not say what the arguments were; its message tells why, for people."""


def arguments(args: str, kwargs: str) -> tuple[list[Any], dict[str, Any]]:
    """`args` and `kwargs` of an event as values. Raises `Lossy`."""
    positional, named = round_trip(args), round_trip(kwargs)
    if not isinstance(positional, (tuple, list)):
        raise Lossy("the args of the event are no tuple")
    if not isinstance(named, dict):
        raise Lossy("the kwargs of the event are no dict")
    return list(positional), named


def round_trip(text: str) -> Any:
    """The value that a repr text stands for, when writing it again gives the same text.

    Parses literals only, nothing is evaluated. Raises `Lossy`: Celery's reprs cut long strings and deep
    nesting with `...`, drop backslashes, and write bytes that are no UTF-8 as hexadecimal text.
    """
    if len(text) >= LONGEST:
        raise Lossy("the event's text is so long that it may have been cut")
    if "..." in text:
        raise Lossy("the event's text was cut (it holds ...)")
    if "\\" in text:
        raise Lossy("the event's text holds a backslash, which Celery does not write faithfully")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise Lossy("the event's text holds objects that cannot be read back") from None
    _check(value)
    if repr(value) != text:
        raise Lossy("the event's text reads as something else when it is written again")
    return value


def _check(value: Any) -> None:
    """Only what JSON carries; exact types, as a set or bytes would not survive."""
    if type(value) in SCALARS:
        return
    if type(value) in (list, tuple):
        for item in value:
            _check(item)
    elif type(value) is dict:
        for key, item in value.items():
            if type(key) is not str:
                raise Lossy("the event's text holds a dict with keys that are not text")
            _check(item)
    else:
        raise Lossy(f"the event's text holds {type(value).__name__}, which it does not write faithfully")
