"""Whether each entry was sent as often as it had to be: as far as our events prove it, and else why not."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence

import msgspec

from lazycelery.engine.links import Links
from lazycelery.engine.periodic import KEPT, Periodic
from lazycelery.insight.runs import of_interval, of_moments
from lazycelery.model.beat import BeatEntry, Runs
from lazycelery.model.timing import Timing
from lazycelery.sources.beat.clock import Ahead, Unknowable

PATIENCE = 30.0
"""Seconds that a sending may be late before it is called missing."""
OFF = 5.0
"""Seconds by which beat's clock may differ from ours."""
LOST = 0.002
"""Share of events that may be lost before nothing is proven by one that did not come."""
NOT_TOLD = "Beat does not tell what it sends: set task_send_sent_event = True."
NOT_HEARD = "Events are not heard."
LOSING = "Some events are lost: one that did not come proves nothing."
ZONELESS = "RedBeat does not tell the time zone of its entries: when it was due is not known here."
CLOCK = "Beat's clock and ours differ by {off:.0f} s."


class RunsSeen:
    """Remembers since when each entry has been as it is."""

    def __init__(self, periodic: Periodic, links: Links, loss: Callable[[], float | None]) -> None:
        self._periodic, self._links, self._loss = periodic, links, loss
        self._same: dict[str, tuple[bytes, float]] = {}
        self._moments: dict[str, _Moments] = {}

    async def note(self, entries: Sequence[BeatEntry], now: float) -> None:
        """Fill in `seen` where something can be said, and `unknown` where not."""
        shared = Counter(entry.task for entry in entries)
        known: dict[str, tuple[bytes, float]] = {}
        judged: list[tuple[BeatEntry, float]] = []
        for entry in entries:
            key = msgspec.json.encode((entry.task, entry.timing, entry.enabled))
            before = self._same.get(entry.name)
            same = before[1] if before is not None and before[0] == key else now
            known[entry.name] = (key, same)
            why = self._hindered(entry, shared[entry.task])
            if why is not None:
                entry.unknown["seen"] = why
            elif entry.enabled is not False and entry.task:
                judged.append((entry, self._since(entry, same)))
        changed = [name for name in self._same if known.get(name) != self._same[name]]
        for name in changed:
            self._moments.pop(name, None)
        self._same = known
        if judged:
            await asyncio.to_thread(self._judge, judged, now - PATIENCE)

    def _hindered(self, entry: BeatEntry, sharing: int) -> str | None:
        if entry.enabled is False or not entry.task:
            return None
        if sharing > 1:
            return f"{sharing} entries send {entry.task}: events cannot tell them apart."
        if self._links["events"].state != "connected":
            return NOT_HEARD
        if not self._periodic.told:
            return NOT_TOLD
        if (self._loss() or 0.0) > LOST:
            return LOSING
        if entry.timing.kind == "crontab" and abs(self._periodic.off) > OFF:
            return CLOCK.format(off=abs(self._periodic.off))
        return None

    def _since(self, entry: BeatEntry, same: float) -> float:
        """From when on nothing of it can have been missed."""
        times = self._periodic.sent.get(entry.task)
        full = times[0][0] if times and len(times) == KEPT else 0.0
        listened = self._periodic.since.get(entry.task, same)
        return max(same, listened, self._links["events"].since, self._periodic.told_since, full)

    def _judge(self, judged: Sequence[tuple[BeatEntry, float]], until: float) -> None:
        for entry, since in judged:
            if until > since:
                entry.seen = self._runs(entry, since, until)

    def _runs(self, entry: BeatEntry, since: float, until: float) -> Runs | None:
        told = [one for one in list(self._periodic.sent.get(entry.task, ())) if one[1]]
        if entry.timing.kind == "interval" and entry.timing.every and not entry.timing.relative:
            return of_interval(entry.timing.every, told, since, until, PATIENCE)
        if entry.timing.kind != "crontab":
            return None
        try:
            moments = self._moments.setdefault(entry.name, _Moments(since))
            due = moments.until(entry.timing, until)
            since = max(since, due[0]) if len(due) == KEPT else since
            return of_moments(due, told, since, until)
        except Unknowable as why:
            entry.unknown["seen"] = ZONELESS if entry.scheduler == "redbeat" else str(why)
            return None


class _Moments:
    """When one crontab was due since we looked first: each moment is computed once."""

    def __init__(self, since: float) -> None:
        self._past: deque[float] = deque(maxlen=KEPT)
        self._at, self._ahead = since, Ahead()

    def until(self, timing: Timing, moment: float) -> list[float]:
        """The newest `KEPT` up to `moment`. Raises `Unknowable`."""
        while (due := self._ahead.next_after(timing, self._at)) is not None and due <= moment:
            self._past.append(due)
            self._at = due
        return list(self._past)
