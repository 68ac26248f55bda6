"""The doctor at work: gathers a snapshot, runs every check on it in slices, keeps what was found."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

import msgspec

from lazycelery.engine.beginning import Beginning
from lazycelery.engine.finding_marks import FindingMarks, MarkKind
from lazycelery.engine.links import Links
from lazycelery.engine.outage import Outage
from lazycelery.engine.periodic import Periodic
from lazycelery.engine.snapshots import SHARE, TRIES, Snapshots
from lazycelery.engine.watch import Watch
from lazycelery.insight.advice import more_patience
from lazycelery.insight.doctor import MODES, NEED_NO_BROKER, NEED_NO_WORKER, page
from lazycelery.insight.doctor.grouping import told
from lazycelery.insight.doctor.marks import marked, outgrown
from lazycelery.insight.doctor.memory import Memory
from lazycelery.insight.doctor.mode import Mode
from lazycelery.insight.doctor.schedule import entries
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.steps import nobody_answers, steps, with_steps
from lazycelery.model.cluster import Notice
from lazycelery.model.finding import RANK, Covered, Examination, Finding, FindingMark, Unchecked
from lazycelery.model.limits import Limits
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.redaction import Redactor
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.store.store import Store
from lazycelery.waiting import Breath, came, unhurried

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two examinations, at least."""
GLANCE = 0.2
"""Seconds between two looks for the first worker."""
STANDSTILL = 5.0
"""Seconds by which an examination comes late when this process was stopped, its machine slept, or the clock
was set."""
MOST = 200
"""Findings that are told."""
HELD_FOR_NOBODY = frozenset({"message-orphaned", "duplicate-delivery", "chord-stuck"})
"""What is judged by unacknowledged messages or chords: when it is cured, that should be seen soon."""
OF_BROKER = frozenset({"broker-memory", "reply-queue-leak", "event-queue-backlog"})
"""What the broker tells of itself, likewise."""
ASK_EVERY = 3.0
"""Seconds between two questions to workers that a check wants to be sure of."""
ASKED = 20
"""Workers asked at once: their replies carry arguments."""


