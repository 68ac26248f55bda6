"""Asks the workers, round after round: who is there, what they run and hold, how they are set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from lazycelery.engine.backend import Backend
from lazycelery.engine.due import Due
from lazycelery.engine.hearing import Hearing
from lazycelery.engine.links import Links
from lazycelery.engine.looks import Looks
from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.model.reports import WorkerReport
from lazycelery.sources.control import LISTS, Control
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.whole import WholeBroker
from lazycelery.store.roll import YOUNG
from lazycelery.store.store import Store
from lazycelery.waiting import Breath, came, unhurried

SLOW_EVERY = 60.0
"""Seconds between rounds of registered and conf, which rarely change."""
HELD_EVERY = 30.0
"""Seconds between rounds of reserved and scheduled: their replies carry whole arguments."""
AGAIN = 1.0
"""Seconds until the next round, where a new worker has not answered all questions."""
TRIES = 5
"""Rounds in a row that ask a worker for its settings, while it answers other questions and not this one."""
FIRST = ("ping", "stats", "active", "active_queues")
HELD = ("ping", *LISTS)
LIMITS_EVERY = 10.0
"""Seconds between two questions for the rate limits in force, of workers that a check asks about: their
answers name every task."""
NOBODY = "No worker answers control calls."
FIRST_LOOK = 0.4
"""Seconds that the very first round waits."""


class Rounds:
    """The questions to all workers. `wanted` is set by whoever wants a round at once."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        links: Links,
        broker: WholeBroker,
        control: Control,
        clock: Callable[[], float],
        changed: Callable[[], None],
        queues: Looks,
        backend: Backend,
        hearing: Hearing,
        due: Due,
        wanted: asyncio.Event,
    ) -> None:
        self._profile, self._store, self._links, self._broker = profile, store, links, broker
        self._control, self._clock, self._changed = control, clock, changed
        self._queues, self._backend, self._hearing, self._due = queues, backend, hearing, due
        self._survey_wanted = wanted
        self.first_truth = asyncio.Event()
        """Control and queues have answered once, and the first sweep is done."""
        self.plays = False
        """Nobody is asked: a recording tells round after round by itself, as they were answered."""
        self.new_workers: Callable[[list[str]], Awaitable[None]] | None = None
        """Called with the names of workers that were surveyed for the first time."""
        self.surveyed: set[str] = set()
        """Workers that a round has asked, and that did not begin anew since."""
        self._repaired = 0
        """Gaps after which the backend was asked what had ended meanwhile."""
        self._told: set[str] = set()
        """Workers that have told their settings."""
        self._tries: Counter[str] = Counter()
        self._unheard = False
        """A worker that just came has not answered yet, or has not told its settings."""

    def all_again(self) -> None:
        """Ask the workers everything again, at once."""
        self._due.forget()
        self._survey_wanted.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        if "control" in self._broker.lacks:
            await self._without_control(self._broker.lacks["control"])
            return
        if self.plays:
            await self._as_it_plays()
            return
        await self._first_look()
        while True:
            self._survey_wanted.clear()
            await self._survey()
            rest = AGAIN if self._unheard else self._profile.control_refresh
            if await came(self._survey_wanted, min(rest, self._profile.control_refresh)):
                await asyncio.sleep(0.2)  # Workers come in groups: one round for all of them.

    async def _without_control(self, why: str) -> None:
        """Nobody can be asked: queues and results are all there is."""
        self._links.tell("control", StatusChange("off", why))
        await self._seen_without_answers()

    async def _as_it_plays(self) -> None:
        """What was answered last would look as if it had been answered now, by somebody who lives."""
        await self._control.mailbox.workers()  # Until all before the beginning has been told.
        self._links.unanswered("control", NOBODY)
        await self._seen_without_answers()

    async def _seen_without_answers(self) -> None:
        await self._queues.probe()
        await self._learn_backend()
        await self._queues.sweep()
        self.first_truth.set()
        self._changed()

    async def _first_look(self) -> None:
        """Those who answer at once are shown at once: one blocked worker must not hide the others."""
        try:
            reports = await self._control.survey(what=FIRST, timeout=FIRST_LOOK, clock=self._clock)
        except LazyCeleryError:
            return  # The round that follows says it.
        await self._take(report for report in reports if report.ping)
        self._changed()

    async def _take(self, reports: Iterable[WorkerReport]) -> None:
        breath = Breath()
        for report in reports:
            self._store.apply_worker(report)
            await breath.take()

    async def _survey(self) -> None:
        what = list(FIRST)
        if self._due.now("slow", SLOW_EVERY):
            what += ["registered", "conf"]
        if self._due.now("held", HELD_EVERY):
            what += ["reserved", "scheduled"]
        asked = self._clock()
        try:
            reports = await self._control.survey(what=what, timeout=self._profile.timeout, clock=self._clock)
        except LazyCeleryError as problem:
            self._due.forget()
            self._links.down("control", problem)
            self._hearing.note()
            if self._links["broker"].state == "connected" and not self.first_truth.is_set():
                # A broker that takes no questions, for an alarm or for its memory, still tells of itself.
                await self._seen_without_answers()
            return
        reports += self._unbound(reports, asked, self._clock())
        await self._take(reports)
        breath = Breath()
        answered = [report.worker for report in reports if report.ping]
        if answered:
            self._links.up("control")
        else:
            self._links.unanswered("control", NOBODY)
        fresh = [name for name in answered if name not in self.surveyed]
        if fresh and not set(what) >= {"registered", "conf"}:
            self.all_again()  # A worker that came between the slow rounds.
        await breath.take()
        young = (await self._young()).difference(answered)
        self.surveyed.update(report.worker for report in reports if report.worker not in young)
        self._told.update(report.worker for report in reports if report.conf is not None)
        await breath.take()
        self._forget_others({report.worker for report in reports})
        await breath.take()
        if "conf" in what:
            self._tries.update(answered)
            await self._learn_backend()
        untold = any(name not in self._told and self._tries[name] < TRIES for name in answered)
        if untold:
            self._due.forget("slow")  # Too late or too busy for that question: the next round has it again.
        self._unheard = untold or bool(young)
        self._changed()
        if fresh and self.new_workers is not None:
            await self.new_workers(fresh)
        if not self.first_truth.is_set():
            if not self._queues.all_consumed_seen():
                await self._queues.probe()  # Queues that nobody but their workers names.
            await self._queues.sweep()
            self.first_truth.set()
            self._changed()
        elif self._links["events"].gaps > self._repaired:
            self._repaired = self._links["events"].gaps
            await self._backend.repair()

    def _unbound(self, reports: Sequence[WorkerReport], asked: float, at: float) -> list[WorkerReport]:
        """Everybody was asked; whoever is not even bound any more is silent too."""
        named = {report.worker for report in reports}
        return [
            WorkerReport(worker=name, at=at, asked=asked, ping=False)
            for name in self._store.roll.names()
            if name not in named
        ]

    async def told(self, mailbox: Mailbox, what: Sequence[str], asked: float, at: float) -> None:
        """A round of a recording: it was `asked` when, and answered `at`. A question by itself proves nobody
        silent: `ping` alone waits for less time."""
        control, surveyed = Control(mailbox), [method for method in what if method != "query_task"]
        reports = await control.survey(what=surveyed, clock=lambda: at)
        answered = [report for report in reports if report.ping is not False]
        whole = "ping" in what and len(surveyed) > 1
        await self._take([*reports, *self._unbound(reports, asked, at)] if whole else answered)
        if "query_task" in what:
            self._store.apply_tasks(await control.query_tasks([]), at)
        if answered:
            self._links.up("control")
        elif whole:
            self._links.unanswered("control", NOBODY)
        self._changed()

    def _forget_others(self, names: set[str]) -> None:
        """Who is known no more is asked all again when it comes back; names that never do would pile up."""
        self.surveyed &= names
        self._told &= names
        for name in [name for name in self._tries if name not in names]:
            del self._tries[name]

    async def _young(self) -> set[str]:
        """Workers that came a moment ago: they say so before they listen."""
        now = self._clock()
        starts = await unhurried(self._store.roll.starts())
        return {name for name, (_, _, began) in starts if 0 <= now - began < YOUNG}

    async def _learn_backend(self) -> None:
        try:
            await self._backend.learn()
        except LazyCeleryError as problem:
            self._links.down("results", problem)

    async def ask(self, names: list[str]) -> None:
        """What these workers hold now, and what is unacknowledged after that."""
        if self.plays:
            return
        try:
            reports = await self._control.survey(
                destination=names,
                what=(*HELD, "registered") if self._due.now("limits", LIMITS_EVERY) else HELD,
                timeout=self._profile.timeout,
                clock=self._clock,
            )
            await self._take(report for report in reports if report.ping)
            await self._queues.look_in_flight()
        except LazyCeleryError:
            return  # The links tell.
        self._changed()
