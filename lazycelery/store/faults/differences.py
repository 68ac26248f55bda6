"""What the tasks of a group have in common, and in which they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any

from lazycelery.model.faults import Difference, Share
from lazycelery.store.columns import Columns
from lazycelery.store.faults.kinds import Slots
from lazycelery.store.filter.matching import value_at
from lazycelery.store.filter.paths import MISSING
from lazycelery.store.marks import CUTS

LOOKED_AT = 1000
"""Newest tasks that are compared."""
AT_ONCE = 50
VALUES = 5
PATHS = 30
"""Paths into arguments that are told."""
LONGEST = 80
"""Characters of a value."""
DEEP = 3


def differences(
    columns: Columns, slots: Slots, hide: Callable[[str, Any], Any]
) -> Generator[None, None, list[Difference]]:
    """`hide` takes a path and its value and returns it without secrets. In slices of a few milliseconds."""
    found: dict[str, Counter[str]] = {}
    wholes: dict[str, bool] = {}
    for number, slot in enumerate(slots[-LOOKED_AT:].tolist(), 1):
        for field, value in _fields(columns, slot):
            found.setdefault(field, Counter())[value] += 1
        for path, leaf in _leaves(columns, slot):
            shown = hide(path, leaf)
            text = str(shown)[:LONGEST]
            if path in found or len(found) < 5 + PATHS:
                found.setdefault(path, Counter())[text] += 1
                wholes[path] = wholes.get(path, True) and shown == leaf and len(str(leaf)) <= LONGEST
        if number % AT_ONCE == 0:
            yield
    told = [_told(field, values, wholes.get(field, True)) for field, values in found.items()]
    # First what all have in common, then what nearly all have, and last what is another each time.
    return sorted(told, key=lambda one: (not one.same, -_top(one), one.field))


def _told(field: str, values: Counter[str], whole: bool) -> Difference:
    most = [Share(value=value, count=count) for value, count in values.most_common(VALUES)]
    one = Difference(
        field=field, same=len(values) == 1, values=most, distinct=len(values), known=sum(values.values())
    )
    if whole and field != "hour":
        one.filter = condition("name" if field == "task" else field, most[0].value)
    return one


def _top(one: Difference) -> float:
    return one.values[0].count / one.known


def condition(field: str, value: str) -> str:
    """A condition of the filter language for exactly this value."""
    if value and all(char.isalnum() or char in "-_.@/:" for char in value):
        return f"{field}:={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:="{escaped}"'


def _fields(columns: Columns, slot: int) -> Iterator[tuple[str, str]]:
    for field, text in (
        ("task", columns.names.texts[columns.name[slot]]),
        ("worker", columns.workers.texts[columns.worker[slot]]),
        ("queue", columns.queues.texts[columns.queue[slot]]),
    ):
        if text is not None:
            yield field, text
    if columns.since[slot]:
        yield "hour", str(int(columns.since[slot] // 3600 * 3600))
    if columns.retries[slot] >= 0:
        yield "retries", str(columns.retries[slot])


def _leaves(columns: Columns, slot: int) -> Iterator[tuple[str, Any]]:
    for field in ("args", "kwargs"):
        text = columns.sealed.text(field, slot)
        if text is not None and len(text) < 8192:
            value = value_at(text, bool(columns.cut[slot] & CUTS[field]), ())
            if value is not MISSING:
                yield from _walk(field, value, 0)


def _walk(path: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (dict, list, tuple)) and depth < DEEP:
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        for number, (step, inner) in enumerate(steps):
            if number >= PATHS:
                break
            name = str(step)
            if name.replace("_", "a").replace("-", "a").isalnum():
                yield from _walk(f"{path}.{name}", inner, depth + 1)
    elif isinstance(value, (str, int, float, bool)) or value is None:
        yield path, value
