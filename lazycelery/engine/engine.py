"""The engine in this process: an `EngineApi` over sources, store and actions."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Literal

from lazycelery.actions import cut_off
from lazycelery.engine.answers import Answers
from lazycelery.engine.comparing import Comparing
from lazycelery.engine.errors import ErrorAnswers
from lazycelery.engine.parts import Parts
from lazycelery.engine.rewinding import Rewound
from lazycelery.engine.seconds import Seconds
from lazycelery.engine.summary import overview
from lazycelery.errors import ConnectionProblem, LazyCeleryError, NothingFound, Refused
from lazycelery.model.action import ActionName, AuditEntry, Order, Outcome, Plan
from lazycelery.model.alert import TurnPage
from lazycelery.model.beat import Beat
from lazycelery.model.bulk import Bulk, Progress
from lazycelery.model.cluster import LogPage, Overview, Tick
from lazycelery.model.completion import Completion
from lazycelery.model.faces import by_face
from lazycelery.model.faults import ErrorDetail, ErrorPage, ErrorQuery, HeatBy, HeatMap, Mark
from lazycelery.model.finding import Examination, FindingMark
from lazycelery.model.history import HistoryPage, HistoryQuery
from lazycelery.model.message import Message, PeekPage
from lazycelery.model.metrics import Metrics
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.service import LogText
from lazycelery.model.sla import Objective
from lazycelery.model.statistics import Comparison, Kind, Statistics
from lazycelery.model.task import Task, TaskPage, TaskQuery
from lazycelery.model.verdict import Thing, Verdict
from lazycelery.model.worker import Pulse, Worker, WorkerDetail
from lazycelery.waiting import unhurried

logger = logging.getLogger(__name__)

NEEDS: dict[ActionName, str] = {
    **dict.fromkeys(("revoke", "terminate", "events", "pool", "consumers", "limits", "shutdown"), "control"),
    **dict.fromkeys(("move", "delete", "requeue", "export"), "shift"),
    "purge": "purge",
}
"""What a broker must have for an action; where it lacks that, this is why the action cannot be had."""
OF_TASKS = ("retry", "revoke", "terminate")
"""Actions that choose among the tasks that are known."""


class Engine:
    """One cluster, watched. `start` returns at once; what is not known yet is said to be unknown."""

    def __init__(
        self, profile: Profile, clock: Callable[[], float] = time.time, rewound: Rewound | None = None
    ) -> None:
        self._parts = parts = Parts(profile, clock, rewound)
        self._profile, self._store, self._links = parts.profile, parts.store, parts.links
        self._broker, self._watch, self._switch = parts.broker, parts.watch, parts.switch
        self._actions, self._services, self._guard = parts.actions, parts.services, parts.guard
        self._examiner, self._memory, self._changes = parts.examiner, parts.memory, parts.changes
        self._answers, self._seconds = Answers(parts), Seconds(parts)
        self._comparing = Comparing(parts.profile, parts.store, parts.memory, parts.clock)
        self._errors = ErrorAnswers(parts)
        self._own: list[asyncio.Task[None]] = []
        self._closed = False
        self._followed = False
        """Another engine goes on with what was kept of the recording."""

    # ---- life

    async def start(self) -> None:
        """Begin to watch; returns at once."""
        await self._memory.begin()
        if self._parts.vigil is not None:
            self._parts.vigil.start()
        self._watch.start()
        self._own = [asyncio.create_task(each.run()) for each in (self._seconds, self._examiner)]
        if self._parts.rules is not None:
            self._own.append(asyncio.create_task(self._parts.rules.run()))
        if self._parts.player is None:
            self._own.append(asyncio.create_task(self._parts.roll_call.run()))
        self._own.append(asyncio.create_task(self._parts.beats.run(self._watch.first_truth)))

    async def close(self) -> None:
        """Stop. What was begun is finished first; events that this session switched on are switched off."""
        await self._stop()
        if self._parts.rewinder is not None and not self._followed:
            self._parts.rewinder.close()

    async def _stop(self) -> None:
        if self._closed:
            return
        self._closed = True
        for own in self._own:
            own.cancel()
        if (rules := self._parts.rules) is not None:
            async with rules.kept():
                await self._finish()
            await rules.close()
        else:
            await self._finish()
        await self._watch.stop()
        await self._parts.marks.close()
        await self._memory.close()  # Before the connections: a broker that hangs may use up all patience.
        await self._watch.backend.close()
        await self._parts.beats.close()
        await self._broker.close()

    async def again(self, profile: Profile) -> Engine:
        """Close, and begin anew: at another moment of the recording from what was kept on the way."""
        self._followed = True
        await self._stop()
        parts, rewound = self._parts, None
        if parts.rewinder is not None and parts.player is not None:
            at = parts.player.moment(profile)
            if at is None:
                parts.rewinder.close()
            else:
                rewound = await parts.rewinder.back(at, profile.max_tasks, parts.store)
        return Engine(profile, rewound=rewound)

    async def _finish(self) -> None:
        """What was begun."""
        if self._parts.vigil is not None:
            await self._parts.vigil.close()
        try:
            await asyncio.wait_for(self._switch.restore(), self._profile.timeout + 0.5)
        except (LazyCeleryError, asyncio.TimeoutError):
            logger.warning("task events could not be put back as they were")
        await self._examiner.close()
        await self._services.close()
        await self._actions.settle()

    async def ready(self, timeout: float = 5.0, observe: float = 0.0) -> Overview:
        """Wait until first truth is there, and then for `observe` seconds of events."""
        try:
            await asyncio.wait_for(self._first_answer(), timeout)
        except asyncio.TimeoutError:
            self._raise_broken("The broker did not answer in time.")
        if observe > 0:
            await asyncio.sleep(observe)
        return await self.overview()

    async def _first_answer(self) -> None:
        await self._watch.attempted.wait()
        self._raise_broken()
        await self._watch.first_truth.wait()

    def _raise_broken(self, otherwise: str = "") -> None:
        broker = self._links["broker"]
        if self._parts.player is None and broker.state in ("lost", "refused"):  # Recordings can be read.
            raise ConnectionProblem(broker.reason, broker.hint)
        if otherwise:
            raise ConnectionProblem(
                otherwise,
                by_face("Give it longer with --timeout SECONDS.", "Give it longer: timeout in the profile."),
            )

    async def refresh(self) -> None:
        """Ask control and broker again now."""
        self._watch.rounds.all_again()
        await self._watch.looks.probe()

    # ---- what changed, and what is wrong

    async def tick(self, seen: int = -1, timeout: float = 10.0) -> Tick:
        """Wait until something changed since `seen`, at most `timeout` seconds."""
        return await self._changes.tick(seen, timeout)

    async def overview(self) -> Overview:
        """Header, badges, counts, health of the sources."""
        return await overview(self._parts)

    async def doctor(self) -> Examination:
        """What is wrong, where, since when, how it is known, and what helps."""
        examination = await self._examiner.examine()
        if self._parts.vigil is not None and self._profile.glance:
            # What was asked for, nothing before.
            self._parts.vigil.take(examination, self._examiner.present, self._examiner.covered)
        return examination

    async def mark_finding(
        self,
        code: str,
        subject: str = "",
        kind: Literal["ack", "snooze", "clear"] = "ack",
        seconds: float | None = None,
        note: str = "",
    ) -> FindingMark:
        """Acknowledge or snooze a finding, or take that back."""
        return await self._examiner.mark(code, subject, kind, seconds, note)

    async def turns(self, after: int = -1, timeout: float = 10.0, settle: bool = False) -> TurnPage:
        """Findings that are new, worse, back or gone."""
        if self._parts.vigil is None:
            raise NothingFound("This engine keeps no watch over findings.", "`lazycelery watch` does.")
        return await self._parts.vigil.turns(after, timeout, settle)

    async def why(self, target: str, kind: Thing | None = None, fetch: bool = True) -> Verdict:
        """Where a task, queue or worker is and why it is not done."""
        return await self._answers.why(target, kind, fetch)

    # ---- views

    async def workers(self) -> list[Worker]:
        """All known workers, by name."""
        return await unhurried(self._store.roll.views(self._parts.clock()))

    async def worker(self, name: str) -> WorkerDetail:
        """A worker with its lists, asked afresh when they are older than three seconds."""
        return await self._answers.worker(name)

    async def pulse(self, workers: list[str]) -> list[Pulse]:
        """How quickly workers answer now, with clock and memory."""
        return await self._answers.pulse(workers)

    async def worker_log(self, name: str, limit: int = 200) -> LogText:
        """The end of a worker's log, followed by the profile's command."""
        return await self._answers.worker_log(name, limit)

    async def queues(self) -> list[Queue]:
        """All known queues, by name; one that is held says so."""
        return await self._parts.queues()

    async def tasks(self, query: TaskQuery) -> TaskPage:
        """A window on the tasks."""
        return await self._answers.tasks(query)

    async def task(self, id: str, fetch: bool = True) -> Task:
        """One task by id or unique prefix; with `fetch`, backend, workers and broker are asked too."""
        return await self._answers.task(id, fetch)

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages of a queue, next to run first, not consumed."""
        return await self._answers.peek(queue, offset, limit, force)

    async def log(self, after: int = -1, limit: int = 100, filter: str = "", full: bool = False) -> LogPage:
        """Events after a sequence number, oldest first."""
        return await self._answers.log(after, limit, filter, full)

    async def check_filter(self, text: str) -> str | None:
        """Why a filter is wrong, with its position and the nearest field, or `None`."""
        return await self._answers.check_filter(text)

    async def complete(self, text: str, cursor: int) -> list[Completion]:
        """What may stand at a place of a filter."""
        return await self._answers.complete(text, cursor)

    async def message(self, id: str) -> Message:
        """A task's true message, while it is held somewhere, or as it was seen before."""
        return await self._answers.message(id)

    async def replay(self, do: Turn, amount: float = 0.0) -> Reel:
        """Turn a recording that plays."""
        player = self._parts.player
        if player is None:
            raise Refused("This is no recording.", "lazycelery replay FILE opens one.")
        rewinder, seen = self._parts.rewinder, self._store.events_seen()
        kept = do == "jump" and rewinder is not None and rewinder.kept_ahead(amount, seen)
        reel = player.turn(do, amount, kept)
        self._changes.status()
        return reel

    async def metrics(self) -> Metrics:
        """Rates, times and levels of the last minutes and hours."""
        return self._parts.meter.read()

    async def statistics(self, kind: Kind = "task", window: float = 3600.0) -> Statistics:
        """Counts, shares and quantiles by task name, worker or queue."""
        return await self._answers.statistics(kind, window)

    async def compared(self, kind: Kind = "task", window: float = 3600.0) -> Comparison:
        """The same, against an hour, a day and a week ago."""
        return await self._comparing.compare(kind, window)

    async def sla(self) -> list[Objective]:
        """How the profile's targets are kept."""
        await self._memory.figures_read()
        return await self._examiner.snapshots.budgets()

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """Tasks out of the recorded history, newest first."""
        await self._parts.noted()
        return await self._answers.history(query)

    async def recorded(self, query: RecordedQuery) -> RecordedPage:
        """Events, findings or samples of the recorded history."""
        return await self._answers.recorded(query)

    async def beat(self) -> Beat:
        """What beat sends and when."""
        return await self._answers.beat()

    # ---- errors

    async def errors(self, query: ErrorQuery) -> ErrorPage:
        """Failures in groups that are the same but for ids and numbers."""
        return await self._errors.page(query)

    async def error_group(self, id: str, filter: str = "") -> ErrorDetail:
        """One group, and what its tasks have in common."""
        return await self._errors.detail(id, filter)

    async def heat(self, by: HeatBy = "worker", filter: str = "", since: str = "") -> HeatMap:
        """Failures by task name and worker or hour."""
        return await self._errors.heat(by, filter, since)

    async def mark(self, name: str) -> Mark:
        """Set a mark now: errors that come first after it count as new."""
        return await self._errors.mark(name)

    # ---- actions

    async def plan(self, order: Order) -> Plan:
        """What would be done, to what, at which grade. Touches nothing."""
        if order.action in OF_TASKS:  # What `tasks` shows can be acted on, and `dealt:no` counts.
            await self._answers.remembered()
        self._actions.results = self._watch.backend.results
        lacking = self._broker.lacks.get(NEEDS.get(order.action, ""))
        try:
            plan = await self._actions.plan(order)
        except (NothingFound, Refused):
            if lacking is None:
                raise
            raise Refused(lacking, nothing_done=True) from None  # That is why nothing was found.
        if lacking is not None:
            plan.refused, plan.hint = lacking, ""
        return plan

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        """Carry out a plan that a person has confirmed."""
        outcome = await self._actions.act(plan_id, word)
        self._parts.cut_off = await self._actions.cut_off()
        if outcome.bulk:
            await self._parts.plans.look()
        if outcome.action == "events":
            self._switch.note(outcome)
        self._changes.status()
        await self.refresh()
        return outcome

    async def deal(
        self, targets: list[str], filter: str | None = None, note: str = "", undo: bool = False
    ) -> list[str]:
        """Mark failed tasks as dealt with, or not."""
        await self._answers.remembered()
        return await self._parts.dealing.mark(targets, filter, self._parts.redactor.text(note), undo)

    async def progress(self) -> list[Progress]:
        """How far those actions are that go page by page and run now."""
        return self._actions.progress()

    async def halt(self, plan_id: str) -> bool:
        """Let one of them stop after the page that is under way."""
        return self._actions.halt(plan_id)

    async def bulks(self, everywhere: bool = False) -> list[Bulk]:
        """Plan files of bulk actions on this broker, or on any, newest first."""
        parts = self._parts
        whole = await asyncio.to_thread(cut_off.bulks, parts.profile, parts.plan_files.broker)
        return [*whole, *await parts.plan_files.all(everywhere)]

    async def bulk(self, id: str) -> Bulk:
        """One plan file with its targets."""
        parts = self._parts
        whole = await asyncio.to_thread(cut_off.bulk, parts.profile, parts.plan_files.broker, id)
        return whole or await parts.plan_files.one(id)

    async def discard(self, id: str) -> Bulk:
        """Remove a plan file."""
        gone = await self._parts.plan_files.discard(id)
        await self._parts.plans.look()
        self._changes.status()
        return gone

    async def audit(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        """The audit log, newest first."""
        return await asyncio.to_thread(self._parts.audit.read, limit, filter)

    async def unlock(self, permissions: list[str]) -> Overview:
        """Open permissions for this session."""
        self._guard.unlock(permissions)
        self._changes.status()
        return await self.overview()

    async def lock(self) -> Overview:
        """Back to read-only."""
        self._guard.lock()
        self._changes.status()
        return await self.overview()
