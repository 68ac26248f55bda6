"""Retry: send a task again under a new id, as faithfully as what is known of it permits."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lazycelery.actions import bulk, mending, resume, summary
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Journal, kept
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import ADVICE, Evidence, Recovered, gather, recover
from lazycelery.actions.resending import Resend, carry_out, item, stored
from lazycelery.actions.routing import choose_queue, doubts
from lazycelery.actions.targets import task_ids
from lazycelery.actions.wording import call, count, listed, short
from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.message import Message

LOST = (
    "Sent from arguments: what was embedded in the message (chain, chord, callbacks), its own headers, "
    "priority, ETA and expiry are not known and are lost."
)


@dataclass(kw_only=True)
class Judged:
    """One task's line in the plan, and what sends it (`None` when refused)."""

    item: PlanItem
    resend: Resend | None = None
    warnings: list[str] = field(default_factory=list)
    hint: str = ""


async def draft(context: Context, order: Order) -> Draft:
    """Grade every task, choose its queue, and refuse what would run twice or differ."""
    if "resume" in order.params:
        return await resume.draft(context, order)
    rate, tag = bulk.wanted_rate(order), bulk.wanted_tag(order)
    if order.params.get("canvas"):
        return await mending.draft(context, order)
    every, warnings = await judged(context, order)
    work = [each.resend for each in every if each.resend is not None]
    title = _title(work, len(every))
    course = Course(len(work), rate)
    sums = summary.of_retry(items := [each.item for each in every], work)
    if rate is not None:
        warnings.append(bulk.how_long(len(work), rate))
    return Draft(
        title=title,
        question=title[:1].lower() + title[1:] + "?",
        run=partial(send_all, context, order, work, course, title, tag),
        course=course,
        count=len(work),
        items=items,
        summary=sums.lines,
        grades=sums.grades,
        queues=sums.queues,
        name=short(work[0].old_id) if len(work) == 1 else "",
        warnings=warnings,
        hint=next((each.hint for each in every if each.hint), ""),
        details={"grades": grades(work), "queues": _queues(work)},
    )


async def judged(context: Context, order: Order) -> tuple[list[Judged], list[str]]:
    """All tasks of an order, each with what would send it again or why nothing does; and warnings.

    Raises `NothingFound` when no source knows any of them."""
    ids, warnings = task_ids(context, order)
    if order.filter is not None:
        ids.reverse()  # A filter finds the newest first; they are sent in the order in which they came.
    every, unasked = await gather(context, ids, settled=True)
    if not any(evidence.known for evidence in every):
        raise NothingFound(
            f"No source knows {listed(map(short, ids))}.",
            "Without a recorded history only what is queued, running or in the result backend is known.",
        )
    found = [judge(context, evidence, order) for evidence in every]
    return found, warnings + unasked + list(dict.fromkeys(text for each in found for text in each.warnings))


def grades(work: Iterable[Resend]) -> dict[str, int]:
    """How many are sent in which grade."""
    return dict(Counter[str](each.how.grade for each in work))


async def send_all(
    context: Context, order: Order, work: Sequence[Resend], course: Course, title: str, tag: str
) -> Outcome:
    """Several are written into a plan file first, with the exact messages: the rest can be sent later."""
    forced = bool(order.params.get("force"))
    plan = uuid.uuid4().hex[:8]
    if len(work) > 1 or tag:
        tag = tag or plan
        for resend in work:
            resend.headers["lazycelery_tag"] = tag
    items = await asyncio.to_thread(lambda: [item(context, n, resend) for n, resend in enumerate(work)])
    journal = None
    if len(items) > 1:
        header = bulk.header(context, order, plan, title, len(items), course, tag)
        header.params = {"force": True} if forced else {}
        journal = await asyncio.to_thread(Journal.create, header, items)
    async with kept(journal):
        return await carry_out(context, items, course, journal, forced, tag)


def judge(context: Context, evidence: Evidence, order: Order) -> Judged:
    """How one task would be sent again, or why not."""
    how = recover(evidence)
    message = context.codec.describe(how.message.raw) if how.message else None
    if message is not None and order.params.get("keep_canvas", True) is False:
        how = _without_canvas(how, message)
    name = (message.task if message else None) or evidence.name
    item = PlanItem(
        target=evidence.id,
        text=_text(context, evidence, how, message, name),
        grade=how.grade,
        source=how.source,
    )
    problem, hint = _refusal(context, evidence, how, name, order)
    queue = choose_queue(context, evidence, str(order.params.get("queue") or ""))
    if not problem and queue is None:
        problem, hint = (
            "which queue? No source tells where it belongs",
            by_face("Say it with --queue NAME.", ":send lets you write it."),
        )
    if problem or queue is None or name is None:
        item.refused = problem
        return Judged(item=item, hint=hint)
    resend = _resend(evidence, how, message, name, queue)
    resend.new_id = str(order.params.get("new_id") or resend.new_id)
    if problem := _cannot_copy(context, resend):
        item.refused, item.grade = problem, "unsafe"
        return Judged(item=item, hint=ADVICE)
    item.text += f" → {queue}"
    return Judged(item=item, resend=resend, warnings=_warnings(context, how, message, name, queue))


