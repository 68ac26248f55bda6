"""The words of plans and proofs: counts, short ids, calls."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from typing import Any

from lazycelery.model.counting import agreed as agreed
from lazycelery.model.counting import count as count
from lazycelery.model.redaction import REDACTED, Redactor
from lazycelery.model.task import Task
from lazycelery.model.text import clean, short_value

LONGEST_CALL = 120
LONGEST_VALUE = 400
MOST_VALUES = 10


def short(id: str) -> str:
    """The first eight characters of an id, as lists show it."""
    return id[:8]


def listed(names: Iterable[str], most: int = 5) -> str:
    """`a`, `a and b`, `a, b and c`; beyond `most`, `a, b … and 7 more`."""
    every = list(names)
    if len(every) > most:
        return f"{', '.join(every[:most])} and {len(every) - most:,} more"
    *head, last = every or ["nobody"]
    return f"{', '.join(head)} and {last}" if head else last


def nearest(name: str, known: Iterable[str]) -> str:
    """`Did you mean default?`, or nothing."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"Did you mean {near[0]}?" if near else ""


def call(name: str | None, args: Any, kwargs: Any, redactor: Redactor) -> str:
    """`shop.charge(42, amount=1)`: redacted, then cut with `…`; `shop.charge(?)` when nobody knows."""
    inside = ", ".join(part for part in (_positional(args, redactor), _named(kwargs, redactor)) if part)
    inside = "?" if args is None and kwargs is None else inside
    text = f"{name or 'unknown task'}({inside})"
    return text if len(text) <= LONGEST_CALL else text[: LONGEST_CALL - 2] + "…)"


def named(id: str, task: Task | None) -> str:
    """`shop.charge[9f3c21ab]`."""
    return f"{(task.name if task else None) or 'task'}[{short(id)}]"


def _positional(args: Any, redactor: Redactor) -> str:
    if isinstance(args, str):
        return redactor.text(clean(args, LONGEST_VALUE)).strip("()[]").rstrip(",")
    if isinstance(args, (list, tuple)):
        return ", ".join(_value(item, redactor) for item in args[:MOST_VALUES])
    return ""


def _named(kwargs: Any, redactor: Redactor) -> str:
    if isinstance(kwargs, str):
        return "" if kwargs == "{}" else "**" + redactor.text(clean(kwargs, LONGEST_VALUE))
    if isinstance(kwargs, dict):
        pairs = itertools.islice(kwargs.items(), MOST_VALUES)
        return ", ".join(f"{key}={_under(str(key), item, redactor)}" for key, item in pairs)
    return ""


def _under(key: str, value: Any, redactor: Redactor) -> str:
    return REDACTED if redactor.secret(key) else _value(value, redactor)


def _value(value: Any, redactor: Redactor) -> str:
    # Cut first: a megabyte is not searched for secrets to show a line. The redactor knows cut text.
    return redactor.text(short_value(value, LONGEST_VALUE))