class Examiner:
    """Examines now and then; `last` is what faces are told."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        links: Links,
        watch: Watch,
        clock: Callable[[], float],
        changed: Callable[[], None],
        notes: Callable[[], list[str]],
        queues: Callable[[], Awaitable[list[Queue]]],
        marks: FindingMarks,
        periodic: Periodic | None = None,
    ) -> None:
        self._marks = marks
        self._profile, self._store, self._links, self._watch = profile, store, links, watch
        self._clock, self._changed, self._notes = clock, changed, notes
        self._redactor = Redactor(profile.redact, defaults=profile.redact_default)
        limits = msgspec.convert(profile.doctor, Limits)
        self.periodic = periodic or Periodic()
        self.snapshots = Snapshots(profile, store, links, watch, clock, notes, queues, limits, self.periodic)
        self._memory, self._outage = Memory(clock()), Outage()
        self.snapshots.ill = lambda now: self._memory.habits(MODES, now)
        self._lock = asyncio.Lock()
        self._told: list[tuple[str, ...]] = []
        self._looked: tuple[object, ...] = ()
        """The state of the links at the last examination."""
        self._asking: asyncio.Future[None] | None = None
        self._asked, self._turn = 0.0, 0
        self._soon = asyncio.Event()
        """Something happened that is worth a look at once."""
        self._due = math.inf
        """When the next examination is to begin, our clock."""
        self._alive = False
        """Whether any worker lived at the last examination."""
        self.beginning = Beginning(clock(), profile.workers_grace)
        self.last = Examination()
        self.present: set[tuple[str, str]] = set()
        """Code and subject of all that is found, also of what a cause or a mark hides."""
        self.covered: list[Covered] = []
        """Of these, what another finding speaks for, and nobody put off."""
        self.examined: Callable[[Examination, set[tuple[str, str]], list[Covered]], None] | None = None
        """Called after each examination, with what is present and what another finding speaks for."""

    def soon(self) -> None:
        """Look again at once: what was seen just now should not wait."""
        self._soon.set()

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._due, self._asked = self._due + by, self._asked + by
        for each in (self._memory, self._outage, self.beginning, self.snapshots, self.periodic):
            each.clock_set(by)

    async def run(self) -> None:
        """Examine until cancelled. A bug in a check ends neither the others nor the examiner."""
        while True:
            try:
                examination = await self.examine()
            except Exception:
                logger.exception("the examination failed")
                await asyncio.sleep(5 * EVERY)
                continue
            rest = max(EVERY, (examination.cost or 0.0) / SHARE)
            self._due = self._clock() + rest
            await self._rest(rest)

    async def _rest(self, seconds: float) -> None:
        """Until the next examination; no longer than until a worker comes where none was."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and (self._alive or self._nobody()):
            if await came(self._soon, left if self._alive else min(left, GLANCE)):
                break
        self._soon.clear()

    def _nobody(self) -> bool:
        return not self._store.roll.living(self._clock(), most=1)

    async def fresh(self) -> Examination:
        """The last examination, or another one when a link has changed since."""
        return self.last if await self._state() == self._looked else await self.examine()

    async def _state(self) -> tuple[object, ...]:
        links = tuple((link.name, link.state, link.reason) for link in self._links.all())
        workers = await unhurried(self._store.roll.states(self._clock()))
        return (*links, tuple(workers), self._watch.first_truth.is_set())

    async def examine(self) -> Examination:
        """Look at everything now."""
        async with self._lock:
            began = time.process_time()
            breath = Breath()
            self._looked = await self._state()
            for _ in range(TRIES):
                seen = await self.snapshots.take(breath)
                sets = self.snapshots.sets
                examination, found = await self._judge(seen, breath)
                if sets == self.snapshots.sets:
                    break  # Else our clock was set meanwhile, and what was found is dated by the old one.
            noted = self._memory.note(found, MODES, seen.now, seen.settled and seen.connected)
            self.present = {(one.code, one.subject) for one in noted}
            codes = {code for code, _ in self.present}
            self._watch.looks.hasten = not HELD_FOR_NOBODY.isdisjoint(codes)
            self._watch.looks.doubts_broker = not OF_BROKER.isdisjoint(codes)
            all_of = told(noted)
            said = sorted(
                all_of.said,
                key=lambda finding: (RANK[finding.severity], finding.since or 0.0, finding.code),
            )[:MOST]
            await self._mark(examination, said, seen.now)
            asked = seen.connected and nobody_answers(seen) and not self.beginning.awaited(seen.now)
            if asked or seen.source("broker").state in ("lost", "refused"):
                examination.steps = steps(seen)
            with_steps(examination.findings, examination.steps)
            examination.cost = round(time.process_time() - began, 4)
            self._keep(examination)
            self.covered = await self._covered(all_of.covered, seen.now)
            if self.examined is not None:
                self.examined(examination, self.present, self.covered)
            tasks = {entry.task for entry in entries(seen)} | {entry.task for entry in seen.schedule}
            self.periodic.listen(tasks - {""}, self._clock())
            await self._ask(seen, breath)
            return examination

    async def _judge(self, seen: Snapshot, breath: Breath) -> tuple[Examination, list[Finding]]:
        """Run all checks on a snapshot."""
        self._alive = bool(seen.alive)
        self.beginning.note(seen.settled, self._alive, seen.now)
        if not seen.replay:  # That tells of its links itself, and jumps.
            self._watch_out(seen)
        examination = Examination(at=seen.now, watched=round(seen.watched, 1))
        found: list[Finding] = []
        for mode in MODES.values():
            await breath.take()
            await self._run(mode, seen, found, examination, breath)
        return examination, found

    def _watch_out(self, seen: Snapshot) -> None:
        if seen.now > self._due + STANDSTILL:
            self._outage.woke(seen.now, self.present)
        self._outage.note(
            seen.connected,
            seen.source("broker").state in ("lost", "refused"),
            seen.now,
            blocked=bool(seen.broker and seen.broker.blocked),
            present=self.present,
        )

    def as_recorded(self, change: StatusChange) -> None:
        """The broker was reached, or no more, as a recording tells: it may be there again before anybody
        examines."""
        lost, at = change.state in ("lost", "refused"), change.at or self._clock()
        self._outage.note(change.state == "connected", lost, at, present=self.present)

    async def anew(self) -> None:
        """Another moment of a recording: what was found on the way lasts no more, where time stands still."""
        async with self._lock:
            self._memory = Memory(self._clock())
        self.soon()

    async def _mark(self, examination: Examination, said: list[Finding], now: float) -> None:
        """Put aside what somebody snoozed. An engine that goes on also ends the marks that no longer hold."""
        marks = await self._marks.fresh()
        examination.findings, examination.snoozed = marked(said, marks, now)
        examination.healthy = not examination.findings
        if self._profile.recorder:
            ended = outgrown(said, self._marks.now, now)
            ended += self._marks.gone(self.present, set(examination.checked), now)
            await self._marks.end(ended)

    async def _covered(self, covered: list[Covered], now: float) -> list[Covered]:
        """What somebody put off stays so, also where another finding speaks for it now."""
        _, snoozed = marked([one.finding for one in covered[:MOST]], await self._marks.fresh(), now)
        put_off = {id(finding) for finding in snoozed}
        return [one for one in covered[:MOST] if id(one.finding) not in put_off]

    async def mark(
        self, code: str, subject: str, kind: MarkKind, seconds: float | None, note: str
    ) -> FindingMark:
        """Acknowledge or snooze a finding, or take that back; the next examination knows it."""
        until = None if seconds is None else self._clock() + seconds
        examination, replay = await self.examine(), self.snapshots.replay
        mark = await self._marks.put(examination, code, subject, kind, until, note, replay)
        await self.examine()
        return mark

    async def _ask(self, seen: Snapshot, breath: Breath) -> None:
        """Ask the workers about which a check wants to be sure."""
        busy = self._asking is not None and not self._asking.done()
        if busy or not seen.connected or not seen.settled or 0 <= seen.now - self._asked < ASK_EVERY:
            return
        wanted: set[str] = set()
        for mode in MODES.values():
            await breath.take()
            wanted |= mode.asks(seen)
        names = sorted(wanted)
        if names:
            self._asked = seen.now
            at = self._turn % len(names)
            self._turn += ASKED
            self._asking = asyncio.ensure_future(self._watch.rounds.ask((names[at:] + names[:at])[:ASKED]))
            self._asking.add_done_callback(lambda _done: self.soon())

    async def close(self) -> None:
        """End a question that is under way, and what is read."""
        await self.snapshots.close()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _run(
        self, mode: Mode, seen: Snapshot, found: list[Finding], examination: Examination, breath: Breath
    ) -> None:
        why, hindered = _blind(mode, seen), self._hindered(mode, seen.now)
        findings: list[Finding] = []
        try:
            if why is None:
                why, findings = mode.blind(seen), await unhurried(mode.check(seen), breath)
                if hindered is not None:
                    findings = self._outage.still(mode.code, findings)
        except Exception:
            logger.exception("check %s failed", mode.code)
            examination.unchecked.append(
                Unchecked(code=mode.code, why="The check failed: a defect of this program; see its log.")
            )
            return
        for finding in findings:
            finding.page = page(finding.code)
            self._redact(finding)
            await breath.take()
        found += findings
        if hindered is None and (why is None or findings):
            examination.checked.append(mode.code)
        else:
            examination.unchecked.append(Unchecked(code=mode.code, why=why or hindered or ""))

    def _hindered(self, mode: Mode, now: float) -> str | None:
        """Why it cannot judge yet; only what was found before still holds."""
        return self._outage.hinders(mode.code, now) or self.beginning.hinders(mode.code, now)

    def _redact(self, finding: Finding) -> None:
        """Texts that came from tasks, errors above all, may hold secrets."""
        hide = self._redactor.text
        finding.title, finding.fix = hide(finding.title), hide(finding.fix)
        for fact in finding.evidence:
            fact.text = hide(fact.text)
            if isinstance(fact.value, str):
                fact.value = hide(fact.value)

    def _keep(self, examination: Examination) -> None:
        """Faces are told when something that they show is different."""
        told: list[tuple[str, ...]] = [
            (one.code, one.subject, one.severity, one.title, one.mark.kind if one.mark else "")
            for one in (*examination.findings, *examination.snoozed)
        ]
        changed, self._told = told != self._told, told
        self.last = examination
        if changed:
            self._changed()

    def notices(self, snoozed: bool = False) -> list[Notice]:
        """Findings and notes in the few fields of a notice; also of what is `snoozed`, when asked for."""
        findings = [*self.last.findings, *(self.last.snoozed if snoozed else ())]
        notices = [
            Notice(
                code=one.code,
                severity=one.severity,
                title=one.title,
                subject=one.subject,
                hint=one.fix,
                since=one.since,
                kind=one.kind,
            )
            for one in findings
        ]
        return notices + [Notice(code="note", severity="info", title=text) for text in self._notes()]


def _blind(mode: Mode, seen: Snapshot) -> str | None:
    """Why nothing but the connection itself can be judged yet."""
    if mode.code in NEED_NO_BROKER:
        return None
    if not seen.connected:
        return seen.source("broker").reason or "The broker does not answer yet."
    if mode.code not in NEED_NO_WORKER and seen.lacks.keys() >= {"events", "control"}:
        return seen.lacks["control"]
    control = seen.source("control")
    unasked = control.state in ("lost", "refused") and not any(one.answered for one in seen.workers)
    if seen.settled and unasked and mode.code not in (*NEED_NO_WORKER, "monitor-behind"):
        return f"Workers cannot be asked. {control.reason}"
    if seen.settled:
        return None
    return "Workers and queues have not answered yet." + more_patience(seen.replay)
