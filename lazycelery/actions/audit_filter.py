"""The filter of the audit log: words, `field:word`, `since:` and `until:`; a `-` before one negates it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.action import AuditEntry
from lazycelery.store.filter.lexer import RawValue
from lazycelery.store.filter.quantities import moment

TIMES = ("since", "until")
FIELDS = (
    *("action", "broker", "host", "ok", "origin", "outcome", "profile", "target", "title", "user"),
    *TIMES,
)
"""What a filter may name as `field:word`. `origin` is the SSH client's address."""
SLACK = 86_400.0
"""Seconds by which lines may be out of order: sessions of several machines write into one file."""


@dataclass(frozen=True)
class AuditFilter:
    """Conditions, all of which an entry must meet."""

    tests: list[Callable[[AuditEntry], bool]] = field(default_factory=list)
    since: float = 0.0
    """Epoch seconds; nothing older matches."""

    def matches(self, entry: AuditEntry) -> bool:
        """Whether an entry meets all of them."""
        return entry.time >= self.since and all(test(entry) for test in self.tests)

    def ends_at(self, entry: AuditEntry) -> bool:
        """Whether nothing that is older than this entry can match. A line that cannot be read has no time."""
        return 0.0 < entry.time < self.since - SLACK


def parse(text: str, now: float) -> AuditFilter:
    """Read a filter. Raises `UsageError` for an unknown field and for what is no time."""
    tests: list[Callable[[AuditEntry], bool]] = []
    since = 0.0
    for word in text.lower().split():
        negated = len(word) > 1 and word.startswith("-")
        name, value = _condition(word[1:] if negated else word)
        if name in TIMES:
            at = moment(RawValue("", value, False)).at(now)
            if name == "since" and not negated:
                since = max(since, at)
                continue
            # Not before a time is after it.
            tests.append(_until(at) if (name == "until") is not negated else _after(at))
        else:
            tests.append(_word(name, value, negated))
    return AuditFilter(tests, since)


def _condition(word: str) -> tuple[str | None, str]:
    """(field, value); without a field it is looked for everywhere."""
    name, colon, value = word.partition(":")
    if not colon or "/" in value[:1]:
        return None, word
    if name not in FIELDS:
        raise UsageError(f"Unknown field {name!r} in the filter.", f"Known: {', '.join(FIELDS)}.")
    return name, value


def _until(at: float) -> Callable[[AuditEntry], bool]:
    return lambda entry: entry.time <= at


def _after(at: float) -> Callable[[AuditEntry], bool]:
    return lambda entry: entry.time > at


def _word(name: str | None, value: str, negated: bool) -> Callable[[AuditEntry], bool]:
    def test(entry: AuditEntry) -> bool:
        return _holds(entry, name, value) is not negated

    return test


def _holds(entry: AuditEntry, name: str | None, value: str) -> bool:
    if name is None:
        return value in msgspec.json.encode(entry).decode().lower()
    if name == "target":
        return any(value in target.lower() for target in entry.targets)
    return (
        value in str(getattr(entry, name) or "").lower() if name != "ok" else value in str(entry.ok).lower()
    )
