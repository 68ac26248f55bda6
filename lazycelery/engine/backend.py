"""The result backend as the engine keeps it: found, watched, asked, and changed when workers say so."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable

import msgspec

from lazycelery.engine.links import Links
from lazycelery.engine.slices import in_slices
from lazycelery.errors import LazyCeleryError
from lazycelery.model.facts import Chord
from lazycelery.model.limits import Limits
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.model.states import OF_RESULT, State
from lazycelery.sources.protocols.results import Results
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results
from lazycelery.sources.results.choice import backend_url
from lazycelery.store.runs import ENDED
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

SWEEP = 200
"""Newest results looked at when watching begins."""
DOUBTFUL = 2000
SETTLE = 0.25
"""Seconds between two look-ups of doubtful results."""
FEW, NEARLY = 20, 0.75
"""Chords that are looked at more often, and the share of the time from which on."""
REPAIR = 500
"""Unfinished tasks whose results are asked for after a gap."""
UNSEEN_AGAIN = 300.0
"""Seconds after which those that could not be asked for are asked for again."""
UNSEEN_EVERY = 5.0
"""Seconds between two looks for tasks that ended unseen."""
FEW_UNSEEN = 100
"""Of them asked for together."""
UNSEEN, UNKNOWN = 5_000, State.UNKNOWN.label
"""Tasks that ended unseen, the newest, whose results are asked for at all."""


class Backend:
    """Results flow into the store for as long as `run` runs; none at all is no error."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        links: Links,
        clock: Callable[[], float],
        changed: Callable[[], None],
        lacking: str | None = None,
    ) -> None:
        """`lacking`: why no backend is ever read, whoever names one."""
        self._profile, self._store, self._links = profile, store, links
        self._clock, self._changed, self._lacking = clock, changed, lacking
        self._stuck_after = msgspec.convert(profile.doctor, Limits).chord
        self.results: Results | None = None
        self.chords: list[Chord] | None = None
        """Chords that are not complete; `None` where the backend does not tell."""
        self._url: str | None = None
        self._doubtful: dict[str, None] = {}
        """Ids, in order, whose results were announced and that may not be ours."""
        self._turned = asyncio.Event()
        """Another backend is to be watched."""

    async def learn(self) -> None:
        """Take up what the workers' conf says now. Raises `UsageError` for a broken URL."""
        if self._lacking:
            self._links.tell("results", StatusChange("off", self._lacking))
            return
        url, why = backend_url(self._told(), self._profile)
        if url is None:
            self._links.tell("results", StatusChange("off", why))
        if url == self._url:
            return
        before, self._url = self.results, url
        if url is not None:
            self.results, why = open_results(url, self._profile)
            if self.results is None:
                self._links.tell("results", StatusChange("off", why))
        self._turned.set()
        if before is not None:
            await before.close()

    def _told(self) -> str | None:
        for _, conf in self._store.roll.confs(self._clock()):
            said = conf.get("result_backend")
            if isinstance(said, str) and said:
                return said
        return None

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        for chord in self.chords or ():
            chord.since += by

    @property
    def notes(self) -> list[str]:
        """What a person should know about how results are read."""
        note = getattr(self.results, "note", "")
        return [note] if note else []

    async def sweep(self) -> None:
        """Some of the newest results. Raises `LazyCeleryError`."""
        if self.results is not None:
            self.take(await self.results.newest(SWEEP))
            self._links.heard("results")  # Whether they are watched, the watching tells.

    async def repair(self) -> None:
        """After a gap: how the unfinished tasks ended meanwhile."""
        if self.results is None:
            return
        ids = self._store.select("state:started,received,retry,unknown", REPAIR, self._clock())
        with contextlib.suppress(LazyCeleryError):  # The link tells; the next gap tries again.
            self.take(list((await self.results.get(ids)).values()))

    async def look_at_chords(self) -> None:
        """Note how far chords are, where the backend tells."""
        ask = getattr(self.results, "chords", None)
        if ask is None:
            self.chords = None
            return
        with contextlib.suppress(LazyCeleryError):  # The link tells.
            found: list[Chord] = await ask()
            before = {chord.group: chord for chord in self.chords or ()}
            for chord in found:
                known = before.get(chord.group)
                same = known is not None and known.done == chord.done
                chord.since = known.since if known is not None and same else self._moved(chord)
                chord.names = sorted({name for one in chord.members if (name := self._store.name(one))})
            self.chords = found

    def _moved(self, chord: Chord) -> float:
        """When a member was done last: as their events tell, where all of them are known; else now."""
        now = self._clock()
        ended = [task.finished for one in chord.members if (task := self._store.task(one, now)) is not None]
        known = [at for at in ended if at is not None]
        return min(now, max(known)) if known and len(known) == chord.done else now

    @property
    def chords_due(self) -> bool:
        """Whether a few chords will have waited for too long in a moment: then it should be known how far
        they are."""
        waiting = [chord for chord in self.chords or () if chord.done < chord.size]
        if len(waiting) > FEW:
            return False
        return any(self._clock() - chord.since >= NEARLY * self._stuck_after for chord in waiting)

    def take(self, reports: list[ResultReport]) -> None:
        """Results that are surely ours."""
        self._store.apply_results(reports, self._clock())
        self._links.heard("results")
        self._changed()

    def heard(self, reports: list[ResultReport]) -> None:
        """Results as they are announced. The channel carries no database number, so that a task nobody
        has heard of may be another application's: it is looked up first."""
        self.take([report for report in reports if self._store.knows(report.id)])
        for report in reports:
            if not self._store.knows(report.id) and len(self._doubtful) < DOUBTFUL:
                self._doubtful[report.id] = None

    async def _settle_doubts(self, results: Results) -> None:
        while True:
            await asyncio.sleep(SETTLE)
            ids, self._doubtful = list(self._doubtful), {}
            if ids:
                with contextlib.suppress(LazyCeleryError):  # The link tells.
                    self.take(list((await results.get(ids)).values()))

    async def _ask_unseen(self, results: Results) -> None:
        """How tasks ended of which nobody saw the end, those of the recorded history too: once each. Nothing
        where results are read one by one: that costs too much, and who opens a task would wait."""
        due: dict[str, float] = {}
        while not results.one_by_one:
            await asyncio.sleep(UNSEEN_EVERY)
            if not self._store.counts().get(UNKNOWN):
                continue
            unseen = await in_slices(self._store.select_steps(f"state:{UNKNOWN}", UNSEEN, self._clock()))
            now = time.monotonic()
            fresh = [each for each in unseen if due.get(each, 0.0) <= now][:FEW_UNSEEN]
            if not fresh:
                continue
            again = math.inf
            try:
                found = await results.get(fresh)
                # What it says of others may be of a run that nobody saw the end of either.
                self.take([one for one in found.values() if OF_RESULT.get(one.status) in ENDED])
            except Exception as problem:  # One of them may be what it does not take: others go on.
                again = now + UNSEEN_AGAIN
                if not isinstance(problem, LazyCeleryError):  # Of that the link tells.
                    logger.exception("asking for what ended unseen")
            due = {each: due[each] for each in unseen if each in due} | dict.fromkeys(fresh, again)

    async def run(self) -> None:
        """Watch whichever backend it is, until cancelled."""
        while True:
            self._turned.clear()
            watching = asyncio.ensure_future(self._watch())
            try:
                await self._turned.wait()
            finally:
                watching.cancel()
                await asyncio.wait([watching])

    async def _watch(self) -> None:
        results = self.results
        if results is None:
            return

        def tell(change: StatusChange) -> None:
            if results is self.results:
                self._links.tell("results", change)

        beside = [asyncio.ensure_future(each(results)) for each in (self._settle_doubts, self._ask_unseen)]
        try:
            await results.run(self.heard, tell)
            await asyncio.wait(beside)  # Where nothing tells of new results.
        finally:
            for each in beside:
                each.cancel()

    async def close(self) -> None:
        """Let go of the connections."""
        if self.results is not None:
            await self.results.close()
