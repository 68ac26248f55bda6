"""Revoke: workers discard a task when its turn comes."""

from __future__ import annotations

from functools import partial

from lazycelery.actions import bulk, resume, stamped, withdrawing
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Item
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import Evidence, gather, whereabouts
from lazycelery.actions.remembering import remembered
from lazycelery.actions.revoking import NOBODY_ONLINE, ended, handed_over, tell_all
from lazycelery.actions.targets import task_ids
from lazycelery.actions.terminate import worker_of
from lazycelery.actions.wording import call, count, listed, short
from lazycelery.errors import NothingFound
from lazycelery.model.action import Order, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.states import State

BY_FILTER = (
    "Celery revokes by id and by stamp only: these are the tasks that are known now. What is sent later, or "
    "was never seen here, is not revoked, whatever its name."
)
RUNNING = "Revoking does not stop a task that runs already: terminate does."


async def draft(context: Context, order: Order) -> Draft:
    """Find where each task is, and refuse those that have ended."""
    if "stamps" in order.params:
        return await stamped.draft(context, order)
    if "resume" in order.params:
        return await resume.draft(context, order)
    if order.params.get("canvas"):
        return await withdrawing.draft(context, order)
    rate = bulk.wanted_rate(order)
    ids, warnings = task_ids(context, order)
    every, unasked = await gather(context, ids)
    if not order.params.get("force") and not any(evidence.known for evidence in every):
        raise NothingFound(
            f"No source knows {listed(map(short, ids))}.",
            f"Give the whole id{by_face('; --force tells the workers all the same', '')}.",
        )
    where = {evidence.id: whereabouts(evidence) for evidence in every}
    items = [_item(context, evidence, where[evidence.id]) for evidence in every]
    work = [item.target for item in items if item.refused is None]
    warnings += [*unasked, remembered(context), *([BY_FILTER] if order.filter is not None else [])]
    if any(where[each] == "running" for each in work):
        warnings.append(RUNNING)
    reserved = [each for each in every if each.id in set(work) and where[each.id] == "reserved"]
    warnings += handed_over(context, list(map(worker_of, reserved)))
    if not context.online():
        warnings.append(NOBODY_ONLINE)
    names = {evidence.id: evidence.name for evidence in every}
    todo = [Item(n=n, target=each, was=where[each], name=names[each]) for n, each in enumerate(work)]
    course, title = Course(len(work), rate), f"Revoke {count(len(work) or len(ids), 'task')}"
    return Draft(
        title=title,
        run=partial(tell_all, context, order, todo, course, title),
        course=course,
        count=len(work),
        items=items,
        name=short(work[0]) if len(work) == 1 else "",
        warnings=warnings,
        hint="Retry sends it again; its result stays." if not work else "",
    )


def _item(context: Context, evidence: Evidence, where: str) -> PlanItem:
    task = evidence.task
    text = call(evidence.name, task.args if task else None, task.kwargs if task else None, context.redactor)
    item = PlanItem(target=evidence.id, text=f"{text}: {where}")
    if ended(where):
        item.refused = f"it has ended ({where}): revoking could overwrite its result" + (
            " and lose its traceback" if where == State.FAILURE.label else ""
        )
    return item
