"""A filter's text into conditions that can be matched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import partial

from lazycelery.model.states import FAULTY, LABELS, State
from lazycelery.model.text import short_value
from lazycelery.store.filter.lexer import RawTerm, RawValue, terms, wrong
from lazycelery.store.filter.quantities import Moment, Span, moment, number, span
from lazycelery.store.filter.texts import TextMatch, text_match
from lazycelery.store.marks import SOURCES

TEXTS = (
    *("name", "worker", "queue", "id", "root", "group", "error", "args", "kwargs", "result", "error_group"),
    "tag",
)
YES_NO = ("yes", "no")
DURATIONS = ("runtime", "wait", "age")
TIMES = ("since", "until")
PATHS = ("args", "kwargs", "result")
FIELDS = ("state", *TEXTS, "retries", *DURATIONS, *TIMES, "source", "dealt")
FAULTS = "faults"

Test = TextMatch | Span | Moment | frozenset[int] | int


@dataclass(frozen=True)
class PathTest:
    """A value inside the arguments: equal as text, a pattern, or a number in a span."""

    text: TextMatch | None
    numbers: Span | None


@dataclass(frozen=True)
class Term:
    """One condition: any of `tests` must hold, or none when `negated`."""

    field: str
    """"" for a free word."""
    path: tuple[str, ...]
    tests: tuple[Test | PathTest, ...]
    negated: bool
    raw: RawTerm

    @property
    def moving(self) -> bool:
        """Whether the answer changes by time alone."""
        if self.field == "age":
            return True
        return any(isinstance(test, Moment) and test.ago is not None for test in self.tests)


@dataclass(frozen=True)
class Filter:
    """All conditions must hold. `str` of it is a filter with the same meaning."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(_written(term.raw) for term in self.terms)

    @property
    def moving(self) -> bool:
        """Whether the answer changes by time alone."""
        return any(term.moving for term in self.terms)


def parse(text: str) -> Filter:
    """Read a filter. Raises `UsageError` that tells the column, and the nearest name where there is one."""
    return Filter(tuple(_term(raw) for raw in terms(text)))


def _term(raw: RawTerm) -> Term:
    if raw.field is None:
        return Term("", (), (text_match(raw.values[0], anchored=False),), raw.negated, raw)
    field, _, rest = raw.field.lower().partition(".")
    if rest and field in PATHS:
        path = tuple(raw.field.split(".")[1:])
        if not all(path):
            raise wrong(
                raw.column + raw.negated, "a path with an empty step", "Write kwargs.order.id:7 or args.0:9."
            )
        return Term(field, path, tuple(_path_test(value) for value in raw.values), raw.negated, raw)
    reader = _READERS.get(field) if not rest else None
    if reader is None:
        raise _unknown_field(raw)
    return Term(field, (), tuple(reader(value) for value in raw.values), raw.negated, raw)


def _unknown_field(raw: RawTerm) -> Exception:
    name = raw.field or ""
    head, dotted, _ = name.lower().partition(".")
    near = get_close_matches(head, PATHS if dotted else FIELDS, n=1, cutoff=0.6 if dotted else 0.5)
    shown = short_value(name, 40)
    quoting = "For plain text with a colon use quotes."
    if near:
        hint = f"Did you mean {near[0]}? {quoting}"
    elif dotted:
        hint = "Paths begin with args, kwargs or result, such as kwargs.order.id:7."
    else:
        hint = f"Fields are {', '.join(FIELDS)}. {quoting}"
    return wrong(raw.column + raw.negated, f"unknown field {shown}", hint)


def _text(value: RawValue) -> TextMatch:
    return text_match(value, anchored=True)


def _state(value: RawValue) -> frozenset[int]:
    word = value.text.lower()
    if value.operator not in ("", "="):
        raise wrong(value.column, f"a state takes no {value.operator}", "Write state:failure,retry.")
    if word in (FAULTS, "fault", "faulty"):
        return frozenset(FAULTY)
    if "*" in word and not value.quoted:
        return frozenset(
            int(state) for label, state in LABELS.items() if fnmatchcase(label, word.replace("[", "[[]"))
        )
    if word in LABELS:
        return frozenset({int(LABELS[word])})
    near = get_close_matches(word, [*LABELS, FAULTS], n=1, cutoff=0.5)
    known = ", ".join(state.label for state in State)
    hint = f"Did you mean {near[0]}?" if near else f"States are {known}."
    raise wrong(value.column, f"unknown state {short_value(value.text, 40)}", hint)


def _yes_no(value: RawValue) -> TextMatch:
    if value.text.lower() not in YES_NO or value.operator not in ("", "="):
        raise wrong(value.column, f"neither yes nor no: {short_value(value.text, 40)}", "Write dealt:yes.")
    return text_match(value, anchored=True, whole=True)


def _source(value: RawValue) -> int:
    bit = SOURCES.get(value.text.lower())
    if bit is None or value.operator not in ("", "="):
        raise wrong(
            value.column,
            f"unknown source {short_value(value.text, 40)}",
            f"Sources are {', '.join(SOURCES)}.",
        )
    return bit


def _path_test(value: RawValue) -> PathTest:
    if value.operator in (">", "<", ">=", "<="):
        return PathTest(None, span(value, seconds=False))
    exact = text_match(value, anchored=True, whole=True)
    plain = exact.kind == "whole" and not value.quoted
    one = number(value.text) if plain else None
    return PathTest(exact, Span(one, one) if one is not None else None)


_READERS: dict[str, Callable[[RawValue], Test]] = {
    **dict.fromkeys(TEXTS, _text),
    **dict.fromkeys(DURATIONS, lambda value: span(value, seconds=True)),
    **dict.fromkeys(TIMES, moment),
    "until": partial(moment, end=True),
    "state": _state,
    "source": _source,
    "dealt": _yes_no,
    "retries": lambda value: span(value, seconds=False),
}


def _written(raw: RawTerm) -> str:
    values = ",".join(_written_value(value) for value in raw.values)
    return f"{'-' if raw.negated else ''}{f'{raw.field}:' if raw.field is not None else ''}{values}"


def _written_value(value: RawValue) -> str:
    if not value.quoted:
        return f"{value.operator}{value.text}"
    escaped = value.text.replace("\\", "\\\\").replace('"', '\\"')
    return f'{value.operator}"{escaped}"'
