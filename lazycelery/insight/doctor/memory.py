"""What was seen before: patience, lingering, and since when. So that findings stand still."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lazycelery.insight.doctor.mode import Mode
from lazycelery.model.finding import RANK, Finding

MOST = 2000
"""Findings that are remembered."""
AT_FIRST = 1.0
FIRST_LOOKS = 3.0
"""Seconds after the first settled look within which the rest of what was there before us is seen."""
NEW_USUAL = 86_400.0
"""Seconds after which what was found is usual by itself."""


class Remembered(msgspec.Struct):
    """One finding over time."""

    finding: Finding
    first: float
    last: float
    ahead: float = 0.0
    """By how much `first` was put earlier, as no patience was asked of it."""
    before: bool = False
    """Whether it was there before us, as far as we can tell."""


class Memory:
    """Findings by code and subject."""

    def __init__(self, began: float = float("inf")) -> None:
        """`began`: when we began to look; what is dated later than that was dated by our looks."""
        self._kept: dict[tuple[str, str], Remembered] = {}
        self._began = began
        self._settled: float | None = None
        """When the first settled look was."""

    def note(
        self, found: Sequence[Finding], modes: dict[str, Mode], now: float, settled: bool = True
    ) -> list[Finding]:
        """Take in what an examination found; returns what is worth saying, most severe first.

        What the first settled look sees was there before us: a patience of a second is not asked of it.
        """
        head_start = 0.0
        if settled and self._settled is None:
            head_start, self._settled = AT_FIRST, now
        before = self._settled is None or abs(now - self._settled) <= FIRST_LOOKS
        fresh = set()
        for finding in found[:MOST]:
            key = (finding.code, finding.subject)
            fresh.add(key)
            known = self._kept.get(key)
            if known is None:
                self._kept[key] = Remembered(finding, now - head_start, now, head_start, before)
            else:
                # What is counted over a window moves along with it: it holds since it was seen first.
                if finding.since is not None and known.finding.since is not None:
                    finding.since = min(finding.since, known.finding.since)
                known.finding, known.first, known.last = finding, min(known.first, now), now
        self._kept = {
            key: one
            for key, one in self._kept.items()
            if key in fresh or abs(now - one.last) <= self._lingers(key, one, modes)
        }
        said = [self._dated(one) for key, one in self._kept.items() if self._said(key, one, modes)]
        return sorted(said, key=lambda finding: (RANK[finding.severity], finding.since or 0.0, finding.code))

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back: it is found for as long as before."""
        self._began += by
        self._settled = None if self._settled is None else self._settled + by
        for one in self._kept.values():
            one.first, one.last = one.first + by, one.last + by
            if one.finding.since is not None:
                one.finding.since += by

    def habits(self, modes: dict[str, Mode], now: float) -> dict[tuple[str, str], float]:
        """Of which task names and queues something unusual is found, and since when; for a day."""
        found: dict[tuple[str, str], float] = {}
        for (code, subject), one in self._kept.items():
            kind = modes[code].habit
            if kind is not None and 0 <= now - one.first < NEW_USUAL:
                found[kind, subject] = min(one.first, found.get((kind, subject), one.first))
        return found

    def _lingers(self, key: tuple[str, str], one: Remembered, modes: dict[str, Mode]) -> float:
        # What was not said yet has nothing to linger for.
        mode = modes[key[0]]
        return mode.lingers if one.last - one.first >= mode.patience else 0.0

    def _said(self, key: tuple[str, str], one: Remembered, modes: dict[str, Mode]) -> bool:
        return one.last - one.first >= modes[key[0]].patience

    def _dated(self, one: Remembered) -> Finding:
        ours = one.finding.since is None or one.finding.since >= self._began
        if one.finding.since is None:
            one.finding.since = max(min(one.first + one.ahead, one.last), 0.0)
        one.finding.at_least = ours and one.before
        return one.finding
