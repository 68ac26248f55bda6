"""What sendings prove of a schedule: which runs were missing, which came twice. Pure; our clock."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.beat import Runs

Sending = tuple[float, str]
"""When, and by which process."""
MOST = 10
"""Moments that are told one by one."""
SLACK = 5.0
"""Seconds that a sending may be off beside what is counted."""
SOONER = 0.75
"""Of an interval: beat counts it from its last sending, so that it may come later, and never much sooner."""
REACH = 60.0
"""Seconds after its moment in which a run of a crontab is looked for, at most."""


class Missing:
    """Counted, however many there are; the newest are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.newest: list[float] = []

    def add(self, after: float, every: float, number: int) -> None:
        """So many moments, one interval apart."""
        self.count += number
        first = max(1, number - MOST + 1)
        self.newest = [*self.newest, *(after + n * every for n in range(first, number + 1))][-MOST:]


def of_interval(
    every: float, sent: Sequence[Sending], since: float, until: float, patience: float
) -> Runs | None:
    """Runs of an interval, counted from one sending to the next; `None` when nothing was due."""
    inside = [one for one in sent if since <= one[0] <= until]
    missing = Missing()
    doubled: list[float] = []
    at, kept = since, 0
    for moment, _ in inside:
        if kept and moment - at < SOONER * every:
            doubled.append(moment)
            continue
        if kept or moment - at > every + patience:
            gap = moment - at
            missing.add(at, every, round(gap / every) - 1 if gap > 1.5 * every + SLACK else 0)
        at, kept = moment, kept + 1
    if until - at > every + patience:
        missing.add(at, every, int((until - at - patience) // every))
    return _runs(since, until, kept + missing.count, inside, missing, doubled)


def of_moments(due: Sequence[float], sent: Sequence[Sending], since: float, until: float) -> Runs | None:
    """Runs at given moments, ascending: each is looked for until half of the time to the next one."""
    missing = Missing()
    doubled: list[float] = []
    inside: list[Sending] = []
    judged = [moment for moment in due if since <= moment <= until]
    for place, moment in enumerate(judged):
        later = judged[place + 1] if place + 1 < len(judged) else moment + 2 * REACH
        reach = min(REACH, (later - moment) / 2)
        came = [one for one in sent if moment - SLACK <= one[0] < moment + reach]
        inside += came
        if not came:
            missing.add(moment, 0.0, 1)
        elif len(came) > 1:
            doubled.append(moment)
    return _runs(since, until, len(judged), inside, missing, doubled)


def _runs(
    since: float,
    until: float,
    due: int,
    sent: Sequence[Sending],
    missing: Missing,
    doubled: Sequence[float],
) -> Runs | None:
    if not due:
        return None
    return Runs(
        since=since,
        until=until,
        due=due,
        seen=len(sent),
        left_out=missing.count,
        twice=len(doubled),
        missing=missing.newest,
        doubled=list(doubled[-MOST:]),
        by=sorted({by for _, by in sent})[:MOST],
    )
