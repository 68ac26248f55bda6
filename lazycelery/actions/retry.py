"""Retry: send a task again under a new id, as faithfully as what is known of it permits."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lazycelery.actions import arrival
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import ADVICE, Evidence, Recovered, gather, recover
from lazycelery.actions.routing import choose_queue, doubts
from lazycelery.actions.targets import task_ids
from lazycelery.actions.wording import call, count, listed, short
from lazycelery.errors import LazyCeleryError, NothingFound
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.message import Message, StoredMessage

PAGE = 50
"""Messages published at once."""
LOST = (
    "Sent from arguments: what was embedded in the message (chain, chord, callbacks), its own headers, "
    "priority, ETA and expiry are not known and are lost."
)


@dataclass(kw_only=True)
class Resend:
    """One task that will be sent again."""

    old_id: str
    new_id: str
    name: str
    queue: str
    how: Recovered
    headers: dict[str, Any]
    priority: int = 0


@dataclass(kw_only=True)
class _Judged:
    """One task's line in the plan, and what sends it (`None` when refused)."""

    item: PlanItem
    resend: Resend | None = None
    warnings: list[str] = field(default_factory=list)
    hint: str = ""


async def draft(context: Context, order: Order) -> Draft:
    """Grade every task, choose its queue, and refuse what would run twice or differ."""
    ids, warnings = task_ids(context, order)
    every, unasked = await gather(context, ids)
    if not any(evidence.known for evidence in every):
        raise NothingFound(
            f"No source knows {listed(map(short, ids))}.",
            "Without a recorded history only what is queued, running or in the result backend is known.",
        )
    judged = [_judge(context, evidence, order) for evidence in every]
    work = [each.resend for each in judged if each.resend is not None]
    warnings += unasked + list(dict.fromkeys(text for each in judged for text in each.warnings))
    title = _title(work, len(judged))
    return Draft(
        title=title,
        question=title[:1].lower() + title[1:] + "?",
        run=partial(_run, context, work),
        count=len(work),
        items=[each.item for each in judged],
        name=short(work[0].old_id) if len(work) == 1 else "",
        warnings=warnings,
        hint=next((each.hint for each in judged if each.hint), ""),
        details={"grades": dict(Counter(each.how.grade for each in work)), "queues": _queues(work)},
    )


def _judge(context: Context, evidence: Evidence, order: Order) -> _Judged:
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
        problem, hint = "which queue? No source tells where it belongs", "Say it with --queue NAME."
    if problem or queue is None or name is None:
        item.refused = problem
        return _Judged(item=item, hint=hint)
    resend = _resend(evidence, how, message, name, queue)
    if problem := _cannot_copy(context, resend):
        item.refused, item.grade = problem, "unsafe"
        return _Judged(item=item, hint=ADVICE)
    item.text += f" → {queue}"
    return _Judged(item=item, resend=resend, warnings=_warnings(context, how, message, name, queue))


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
        return f"{still}: sent again, it would run twice", "Revoke it first, or say --force to run it twice."
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


def _stored(context: Context, resend: Resend) -> StoredMessage:
    codec, how = context.codec, resend.how
    if how.message is not None:
        raw = codec.copy(how.message.raw, queue=resend.queue, new_id=resend.new_id, headers=resend.headers)
    else:
        raw = codec.build(
            task=resend.name,
            args=how.args,
            kwargs=how.kwargs,
            queue=resend.queue,
            new_id=resend.new_id,
            headers=resend.headers,
            priority=resend.priority,
        )
    return StoredMessage(queue=resend.queue, priority=resend.priority, raw=raw)


def _cannot_copy(context: Context, resend: Resend) -> str:
    try:
        _stored(context, resend)
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


@dataclass(kw_only=True)
class _Sending:
    """What became of the pages that were published."""

    sent: list[Resend] = field(default_factory=list)
    doubtful: list[Resend] = field(default_factory=list)
    """Published, and the answer was lost."""
    items: list[OutcomeItem] = field(default_factory=list)
    """Those that were not sent."""
    why: str = ""


async def _run(context: Context, work: Sequence[Resend]) -> Outcome:
    """Publish, and tell what was seen of it. What may have been sent is looked for by its new id."""
    sending = await _published(context, work)
    for resend in sending.sent:
        _note(context, resend)
    seen = await arrival.watch(context, {resend.new_id: resend.queue for resend in sending.sent})
    arrived = await arrival.arrived(context, [resend.new_id for resend in sending.doubtful])
    unsure = [resend for resend in sending.doubtful if resend.new_id not in arrived]
    found = [resend for resend in sending.doubtful if resend.new_id in arrived]
    for resend in found:
        _note(context, resend)
    seen |= arrived
    items = [_sent(resend, seen[resend.new_id]) for resend in (*sending.sent, *found)]
    items += [*(_unsure(resend, sending.why) for resend in unsure), *sending.items]
    return Outcome(
        action="retry",
        done=len(sending.sent) + len(found),
        failed=len(sending.items),
        unknown=len(unsure),
        proof=_proof(items, seen, len(unsure)),
        items=items,
    )


async def _published(context: Context, work: Sequence[Resend]) -> _Sending:
    """Publish in pages; what was sent stays sent when a later page fails."""
    sending = _Sending()
    for at in range(0, len(work), PAGE):
        page = work[at : at + PAGE]
        try:
            number = await context.queues.publish([_stored(context, resend) for resend in page])
        except LazyCeleryError as error:
            if not sending.sent and error.nothing_done:
                raise
            sending.why = error.title
            sending.doubtful = [] if error.nothing_done else list(page)
            rest = work[at + len(sending.doubtful) :]
            sending.items += [_not_sent(resend, error.title) for resend in rest]
            break
        sending.sent += page[:number]
        sending.items += [_not_sent(resend, "the broker did not take it") for resend in page[number:]]
    return sending


def _note(context: Context, resend: Resend) -> None:
    context.store.note_sent(resend.new_id, resend.name, resend.queue, context.clock(), retry_of=resend.old_id)


def _sent(resend: Resend, seen: str) -> OutcomeItem:
    text = f"new task {short(resend.new_id)}…: {seen}"
    return OutcomeItem(target=resend.old_id, ok=True, text=text, new_id=resend.new_id)


def _not_sent(resend: Resend, why: str) -> OutcomeItem:
    return OutcomeItem(target=resend.old_id, ok=False, text=f"not sent: {why}")


def _unsure(resend: Resend, why: str) -> OutcomeItem:
    text = f"may have been sent as {short(resend.new_id)}…: {why} Look for it before you retry again."
    return OutcomeItem(target=resend.old_id, ok=False, text=text, new_id=resend.new_id)


def _proof(items: Sequence[OutcomeItem], seen: dict[str, str], unsure: int) -> str:
    failed = [item for item in items if not item.ok and item.new_id is None]
    if len(items) == 1:
        return items[0].text
    said = Counter(text.partition(" on ")[0] for text in seen.values())
    proof = f"{count(len(seen), 'new task')}: " + ", ".join(f"{n:,} {text}" for text, n in said.most_common())
    proof += f"; {unsure:,} may have been sent: the answer was lost" if unsure else ""
    return proof + (f"; {len(failed):,} not sent: {failed[0].text}" if failed else "")
