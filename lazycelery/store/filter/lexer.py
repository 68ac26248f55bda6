"""A filter's text into words, fields and values, each with the column where it stands."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from lazycelery.errors import UsageError

MAX_LENGTH = 2000
_FIELD = re.compile(r"[A-Za-z_][\w.\-]*(?=:)")
_OPERATOR = re.compile(r">=|<=|>|<|=|~")
_SPACE = re.compile(r"\s+")
_BARE = re.compile(r"[^\s]+")
_BARE_ITEM = re.compile(r"[^\s,]*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.S)
_ESCAPE = re.compile(r"\\(.)", re.S)


@dataclass(frozen=True)
class RawValue:
    """One value as it was written: operator, text, and whether it stood in quotes."""

    operator: str
    text: str
    quoted: bool
    column: int = dataclasses.field(compare=False, default=0)


@dataclass(frozen=True)
class RawTerm:
    """One condition as it was written. `field` is None for a free word."""

    field: str | None
    values: tuple[RawValue, ...]
    negated: bool
    column: int = dataclasses.field(compare=False, default=0)


def wrong(column: int, what: str, hint: str = "") -> UsageError:
    """An error in a filter; columns count from 1."""
    return UsageError(f"column {column}: {what}", hint)


def terms(text: str) -> list[RawTerm]:
    """The conditions of a filter. Raises `UsageError`."""
    if len(text) > MAX_LENGTH:
        raise wrong(MAX_LENGTH + 1, f"the filter is longer than {MAX_LENGTH:,} characters")
    found: list[RawTerm] = []
    at = 0
    while True:
        if space := _SPACE.match(text, at):
            at = space.end()
        if at >= len(text):
            return found
        term, at = _term(text, at)
        found.append(term)


def _term(text: str, start: int) -> tuple[RawTerm, int]:
    negated = text[start] == "-" and start + 1 < len(text) and not text[start + 1].isspace()
    at = start + negated
    named = _FIELD.match(text, at)
    if named is None:
        value, at = _value(text, at, listed=False)
        return RawTerm(None, (value,), negated, start + 1), at
    at = named.end() + 1
    values: list[RawValue] = []
    while True:
        value, at = _value(text, at, listed=True)
        values.append(value)
        if at >= len(text) or text[at] != ",":
            return RawTerm(named[0], tuple(values), negated, start + 1), at
        at += 1


def _value(text: str, start: int, listed: bool) -> tuple[RawValue, int]:
    operator = _OPERATOR.match(text, start)
    at = operator.end() if operator else start
    sign = operator[0] if operator else ""
    if text.startswith('"', at):
        quoted = _QUOTED.match(text, at)
        if quoted is None:
            raise wrong(at + 1, "a quote is opened and never closed", 'Close it with ".')
        _check_end(text, quoted.end(), listed)
        return RawValue(sign, _ESCAPE.sub(r"\1", quoted[1]), True, at + 1), quoted.end()
    end = _regex_end(text, at) if sign == "~" else _bare_end(text, at, listed)
    if end == at:
        raise wrong(at + 1, "a value is missing", "Write it after the colon, without a space.")
    return RawValue(sign, text[at:end], False, at + 1), end


def _check_end(text: str, at: int, listed: bool) -> None:
    if at < len(text) and not text[at].isspace() and not (listed and text[at] == ","):
        raise wrong(at + 1, "something follows a closing quote", 'Inside quotes write \\" for a quote.')


def _bare_end(text: str, at: int, listed: bool) -> int:
    match = (_BARE_ITEM if listed else _BARE).match(text, at)
    return match.end() if match else at


def _regex_end(text: str, start: int) -> int:
    """A regular expression ends at a space that is in no bracket: `error:~time(d )?out`."""
    depth, in_set, at = 0, False, start
    while at < len(text):
        sign = text[at]
        if sign == "\\":
            at += 2
            continue
        if in_set:
            in_set = sign != "]"
        elif sign == "[":
            in_set = True
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign.isspace() and depth <= 0:
            return at
        at += 1
    return min(at, len(text))
