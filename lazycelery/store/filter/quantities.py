"""Numbers, durations and times as a filter writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from lazycelery.store.filter.lexer import RawValue, wrong

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.I)
DAY, HALF_A_DAY = timedelta(days=1), 43_200.0
_CLOCK = re.compile(r"\d\d:\d\d")
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")


@dataclass(frozen=True)
class Span:
    """An interval of numbers; an end that is not included has its flag off."""

    low: float = float("-inf")
    high: float = float("inf")
    with_low: bool = True
    with_high: bool = True

    def holds(self, number: float) -> bool:
        """Whether a number lies within. NaN never does."""
        above = number >= self.low if self.with_low else number > self.low
        return above and (number <= self.high if self.with_high else number < self.high)


@dataclass(frozen=True)
class Moment:
    """A time: `ago` seconds before now, the last time that it was `clock` (or the nearest), or at `epoch`."""

    ago: float | None = None
    epoch: float = 0.0
    clock: time | None = None
    nearest: bool = False

    def at(self, now: float) -> float:
        """Epoch seconds."""
        if self.clock is not None:
            today = datetime.combine(datetime.fromtimestamp(now, self.clock.tzinfo), self.clock)
            ahead = today.timestamp() - now
            return (today if ahead <= (HALF_A_DAY if self.nearest else 0) else today - DAY).timestamp()
        return self.epoch if self.ago is None else now - self.ago


def duration(text: str) -> float | None:
    """Seconds of `5s`, `1m`, `2h30m`, `250ms`, `1d`, or of a plain number; `None` for anything else."""
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number[:15]) * UNITS[unit.lower()] for number, unit in parts)


def number(text: str) -> float | None:
    """A plain number, or `None`."""
    return float(text) if _NUMBER.fullmatch(text) else None


def span(value: RawValue, seconds: bool) -> Span:
    """An interval: `5`, `>5`, `>=5`, `1..5`, `..5`, with units for durations."""
    read = duration if seconds else number
    if value.operator == "~":
        raise wrong(value.column, "~ searches text, and this is a number", "Use > or <.")
    low_text, dots, high_text = value.text.partition("..")
    if dots and not value.operator:
        low, high = (read(text) if text else None for text in (low_text, high_text))
        if (low is None and low_text) or (high is None and high_text) or (low is None and high is None):
            raise _unreadable(value, seconds)
        return Span(float("-inf") if low is None else low, float("inf") if high is None else high)
    one = read(value.text)
    if one is None:
        raise _unreadable(value, seconds)
    return {
        ">": Span(low=one, with_low=False),
        ">=": Span(low=one),
        "<": Span(high=one, with_high=False),
        "<=": Span(high=one),
    }.get(value.operator, Span(one, one))


def moment(value: RawValue, end: bool = False) -> Moment:
    """A time: relative (`1h` means an hour ago), ISO 8601, or a time of day (`14:30` is the last one, of an
    `end` the nearest); local when it has no zone."""
    if value.operator not in ("", "="):
        raise wrong(value.column, "a time takes no operator", "Write since:1h or until:2026-11-21T10:00.")
    ago = duration(value.text)
    if ago is not None and not _NUMBER.fullmatch(value.text):
        return Moment(ago=ago)
    try:
        text = value.text[:-1] + "+00:00" if value.text[-1:] in "Zz" and value.text else value.text
        if _CLOCK.match(text):
            return Moment(clock=time.fromisoformat(text), nearest=end)
        return Moment(epoch=datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError, OSError):
        hint = "Write 30s, 5m, 1h, 2d, 14:30, or an ISO time such as 2026-11-21T10:00."
        raise wrong(value.column, f"{value.text!r} is no time", hint) from None


def _unreadable(value: RawValue, seconds: bool) -> Exception:
    if seconds:
        return wrong(
            value.column, f"{value.text!r} is no duration", "Write 250ms, 5s, 1m, 2h30m, 1d, or 1s..5s."
        )
    return wrong(value.column, f"{value.text!r} is no number", "Write 3, >3 or 1..3.")
