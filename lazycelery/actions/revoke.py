"""Revoke: workers discard a task when its turn comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lazycelery.actions import stamped
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import Evidence, gather
from lazycelery.actions.replies import account, agreed, shown
from lazycelery.actions.targets import task_ids
from lazycelery.actions.wording import call, count, listed, short
from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.states import LABELS, OF_RESULT, State
from lazycelery.sources.protocols import Replies

FORGETFUL = (
    "Workers remember it in memory for three hours, unless they run with --statedb: a worker that starts "
    "later knows it only when another one that knows still runs."
)
RUNNING = "Revoking does not stop a task that runs already: terminate does."
NOBODY = "No worker is online: nobody would hear and remember it."


async def draft(context: Context, order: Order) -> Draft:
    """Find where each task is, and refuse those that have ended."""
    if "stamps" in order.params:
        return await stamped.draft(context, order)
    ids, warnings = task_ids(context, order)
    every, unasked = await gather(context, ids)
    if not order.params.get("force") and not any(evidence.known for evidence in every):
        raise NothingFound(
            f"No source knows {listed(map(short, ids))}.",
            "Give the whole id; --force tells the workers all the same.",
        )
    where = {evidence.id: whereabouts(evidence) for evidence in every}
    items = [_item(context, evidence, where[evidence.id]) for evidence in every]
    work = [item.target for item in items if item.refused is None]
    warnings += [*unasked, FORGETFUL]
    if any(where[each] == "running" for each in work):
        warnings.append(RUNNING)
    if not context.online():
        warnings.append(NOBODY)
    return Draft(
        title=f"Revoke {count(len(work) or len(ids), 'task')}",
        run=partial(_run, context, {each: where[each] for each in work}),
        count=len(work),
        items=items,
        name=short(work[0]) if len(work) == 1 else "",
        warnings=warnings,
        hint="Retry sends it again; its result stays." if not work else "",
    )


def whereabouts(evidence: Evidence) -> str:
    """`waiting`, `reserved`, `scheduled`, `running`, a terminal state's label, or `unknown`."""
    if evidence.report is not None:
        return {"active": "running"}.get(evidence.report.phase, evidence.report.phase)
    if evidence.finished is not None:
        return evidence.finished.label
    state = evidence.task.state if evidence.task else "unknown"
    if state in _WHERE:
        return _WHERE[state]
    return "waiting" if evidence.held is not None else "unknown"


_WHERE = {
    "waiting": "waiting",
    "received": "reserved",
    "scheduled": "scheduled",
    "started": "running",
    "retry": "waiting",
    "lost": "lost",
}
_FATE = {
    "waiting": "workers will discard it when its turn comes",
    "reserved": "its worker will discard it when its turn comes",
    "scheduled": "its worker will discard it at its ETA",
    "running": "it keeps running: terminate ends it",
    "lost": "should its message return, workers will discard it",
    "unknown": "should it come, workers will discard it",
}


def ended(label: str) -> bool:
    """Whether `whereabouts` says that it has come to its end."""
    return label in LABELS and LABELS[label].finished


def _item(context: Context, evidence: Evidence, where: str) -> PlanItem:
    task = evidence.task
    text = call(evidence.name, task.args if task else None, task.kwargs if task else None, context.redactor)
    item = PlanItem(target=evidence.id, text=f"{text}: {where}")
    if ended(where):
        item.refused = f"it has ended ({where}): revoking could overwrite its result" + (
            " and lose its traceback" if where == State.FAILURE.label else ""
        )
    return item


async def ended_meanwhile(context: Context, ids: Sequence[str]) -> dict[str, str]:
    """Tasks that came to their end since they were looked at, with their state's label."""
    ends = {each: task.state for each in ids if (task := context.task(each)) and ended(task.state)}
    try:
        results = await context.results.get(ids) if context.results else {}
    except LazyCeleryError:
        results = {}
    for each, result in results.items():
        state = OF_RESULT.get(result.status)
        if state is not None and state.finished:
            ends.setdefault(each, state.label)
    return ends


async def _run(context: Context, work: Mapping[str, str]) -> Outcome:
    late = await ended_meanwhile(context, list(work))
    ids = [each for each in work if each not in late]
    items = [
        OutcomeItem(target=each, ok=False, text=f"left alone: it ended meanwhile ({label})")
        for each, label in late.items()
    ]
    told = ""
    if ids:
        replies = await context.remote.revoke(ids, timeout=context.profile.timeout)
        told = account(context, replies, "flagged it" if len(ids) == 1 else "flagged them")
        items = [_outcome(context, each, work[each], replies, told) for each in ids] + items
    done = sum(item.ok for item in items)
    return Outcome(
        action="revoke", done=done, failed=len(items) - done, proof=_proof(items, done, told), items=items
    )


def _outcome(context: Context, id: str, where: str, replies: Replies, told: str) -> OutcomeItem:
    holder = task.worker if (task := context.task(id)) and where in ("reserved", "scheduled") else None
    willing = {worker for worker, value in replies.by_worker().items() if agreed(value)}
    ok = holder in willing if holder else bool(willing)
    text = f"{told}; {_FATE.get(where, _FATE['unknown'])}" if ok else told
    return OutcomeItem(target=id, ok=ok, text=text, replies=shown(context, replies))


def _proof(items: Sequence[OutcomeItem], done: int, told: str) -> str:
    if len(items) == 1:
        return f"{'revoked' if done else 'not revoked'} {short(items[0].target)}: {items[0].text}"
    left = len(items) - done
    proof = f"revoked {done:,} of {count(len(items), 'task')}: {told or 'nothing to tell the workers'}"
    return proof + (f"; {left:,} not: {next(i.text for i in items if not i.ok)}" if left else "")