def _text(
    context: Context, evidence: Evidence, how: Recovered, message: Message | None, name: str | None
) -> str:
    if message is not None and message.args is not None:
        return call(name, message.args, message.kwargs, context.redactor)
    if how.grade == "arguments":
        return call(name, how.args, how.kwargs, context.redactor)
    task = evidence.task
    return call(name, task.args if task else None, task.kwargs if task else None, context.redactor)


def _refusal(
    context: Context, evidence: Evidence, how: Recovered, name: str | None, order: Order
) -> tuple[str, str]:
    """Why it is not sent again, and what would help; two empty texts when it may be."""
    if not evidence.known:
        return "no source knows this task", "Give the whole id."
    still = busy(evidence)
    if still and not order.params.get("force"):
        return f"{still}: sent again, it would run twice", "Revoke it first" + by_face(
            ", or say --force to run it twice.", "."
        )
    if how.grade == "unsafe":
        return f"unsafe: {how.why}", ADVICE
    if name is None:
        return "unsafe: no source knows its name", ADVICE
    return "", ""


def busy(evidence: Evidence) -> str:
    """Where it still is, when it has not come to its end: in words, else empty."""
    if report := evidence.report:
        return f"it is {_PHASES[report.phase]} on {report.worker} now"
    if held := evidence.held:
        return f"its message is still on the broker, for {held.queue}"
    if evidence.finished is not None or evidence.task is None:
        return ""
    return _STATES.get(evidence.task.state, "").format(where=evidence.task.worker or "a worker")


_PHASES = {"active": "running", "reserved": "reserved", "scheduled": "waiting for its ETA", "revoked": "held"}
_STATES = {
    "waiting": "it is still waiting in its queue",
    "received": "{where} has reserved it",
    "scheduled": "{where} holds it until its ETA",
    "started": "it is running on {where}",
    "retry": "Celery itself will run it again (state retry)",
}


def _without_canvas(how: Recovered, message: Message) -> Recovered:
    if not message.decoded or not isinstance(message.args, list) or not isinstance(message.kwargs, dict):
        return Recovered(
            grade="unsafe", source="broker", why="its body cannot be decoded to leave the canvas out"
        )
    return Recovered(
        grade="arguments",
        source="broker",
        args=message.args,
        kwargs=message.kwargs,
        why="its message's arguments",
    )


def _resend(evidence: Evidence, how: Recovered, message: Message | None, name: str, queue: str) -> Resend:
    headers: dict[str, Any] = {"lazycelery_retry_of": evidence.id}
    if how.grade == "arguments":
        # An exact copy carries these already.
        task, result = evidence.task, evidence.result
        headers["root_id"] = (task.root_id if task else None) or evidence.id
        headers["parent_id"] = (task.parent_id if task else None) or (result.parent_id if result else None)
    return Resend(
        old_id=evidence.id,
        new_id=str(uuid.uuid4()),
        name=name,
        queue=queue,
        how=how,
        headers=headers,
        priority=_priority(evidence, how, message),
        was=evidence.task.state if evidence.task else "",
    )


def _priority(evidence: Evidence, how: Recovered, message: Message | None) -> int:
    if how.message is not None:
        return how.message.priority
    known = [
        message.priority if message else None,
        evidence.report.priority if evidence.report else None,
        evidence.task.priority if evidence.task else None,
    ]
    return next((priority for priority in known if priority is not None), 0)


def _cannot_copy(context: Context, resend: Resend) -> str:
    try:
        stored(context, resend)
    except LazyCeleryError as error:
        return error.title
    return ""


def _warnings(context: Context, how: Recovered, message: Message | None, name: str, queue: str) -> list[str]:
    found = list(how.warnings)
    if how.grade == "arguments":
        found.append(LOST)
    elif message is not None and message.embed:
        kinds = listed(sorted(message.embed))
        found.append(
            f"Its message embeds {kinds}: the ids in it are used again, and what follows will run again too."
        )
    if message is not None and message.group_id and how.grade == "exact":
        found.append("It stays a member of its group: a chord that has ended does not count it again.")
    return found + doubts(context, name, queue)


def _title(work: Sequence[Resend], every: int) -> str:
    grades = Counter(resend.how.grade for resend in work)
    if not work:
        return f"Retry {count(every, 'task')}"
    if len(grades) == 1:
        how = (
            "exactly"
            if grades["exact"]
            else "from its arguments"
            if len(work) == 1
            else "from their arguments"
        )
    else:
        how = f"({grades['exact']:,} exactly, {grades['arguments']:,} from their arguments)"
    queues = _queues(work)
    where = queues[0] if len(queues) == 1 else count(len(queues), "queue")
    return f"Retry {count(len(work), 'task')} {how}, to {where}"


def _queues(work: Iterable[Resend]) -> list[str]:
    return sorted({resend.queue for resend in work})
