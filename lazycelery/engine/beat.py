"""Beat as the engine knows it: the workers' settings and a scheduler's own store, joined, with last and next
runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lazycelery.engine.beat_runs import RunsSeen
from lazycelery.engine.links import Links
from lazycelery.engine.periodic import Periodic
from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.beat import Beat, BeatEntry, SchedulerState
from lazycelery.model.profile import Profile
from lazycelery.sources.beat import MOST, choice, open_schedules
from lazycelery.sources.beat.clock import Ahead, Unknowable
from lazycelery.sources.beat.conf import read_conf
from lazycelery.sources.protocols.schedules import ScheduleReport, Schedules
from lazycelery.store.store import Store
from lazycelery.waiting import Breath, unhurried

logger = logging.getLogger(__name__)

FRESH = 2.0
"""Seconds for which an answer need not be asked again."""
EVERY = 30.0
"""Seconds between two looks at a scheduler's store, when nobody asks."""
DOUBTFUL = 300.0
"""The same, where none was found."""
SETTLE = 2.0
"""Seconds after the first truth until the first look: one-shot commands end before it."""
SHARED = "{number} entries send {task}: events cannot tell them apart."
UNSEEN = "Not seen yet. Beat tells what it sends with task_send_sent_event = True, workers with -E what came."
WRITTEN_LATER = "Its scheduler writes runs down minutes later: whether this one was sent is not known yet."
DISABLED = "It is disabled."


class Beats:
    """Reads when asked, and now and then."""

    def __init__(
        self, profile: Profile, store: Store, links: Links, periodic: Periodic, clock: Callable[[], float]
    ) -> None:
        self._profile, self._store, self._links = profile, store, links
        self._periodic, self._clock = periodic, clock
        self._ahead = Ahead()
        self._runs = RunsSeen(periodic, links, store.loss)
        self._expiry, self._renewed = 0.0, 0.0
        """When RedBeat's lock was to be given up, as last read, and when that was last put off."""
        self.last: Beat | None = None
        """The newest answer."""
        self.schedules: Schedules | None = None
        """The scheduler's own store, where there is one."""
        self._url: str | None = None
        self._broken: LazyCeleryError | None = None
        self._found = False
        self._lock = asyncio.Lock()
        self._at = 0.0

    async def run(self, first_truth: asyncio.Event) -> None:
        """Look now and then until cancelled: checks want to know what is due."""
        await first_truth.wait()
        await asyncio.sleep(SETTLE)
        while True:
            try:
                await self.read()
            except LazyCeleryError:
                pass  # Whoever asks is told.
            except Exception:
                logger.exception("the schedules could not be read")
            known = self.last is not None and bool(self.last.entries)
            await asyncio.sleep(EVERY if self._found or known else DOUBTFUL)

    async def read(self, max_age: float = FRESH) -> Beat:
        """All entries, not redacted."""
        async with self._lock:
            if self.last is None or time.monotonic() - self._at > max_age or not max_age:
                self.last = await self._read()
                self._at = time.monotonic()
                tasks = {entry.task for entry in self.last.entries if entry.task}
                self._periodic.listen(tasks | self._periodic.names, self._clock())
            return msgspec.structs.replace(
                self.last, entries=[msgspec.structs.replace(one) for one in self.last.entries]
            )

    async def switch(self, name: str, on: bool) -> bool:
        """Enable or disable an entry in its scheduler's store; false when it was so already."""
        if self.schedules is None:
            raise Refused("No scheduler with a switch is known.", nothing_done=True)
        try:
            return await self.schedules.switch(name, on)
        finally:
            self._at = 0.0

    def commands_sent(self) -> int:
        """Commands sent to the scheduler's store."""
        return self.schedules.commands_sent() if self.schedules is not None else 0

    async def close(self) -> None:
        """Let go of the connections."""
        if self.schedules is not None:
            await self.schedules.close()

    # ---- gathering

    async def _read(self) -> Beat:
        now, confs = self._clock(), await self._confs()
        told: Mapping[str, Any] | None = None
        beat = Beat(at=now)
        entries: dict[str, BeatEntry] = {}
        breath, cut = Breath(), False
        for conf in confs:
            await breath.take()
            if told is None and choice.scheduler_of(conf):
                told = conf
            cut = cut or len(conf.get("beat_schedule") or ()) > MOST
            for entry in read_conf(conf):
                entries.setdefault(entry.name, entry)
        told = told or (confs[0] if confs else {})
        await self._from_store(told, beat, entries)
        if hidden := choice.hidden(told, self._profile):
            beat.schedulers.append(hidden)
        own = sum(entry.scheduler == "conf" for entry in entries.values())
        if own:
            state = SchedulerState(
                name="conf", place="the workers' settings", state="connected", entries=own, at=now
            )
            state.why_not = choice.NO_SWITCH
            state.cut = cut
            beat.schedulers.append(state)
        beat.entries = sorted(entries.values(), key=lambda entry: entry.name)
        self._note_events(beat.entries, now)
        await asyncio.to_thread(_compute, beat.entries, now, self._ahead)
        await self._runs.note(beat.entries, now)
        return beat

    async def _confs(self) -> list[Mapping[str, Any]]:
        """Settings of the workers that told any, those that live first."""
        told = await unhurried(self._store.roll.confs(self._clock()))
        return [conf for _, conf in sorted(told, key=lambda each: not each[0])]

    async def _from_store(self, conf: Mapping[str, Any], beat: Beat, entries: dict[str, BeatEntry]) -> None:
        chosen = choice.schedules_url(conf, self._profile)
        await self._turn_to(chosen.url)
        if self._broken is not None and chosen.certain:
            raise self._broken
        if self.schedules is None:
            return
        state = SchedulerState(name=self.schedules.name, place=self.schedules.url, state="connected")
        try:
            report = await self.schedules.read()
        except LazyCeleryError as problem:
            if chosen.certain or self._found:
                state.state, state.reason, state.hint = "refused", problem.title, problem.hint
                beat.schedulers.append(state)
            return
        self._found = self._found or report.present
        if not report.present and not chosen.certain:
            await self.schedules.close()  # RedBeat is not used here: no connection is kept for it.
            return
        if report.note:
            beat.notes.append(report.note)
        self._join(report, state, entries)
        beat.schedulers.append(state)

    async def _turn_to(self, url: str | None) -> None:
        if url == self._url:
            return
        before, self._url, self._broken, self._found = self.schedules, url, None, False
        self.schedules = None
        if before is not None:
            await before.close()
        if url is not None:
            try:
                self.schedules = open_schedules(url, self._profile)
            except LazyCeleryError as problem:
                self._broken = problem

    def _join(self, report: ScheduleReport, state: SchedulerState, entries: dict[str, BeatEntry]) -> None:
        state.entries, state.cut = len(report.entries), report.total > MOST
        state.locked, state.at, state.switches = report.locked, self._clock(), True
        if report.locked is not None:
            expiry = self._clock() + report.locked
            if expiry > self._expiry + 1:
                self._expiry, self._renewed = expiry, self._clock()
            state.renewed = self._renewed
        for entry in report.entries:
            same = entries.get(entry.name)
            if same is not None:
                entry.static = True
                entry.timing.zone = entry.timing.zone or same.timing.zone
            entries[entry.name] = entry

    # ---- when

    def _note_events(self, entries: list[BeatEntry], now: float) -> None:
        """Entries of the settings have no memory that can be read: events alone tell of their runs."""
        shared = Counter(entry.task for entry in entries)
        for entry in entries:
            times = self._periodic.sent.get(entry.task) if shared[entry.task] == 1 else None
            if times and (entry.scheduler == "conf" or entry.written):
                if entry.last_run is None or times[-1][0] > entry.last_run + 1:
                    entry.last_run, entry.sources["last_run"] = times[-1][0], "event"
                    entry.unknown.pop("last_run", None)
            elif entry.scheduler == "conf":
                many = SHARED.format(number=shared[entry.task], task=entry.task)
                entry.unknown["last_run"] = many if shared[entry.task] > 1 else UNSEEN
            if entry.scheduler == "conf" and not self._heard_since(entry.last_run):
                entry.unknown["late"] = "Events were not heard all the time since."

    def _heard_since(self, moment: float | None) -> bool:
        events = self._links["events"]
        return moment is not None and events.state == "connected" and events.since <= moment


