"""A filter against waiting messages. It decides what is removed, so what a message does not tell matches
no condition, negated or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lazycelery.errors import UsageError
from lazycelery.model.message import Message
from lazycelery.model.states import State
from lazycelery.store.filter.lexer import wrong
from lazycelery.store.filter.parser import Term, parse
from lazycelery.store.filter.paths import MISSING, leaf, step
from lazycelery.store.filter.quantities import Span
from lazycelery.store.filter.texts import TextMatch
from lazycelery.store.notes import TAG

READ: dict[str, Callable[[Message], Any]] = {
    "name": lambda message: message.task,
    "id": lambda message: message.id,
    "root": lambda message: message.root_id,
    "group": lambda message: message.group_id,
    "retries": lambda message: message.retries,
    "tag": lambda message: message.headers.get(TAG),
    "age": lambda message: message.age,
    "args": lambda message: message.args if message.decoded else None,
    "kwargs": lambda message: message.kwargs if message.decoded else None,
}
"""Fields that a waiting message can tell."""
FREE = ("name", "id", "args", "kwargs")


class MessageFilter:
    """Which messages are meant. Raises `UsageError` for a wrong filter, and for what no message tells."""

    def __init__(self, text: str, queue: str) -> None:
        self._queue = queue
        self._terms = parse(text).terms
        if not self._terms:
            raise UsageError("The filter is empty.", "Say which messages, such as name:shop.charge.")
        for term in self._terms:
            _check(term)

    def matches(self, message: Message) -> bool:
        """Whether every condition is known to hold."""
        return all(self._holds(term, message) for term in self._terms)

    def _holds(self, term: Term, message: Message) -> bool:
        found = self._found(term, message)
        return found is not None and found is not term.negated

    def _found(self, term: Term, message: Message) -> bool | None:
        if not term.field:
            return self._word(term, message)
        if term.field == "state":
            return any(State.WAITING in test for test in term.tests if isinstance(test, frozenset))
        if term.path:
            return _at_path(term, message)
        value = self._queue if term.field == "queue" else READ[term.field](message)
        if value is None:
            return None
        if isinstance(value, (int, float)):
            return any(test.holds(value) for test in term.tests if isinstance(test, Span))
        return _any(term, _text(value))

    def _word(self, term: Term, message: Message) -> bool | None:
        values = [READ[field](message) for field in FREE]
        if any(value is not None and _any(term, _text(value)) for value in values):
            return True
        return False if message.decoded and message.task is not None else None


def _at_path(term: Term, message: Message) -> bool | None:
    value = READ[term.field](message)
    if value is None:
        return None
    for name in term.path:
        value = step(value, name)
        if value is MISSING:
            return False
    return any(leaf(value, test) for test in term.tests)


def _check(term: Term) -> None:
    if term.field and term.field not in READ and term.field not in ("queue", "state"):
        raise wrong(
            term.raw.column + term.negated,
            f"a waiting message has no {term.field}",
            f"It has {', '.join(READ)}, and paths such as kwargs.order.id:7.",
        )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def _any(term: Term, text: str) -> bool:
    return any(test.matches(text) for test in term.tests if isinstance(test, TextMatch))
