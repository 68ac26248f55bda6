"""What sendings prove of a schedule: which runs were missing, which came twice. Pure; our clock."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

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
ENOUGH = 3
"""Sendings by which a process shows that it follows an interval."""
NEAR = 0.25
"""Share of an interval by which beat may miss it, taken over all of its sendings."""
WIDE = 0.5
"""The same for a single one: one that comes late makes the time to the next one short."""
STEADY = 0.75
"""Share of a process's sendings that are on time, if it is a beat: code sends the same task when it likes."""
PROMPT = 15.0
"""Seconds after a moment of a crontab within which beat sends, unless it is held up."""


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


def keeps_interval(times: Sequence[float], every: float) -> bool:
    """Whether a process that sent a task at these times, ascending, does it once each interval."""
    if len(times) < ENOUGH:
        return False
    gaps = [later - earlier for earlier, later in pairwise(times)]
    near = sum(abs(gap - every) <= WIDE * every for gap in gaps)
    rounds = sum(max(1, round(gap / every)) for gap in gaps)  # A run that was left out is no slow pace.
    pace = (times[-1] - times[0]) / rounds
    return near >= STEADY * len(gaps) and abs(pace - every) <= NEAR * every


def _beats(sent: Sequence[Sending], keeps: Callable[[Sequence[float]], bool]) -> set[str]:
    """Processes that send by the schedule. What others send is neither a run of it nor one too many."""
    times = defaultdict[str, list[float]](list)
    for at, by in sent:
        times[by].append(at)
    return {by for by, own in times.items() if keeps(sorted(own))}


def of_interval(
    every: float, sent: Sequence[Sending], since: float, until: float, patience: float
) -> Runs | None:
    """Runs of an interval, counted from one sending to the next; `None` when nothing was due."""
    inside = [one for one in sent if since <= one[0] <= until]
    missing = Missing()
    beats = _beats(inside, lambda times: keeps_interval(times, every))
    doubled = _sooner([at for at, by in inside if by in beats], every)
    at, kept = since, 0
    for moment, _ in inside:
        if kept and moment - at < SOONER * every:
            continue
        if kept or moment - at > every + patience:
            gap = moment - at
            missing.add(at, every, round(gap / every) - 1 if gap > 1.5 * every + SLACK else 0)
        at, kept = moment, kept + 1
    if until - at > every + patience:
        missing.add(at, every, int((until - at - patience) // every))
    by = beats if doubled else {by for _, by in inside}
    return _runs(since, until, kept + missing.count, len(inside), missing, doubled, by)


def _sooner(times: Sequence[float], every: float) -> list[float]:
    """Sendings that came too soon after one that kept the interval."""
    found: list[float] = []
    kept: float | None = None
    for moment in times:
        if kept is not None and moment - kept < SOONER * every:
            found.append(moment)
        else:
            kept = moment
    return found


def of_moments(due: Sequence[float], sent: Sequence[Sending], since: float, until: float) -> Runs | None:
    """Runs at given moments, ascending: each is looked for until half of the time to the next one."""
    missing = Missing()
    doubled: list[float] = []
    inside: list[Sending] = []
    judged = [moment for moment in due if since <= moment <= until]
    beats = _beats([one for one in sent if since <= one[0] <= until], lambda times: _prompt(times, judged))
    for place, moment in enumerate(judged):
        later = judged[place + 1] if place + 1 < len(judged) else moment + 2 * REACH
        reach = min(REACH, (later - moment) / 2)
        came = [one for one in sent if moment - SLACK <= one[0] < moment + reach]
        inside += came
        if not came:
            missing.add(moment, 0.0, 1)
        elif sum(by in beats for _, by in came) > 1:
            doubled.append(moment)
    by = {by for _, by in inside if by in beats or not doubled}
    return _runs(since, until, len(judged), len(inside), missing, doubled, by)


def _prompt(times: Sequence[float], due: Sequence[float]) -> bool:
    """Whether a process sends at these moments, and hardly at others."""
    prompt = 0
    for at in times:
        last = bisect_right(due, at + SLACK) - 1
        prompt += last >= 0 and at - due[last] <= PROMPT
    return prompt >= STEADY * len(times)


def _runs(
    since: float,
    until: float,
    due: int,
    sent: int,
    missing: Missing,
    doubled: Sequence[float],
    by: Collection[str],
) -> Runs | None:
    if not due:
        return None
    return Runs(
        since=since,
        until=until,
        due=due,
        seen=sent,
        left_out=missing.count,
        twice=len(doubled),
        missing=missing.newest,
        doubled=list(doubled[-MOST:]),
        by=sorted(by)[:MOST],
    )
