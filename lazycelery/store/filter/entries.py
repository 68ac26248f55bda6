"""Filters on what the history holds beside tasks: the language of all filters, with fields of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from lazycelery.model.recorded import RecordedKind
from lazycelery.model.text import short_value
from lazycelery.store.filter.lexer import RawTerm, RawValue, terms, wrong
from lazycelery.store.filter.quantities import moment
from lazycelery.store.filter.texts import TextMatch, text_match

FIELDS: dict[RecordedKind, tuple[str, ...]] = {
    "events": ("id", "type", "name", "worker"),
    "findings": ("code", "subject", "severity", "title"),
    "samples": ("queue", "worker", "state"),
}
TIMES = ("since", "until")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
Texts = Mapping[str, str | None]


@dataclass(frozen=True)
class Condition:
    """On one field, or on any text where it is ""."""

    field: str
    tests: tuple[TextMatch, ...]
    negated: bool

    def holds(self, text: str | None) -> bool:
        """Whether it holds for this text; what is unknown is like nothing."""
        return (text is not None and any(test.matches(text) for test in self.tests)) is not self.negated


@dataclass(frozen=True)
class EntryFilter:
    """All conditions must hold."""

    kind: RecordedKind
    conditions: tuple[Condition, ...] = ()
    since: float = float("-inf")
    until: float = float("inf")
    id: str | None = None
    """The one task whose events are asked for, where its whole id is told."""

    @property
    def timed(self) -> bool:
        """Whether a time is asked for."""
        return self.since > float("-inf") or self.until < float("inf")

    def on(self, field: str) -> Callable[[str | None], bool] | None:
        """What a field must be, as far as this alone can tell; `None` for anything."""
        own = [each for each in self.conditions if each.field == field]
        return (lambda text: all(each.holds(text) for each in own)) if own else None

    def within(self, at: float | None) -> bool:
        """Whether a moment is asked for; an unknown one is where none is."""
        return not self.timed if at is None else self.since <= at <= self.until

    def overlaps(self, began: float | None, ended: float | None) -> bool:
        """Whether some of a time is asked for."""
        if began is None:
            return not self.timed
        return began <= self.until and (ended is None or ended >= self.since)

    def holds(self, texts: Texts, more: Callable[[], str] = str) -> bool:
        """Whether all conditions hold for fields and, of free words, what `more` tells."""
        return all(
            each.holds(texts[each.field]) if each.field else self._anywhere(each, texts, more)
            for each in self.conditions
        )

    @staticmethod
    def _anywhere(condition: Condition, texts: Texts, more: Callable[[], str]) -> bool:
        words = [*(text for text in texts.values() if text is not None), more()]
        return any(test.matches(word) for word in words for test in condition.tests) is not condition.negated


def entry_filter(kind: RecordedKind, text: str, now: float) -> EntryFilter:
    """Read a filter. Raises `UsageError` that tells the column, and the nearest field where there is one."""
    conditions: list[Condition] = []
    since, until, one = [float("-inf")], [float("inf")], None
    for raw in terms(text):
        field = _field(kind, raw)
        if field in TIMES:
            told = moment(raw.values[0], end=field == "until").at(now)
            # The other side of a moment: what was before it, or after it.
            (since if (field == "since") is not raw.negated else until).append(told)
            continue
        if whole := _whole_id(kind, field, raw):
            one = whole
            conditions.append(Condition("id", (TextMatch("whole", whole.lower()),), False))
            continue
        tests = tuple(text_match(value, anchored=bool(field)) for value in raw.values)
        conditions.append(Condition(field, tests, raw.negated))
    return EntryFilter(kind, tuple(conditions), max(since), min(until), one)


def _field(kind: RecordedKind, raw: RawTerm) -> str:
    if raw.field is None:
        return ""
    field, known = raw.field.lower(), (*FIELDS[kind], *TIMES)
    if field in known:
        return field
    near = get_close_matches(field, known, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}?" if near else f"Fields of {kind} are {', '.join(known)}."
    shown = short_value(raw.field, 40)
    raise wrong(
        raw.column + raw.negated, f"unknown field {shown}", f"{hint} For plain text with a colon use quotes."
    )


def _whole_id(kind: RecordedKind, field: str, raw: RawTerm) -> str | None:
    """The one id that is meant: `id:=ID`, or a UUID, whether `id:` stands before it or not."""
    if kind != "events" or field not in ("", "id") or raw.negated or len(raw.values) > 1:
        return None
    value: RawValue = raw.values[0]
    exact = value.operator == "=" and field == "id" and ("*" not in value.text or value.quoted)
    plain = value.operator in ("", "=") and _UUID.fullmatch(value.text.lower())
    return value.text if exact else value.text.lower() if plain else None
