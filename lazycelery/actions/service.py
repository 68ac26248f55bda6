"""All actions, one way: plan, confirm, log, act, prove, log."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable

from lazycelery.actions import arrival, crew, cut_off, drafts
from lazycelery.actions.audit import FAILED, REFUSED, AuditLog
from lazycelery.actions.audit_lines import AuditLines
from lazycelery.actions.context import BeatView, Context, StoreView
from lazycelery.actions.cut_off import CutOff
from lazycelery.actions.guard import Guard
from lazycelery.actions.holds import Holds
from lazycelery.actions.neighbours import Neighbours
from lazycelery.actions.plan import make_plan
from lazycelery.actions.planned import Planned, Plans, objects
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.bulk import Progress
from lazycelery.model.hold import Hold
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.queues import QueueOps
from lazycelery.sources.protocols.remote import Remote
from lazycelery.sources.protocols.results import Results
from lazycelery.sources.protocols.services import Commands

HELD_FRESH = 1.0
"""Seconds for which the list of held queues need not be read again."""
SETTLE = 60.0
"""Seconds given to what was begun, before connections are closed: a long queue takes its time."""


class Actions:
    """Plans what is ordered and carries out what was confirmed.

    `results` may be set later: the result backend is often known only after workers have answered.
    """

    def __init__(
        self,
        *,
        profile: Profile,
        guard: Guard,
        audit: AuditLog,
        store: StoreView,
        queues: QueueOps,
        remote: Remote,
        codec: Codec,
        results: Results | None,
        services: Commands,
        beats: BeatView | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.guard, self.audit = guard, audit
        self._context = Context(
            profile=profile,
            store=store,
            queues=queues,
            remote=remote,
            codec=codec,
            results=results,
            audit=audit,
            services=services,
            beats=beats,
            redactor=Redactor(profile.redact, defaults=profile.redact_default),
            clock=clock,
        )
        self._neighbours = Neighbours(audit, self._context.broker, uuid.uuid4().hex[:12])
        self._lines = AuditLines(self._context, self._neighbours.mark)
        self._holds = Holds(self._context)
        self._held: dict[str, Hold] = {}
        self._held_at = 0.0
        self._plans = Plans(clock)
        self._running: dict[asyncio.Task[Outcome], Planned] = {}

    @property
    def results(self) -> Results | None:
        """The result backend, when there is one."""
        return self._context.results

    @results.setter
    def results(self, results: Results | None) -> None:
        self._context.results = results

    def worker_names(self, names: list[str]) -> list[str]:
        """Whole names of workers; without names, all that are online. Raises `NothingFound`."""
        return [worker.name for worker in crew.meant(self._context, names)]

    async def held(self) -> dict[str, Hold]:
        """Held queues, as the list on the disk tells, at most a second old; empty when it cannot be read."""
        if self._context.clock() - self._held_at > HELD_FRESH:
            self._held_at = self._context.clock()
            with contextlib.suppress(Refused):
                self._held = await asyncio.to_thread(self._holds.read)
        return self._held

    async def cut_off(self) -> list[CutOff]:
        """Purges, moves and deletions on this broker that a crash cut off, and nobody mended yet."""
        return await asyncio.to_thread(cut_off.find, self._context.profile, self._context.broker)

    async def plan(self, order: Order) -> Plan:
        """What would be done. Touches nothing, so it is also made when it may not be carried out: then
        its `refused` says why.

        Raises `UsageError` for a wrong order, `NothingFound` when nothing matches, `Refused` for a look that
        costs something and may not be followed by the action.
        """
        context = self._context
        if not all(target.strip() for target in order.targets):  # For a pass, no queue means: remove it.
            raise UsageError("A target has no name.", "In a script: a variable that is not set?")
        if order.params.get("look") and not context.queues.free_looks:
            self.guard.check(order.action)  # Such a look delivers messages.
        draft = await drafts.DRAFTS[order.action](context, order)
        about = objects(draft)
        draft.warnings = [*draft.warnings, *await self._told(about)]
        if order.action != "restore":
            found = [each for each in await self.cut_off() if each.queue in about]
            draft.warnings += [f"{each.title} {each.hint}" for each in found]
        plan = make_plan(draft, order, context.profile, context.clock())
        try:
            self._may(order)
        except Refused as error:
            if plan.refused is None:
                plan.refused, plan.hint, plan.locked = error.title, error.hint, True
        self._plans.keep(plan, draft)
        return plan

    async def seen(self, id: str) -> str:
        """Where a task is seen, in queues, at workers or in the result backend; empty: nowhere."""
        found = await arrival.arrived(self._context, [id])
        if not found and self._context.results is not None:
            with contextlib.suppress(LazyCeleryError):
                results = await self._context.results.get([id])
                found = {
                    each: f"{result.status.lower()} in the result backend" for each, result in results.items()
                }
        return found.get(id, "")

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        """Carry out a plan, once. `word` is what was typed at level `typed`.

        Raises `Refused` when the plan is unknown, older than five minutes, refused, not permitted now,
        or confirmed with the wrong word; and whatever the action itself raises. Both are logged.
        """
        planned = self._plans.known(plan_id)
        try:
            self._check(planned, word)
            self._plans.use_up(planned)
            await self._check_still_so(planned)
        except Refused as error:
            await self._lines.failed(planned, REFUSED, error.title, 0)
            raise
        # Once begun it is finished and logged, also when whoever asked has gone.
        task = asyncio.create_task(self._carry_out(planned))
        self._running[task] = planned
        planned.began = self._context.clock()
        task.add_done_callback(lambda _: self._running.pop(task, None))
        return await asyncio.shield(task)

    def progress(self) -> list[Progress]:
        """How far those actions are that go page by page and run now."""
        return [
            Progress(
                plan=each.plan.id,
                action=each.plan.action,
                title=each.plan.title,
                total=course.total,
                done=course.done,
                unknown=course.unknown,
                began=each.began,
                rate=course.rate,
                halting=course.halting,
            )
            for each in self._running.values()
            if (course := each.draft.course) is not None
        ]

    def halt(self, plan_id: str | None = None) -> bool:
        """Let an action (all, without an id) stop after the page that is under way; what is left stays in
        its plan file. Returns whether there was one."""
        meant = [each for each in self._running.values() if plan_id in (None, each.plan.id)]
        courses = [each.draft.course for each in meant if each.draft.course is not None]
        for course in courses:
            course.halt()
        return bool(courses)

    async def settle(self, seconds: float = SETTLE) -> bool:
        """Wait until what was begun is finished and logged, at most so long; returns whether it is. What
        goes page by page stops after the page that is under way: the rest stays in its plan file."""
        self.halt()
        if self._running:
            await asyncio.wait(list(self._running), timeout=seconds)
        return not self._running

    def _check(self, planned: Planned, word: str | None) -> None:
        """Raise `Refused` unless it may be done, now, and was confirmed."""
        plan = planned.plan
        self._may(plan.order or Order(action=plan.action))
        if planned.draft.refused or not planned.work:
            raise Refused(f"{_sentence(plan.refused or 'There is nothing to do')}", plan.hint)
        if plan.level == "typed" and (word or "").strip() != plan.word:
            raise Refused(f"Not confirmed: {plan.title}.", f"Type {plan.word} to confirm.")

    def _may(self, order: Order) -> None:
        """Raise `Refused` unless all that an order does is permitted."""
        self.guard.check(order.action)
        if order.action == "terminate" and order.params.get("canvas"):
            self.guard.check("revoke")  # What does not run is revoked.

    async def _told(self, about: set[str]) -> list[str]:
        """What other sessions do to the same objects. A log that cannot be read is told when acting."""
        with contextlib.suppress(Refused):
            return await asyncio.to_thread(self._neighbours.warnings, about, self._context.clock())
        return []

    async def _check_still_so(self, planned: Planned) -> None:
        """Raise `Refused` when another session has acted on the same since the plan was made."""
        other, now = None, self._context.clock()
        with contextlib.suppress(Refused):  # A log that cannot be read cannot be written either: told there.
            other = await asyncio.to_thread(
                self._neighbours.changed_since, planned.objects, planned.plan.created, now
            )
        if other is not None:
            raise Refused(
                f"Since this plan was made, {other.user}@{other.host} did: {other.title}.",
                "Plan it again: what it shows is no longer so.",
                nothing_done=True,
            )

    async def _check_turn(self, planned: Planned) -> None:
        """Raise `Refused` when another session began to act on the same before us, and is not done."""
        other, now = None, self._context.clock()
        with contextlib.suppress(Refused):
            other = await asyncio.to_thread(self._neighbours.ahead, planned.objects, planned.plan.id, now)
        if other is not None:
            raise Refused(
                f"{other.user}@{other.host} is at it in another session: {other.title}.",
                "Wait for its end, then plan again.",
                nothing_done=True,
            )

    async def _carry_out(self, planned: Planned) -> Outcome:
        await self._lines.begun(planned)
        try:
            await self._check_turn(planned)
            outcome = await planned.draft.run()
        except LazyCeleryError as error:
            await self._lines.failed(planned, FAILED, error.title, 0 if error.nothing_done else None)
            raise
        except BaseException as error:
            await self._lines.failed(planned, FAILED, f"broke off: {type(error).__name__}", None)
            raise
        try:
            await self._lines.ended(planned, outcome)
        except Refused as error:
            outcome.proof += f" ({error.title} The line before the action is there.)"
        return outcome


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."
