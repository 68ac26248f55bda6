"""All actions, one way: plan, confirm, log, act, prove, log."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from lazycelery.actions import (
    arrival,
    consumers,
    crew,
    cut_off,
    delete,
    events,
    export,
    limits,
    move,
    pool,
    purge,
    requeue,
    restore,
    retry,
    revoke,
    schedule,
    send,
    shutdown,
    supervise,
    terminate,
)
from lazycelery.actions.audit import INTENT, REFUSED, AuditLog, whoami
from lazycelery.actions.context import BeatView, Context, StoreView
from lazycelery.actions.cut_off import CutOff
from lazycelery.actions.guard import Guard
from lazycelery.actions.holds import Holds
from lazycelery.actions.neighbours import Neighbours
from lazycelery.actions.plan import Draft, make_plan
from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.action import ActionName, AuditEntry, Order, Outcome, Plan, PlanItem
from lazycelery.model.bulk import Progress
from lazycelery.model.hold import Hold
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.sources.protocols import Codec, Commands, QueueOps, Remote, Results

LIFETIME = 300.0
"""Seconds for which a plan may be carried out."""
HELD_FRESH = 1.0
"""Seconds for which the list of held queues need not be read again."""
MOST_PLANS = 50
SETTLE = 60.0
"""Seconds given to what was begun, before connections are closed: a long queue takes its time."""

DRAFTS: dict[ActionName, Callable[[Context, Order], Awaitable[Draft]]] = {
    "retry": retry.draft,
    "revoke": revoke.draft,
    "terminate": terminate.draft,
    "purge": purge.draft,
    "move": move.draft,
    "delete": delete.draft,
    "requeue": requeue.draft,
    "export": export.draft,
    "restore": restore.draft,
    "events": events.draft,
    "pool": pool.draft,
    "consumers": consumers.draft,
    "limits": limits.draft,
    "shutdown": shutdown.draft,
    "service": supervise.draft,
    "send": send.draft,
    "beat": schedule.draft,
}
"""Every action there is. Its name is also the permission it needs."""


@dataclass
class _Planned:
    plan: Plan
    draft: Draft
    began: float = 0.0


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
        self._holds = Holds(self._context)
        self._held: dict[str, Hold] = {}
        self._held_at = 0.0
        self._planned: dict[str, _Planned] = {}
        self._running: dict[asyncio.Task[Outcome], _Planned] = {}

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
        if order.params.get("look") and not context.queues.free_looks:
            self.guard.check(order.action)  # Such a look delivers messages.
        draft = await DRAFTS[order.action](context, order)
        draft.warnings = [*draft.warnings, *await self._told(draft)]
        if order.action != "restore":
            objects = _objects(draft)
            found = [each for each in await self.cut_off() if each.queue in objects]
            draft.warnings += [f"{each.title} {each.hint}" for each in found]
        plan = make_plan(draft, order, context.profile, context.clock())
        try:
            self._may(order)
        except Refused as error:
            if plan.refused is None:
                plan.refused, plan.hint, plan.locked = error.title, error.hint, True
        self._forget_old()
        while len(self._planned) >= MOST_PLANS:
            del self._planned[next(iter(self._planned))]
        self._planned[plan.id] = _Planned(plan, draft)
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
        planned = self._known(plan_id)
        try:
            self._check(planned, word)
            self._use_up(planned)
            await self._check_still_so(planned)
        except Refused as error:
            await self._log_failure(planned, REFUSED, error.title, 0)
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

    def _known(self, plan_id: str) -> _Planned:
        self._forget_old()
        planned = self._planned.get(plan_id)
        if planned is None:
            raise Refused(
                "This plan is unknown, done already, or older than 5 minutes.",
                "Plan it again. One is also over when another one of the same was carried out.",
            )
        return planned

    def _use_up(self, planned: _Planned) -> None:
        """Forget this plan, and those of the same action on the same: what they show is no longer so."""
        objects = _objects(planned.draft)
        self._planned = {
            plan_id: each
            for plan_id, each in self._planned.items()
            if each is not planned
            and (each.plan.action != planned.plan.action or objects.isdisjoint(_objects(each.draft)))
        }

    def _check(self, planned: _Planned, word: str | None) -> None:
        """Raise `Refused` unless it may be done, now, and was confirmed."""
        plan = planned.plan
        self._may(plan.order or Order(action=plan.action))
        if planned.draft.refused or not _work(plan):
            raise Refused(f"{_sentence(plan.refused or 'There is nothing to do')}", plan.hint)
        if plan.level == "typed" and (word or "").strip() != plan.word:
            raise Refused(f"Not confirmed: {plan.title}.", f"Type {plan.word} to confirm.")

    def _may(self, order: Order) -> None:
        """Raise `Refused` unless all that an order does is permitted."""
        self.guard.check(order.action)
        if order.action == "terminate" and order.params.get("canvas"):
            self.guard.check("revoke")  # What does not run is revoked.

    async def _told(self, draft: Draft) -> list[str]:
        """What other sessions do to the same objects. A log that cannot be read is told when acting."""
        with contextlib.suppress(Refused):
            return await asyncio.to_thread(self._neighbours.warnings, _objects(draft), self._context.clock())
        return []

    async def _check_still_so(self, planned: _Planned) -> None:
        """Raise `Refused` when another session has acted on the same since the plan was made."""
        other, now = None, self._context.clock()
        with contextlib.suppress(Refused):  # A log that cannot be read cannot be written either: told there.
            other = await asyncio.to_thread(
                self._neighbours.changed_since, _objects(planned.draft), planned.plan.created, now
            )
        if other is not None:
            raise Refused(
                f"Since this plan was made, {other.user}@{other.host} did: {other.title}.",
                "Plan it again: what it shows is no longer so.",
                nothing_done=True,
            )

    async def _check_turn(self, planned: _Planned) -> None:
        """Raise `Refused` when another session began to act on the same before us, and is not done."""
        other, now = None, self._context.clock()
        with contextlib.suppress(Refused):
            other = await asyncio.to_thread(
                self._neighbours.ahead, _objects(planned.draft), planned.plan.id, now
            )
        if other is not None:
            raise Refused(
                f"{other.user}@{other.host} is at it in another session: {other.title}.",
                "Wait for its end, then plan again.",
                nothing_done=True,
            )

    def _forget_old(self) -> None:
        oldest = self._context.clock() - LIFETIME
        self._planned = {
            plan_id: each for plan_id, each in self._planned.items() if each.plan.created >= oldest
        }

    async def _carry_out(self, planned: _Planned) -> Outcome:
        await self._log(self._entry(planned, INTENT))
        try:
            await self._check_turn(planned)
            outcome = await planned.draft.run()
        except LazyCeleryError as error:
            await self._log_failure(planned, "failed", error.title, 0 if error.nothing_done else None)
            raise
        except BaseException as error:
            await self._log_failure(planned, "failed", f"broke off: {type(error).__name__}", None)
            raise
        entry = self._entry(planned, _ending(outcome))
        entry.ok, entry.proof, entry.backup = _ending(outcome) == "done", outcome.proof, outcome.backup
        entry.plan |= {**_counts(outcome), **_new_ids(outcome)}
        entry.plan |= {"plan_file": outcome.bulk} if outcome.bulk else {}
        entry.plan |= {"tag": outcome.tag} if outcome.tag else {}
        try:
            await self._log(entry)
        except Refused as error:
            outcome.proof += f" ({error.title} The line before the action is there.)"
        return outcome

    async def _log_failure(self, planned: _Planned, outcome: str, why: str, done: int | None) -> None:
        """`done` is `None` when nobody knows; the backup is the file that is really there."""
        entry = self._entry(planned, outcome)
        entry.ok, entry.proof = False, why
        entry.plan["done"] = done
        entry.backup = planned.draft.details.get("kept")
        with contextlib.suppress(Refused):  # What went wrong first is what the person must be told.
            await self._log(entry)

    async def _log(self, entry: AuditEntry) -> None:
        await asyncio.to_thread(self.audit.append, entry)

    def _entry(self, planned: _Planned, outcome: str) -> AuditEntry:
        context, plan = self._context, planned.plan
        user, host, origin = whoami()
        order = plan.order
        facts = {"id": plan.id, "count": plan.count, "level": plan.level, **planned.draft.details}
        facts |= self._neighbours.mark
        if order is not None and order.filter is not None:
            facts["filter"] = context.redactor.text(order.filter)
        return AuditEntry(
            time=context.clock(),
            user=user,
            host=host,
            profile=context.profile.name,
            broker=context.broker,
            action=plan.action,
            title=plan.title,
            targets=[item.target for item in _work(plan) or plan.items],
            plan=facts,
            backup=plan.backup,
            outcome=outcome,
            origin=origin,
        )


def _objects(draft: Draft) -> set[str]:
    """What an action is about: its targets, and the queue where that is not one of them."""
    queue = draft.details.get("queue")
    targets = {item.target for item in draft.items if item.refused is None}
    return targets | ({queue} if isinstance(queue, str) else set())


def _work(plan: Plan) -> list[PlanItem]:
    return [item for item in plan.items if item.refused is None]


def _ending(outcome: Outcome) -> str:
    if not outcome.failed and not outcome.unknown:
        return "done"
    return "partly done" if outcome.done else "unknown" if outcome.unknown else "failed"


def _counts(outcome: Outcome) -> dict[str, int | None]:
    if not outcome.unknown:
        return {"done": outcome.done, "failed": outcome.failed}
    return {"done": outcome.done or None, "failed": outcome.failed, "unknown": outcome.unknown}


def _new_ids(outcome: Outcome) -> dict[str, dict[str, str]]:
    ids = {item.target: item.new_id for item in outcome.items if item.new_id}
    return {"new_ids": ids} if ids else {}


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else text + "."
