"""What lies at a path of a value, and whether it is what a filter looks for."""

from __future__ import annotations

from typing import Any

from lazycelery.store.filter.parser import PathTest

MISSING = object()


def step(value: Any, name: str) -> Any:
    """One step into a value: a key, or a number in a list; `MISSING` when there is nothing."""
    if isinstance(value, dict):
        if name in value:
            return value[name]
        number = int(name) if name.isdecimal() and len(name) < 19 else None
        return value.get(number, MISSING) if number is not None else MISSING
    if isinstance(value, (list, tuple)) and name.isdecimal() and len(name) < 10:
        return value[int(name)] if int(name) < len(value) else MISSING
    return MISSING


def leaf(value: Any, test: Any) -> bool:
    """Whether what was found is what a `PathTest` wants."""
    assert isinstance(test, PathTest)
    if test.numbers is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        return test.numbers.holds(value)
    return test.text is not None and any(test.text.matches(form) for form in _forms(value))


def _forms(value: Any) -> tuple[str, ...]:
    if value is None:
        return ("None", "null")
    if isinstance(value, int) and value.bit_length() > 4000:
        return ()
    return (str(value),)