def _compute(entries: list[BeatEntry], now: float, ahead: Ahead) -> None:
    """Next runs and lateness. In a thread: Celery is imported for it."""
    for entry in entries:
        if entry.next_run is None and "next_run" not in entry.unknown:
            _next(entry, now, ahead)
        entry.due = entry.next_run
        if entry.enabled is False:
            entry.next_run, entry.unknown["next_run"] = None, DISABLED
            continue
        if entry.next_run is not None and "late" not in entry.unknown:
            entry.late = max(0.0, now - entry.next_run)
            if 0 < entry.late <= entry.written:
                _past(entry, now, ahead)


def _past(entry: BeatEntry, now: float, ahead: Ahead) -> None:
    """It was due a moment ago, and its scheduler would not have written that down yet."""
    entry.late, entry.unknown["late"] = None, WRITTEN_LATER
    with contextlib.suppress(Unknowable):
        every = entry.timing.every or 0.0
        begin = now if entry.timing.kind != "interval" else now - (now - (entry.next_run or now)) % every
        entry.next_run = ahead.next_after(entry.timing, begin)


def _next(entry: BeatEntry, now: float, ahead: Ahead) -> None:
    """After its last run, where that is surely known; a crontab without one after now."""
    sure = entry.last_run is not None and "late" not in entry.unknown
    begin = entry.last_run if sure else now
    if not sure and entry.timing.kind == "interval":
        begin = entry.last_run or entry.since
    if begin is None:
        entry.unknown["next_run"] = "An interval counts from its last run, which is not known."
        return
    try:
        entry.next_run = ahead.next_after(entry.timing, begin)
    except Unknowable as why:
        entry.unknown["next_run"] = str(why)
    else:
        entry.sources["next_run"] = "computed"
        if entry.next_run is None:
            entry.unknown["next_run"] = "It is never due again."
