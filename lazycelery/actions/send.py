"""Send a new task by name, or an old one with changed arguments: what a person wrote, checked."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from lazycelery.actions import arrival, schedule
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import gather
from lazycelery.actions.retry import busy
from lazycelery.actions.routing import doubts
from lazycelery.actions.wording import call, nearest, short
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.message import StoredMessage
from lazycelery.model.moments import epoch

LONGEST = 366 * 86_400.0
"""Seconds that an ETA may lie ahead."""
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
ALONE = "It is a task of its own: no chain, group, chord or callback, and no headers but its own."
KNOWN = ("task", "args", "kwargs", "queue", "priority", "eta", "expires", "retry_of", "force")


async def draft(context: Context, order: Order) -> Draft:
    """Check everything that was written; a task that no worker knows is refused unless forced."""
    told, hindered, own = list[str](), None, dict[str, str]()
    if order.params.get("entry"):
        order, told, hindered, own = await schedule.as_send(context, order)
    given = order.params
    if strange := sorted(set(given) - set(KNOWN)):
        raise UsageError(f"{strange[0]!r} is nothing that is sent.", f"Known: {', '.join(KNOWN)}.")
    name = order.targets[0] if len(order.targets) == 1 else str(given.get("task") or "")
    if not name or not name.isprintable():
        raise UsageError("Which task?", "Give its full name, such as shop.charge.")
    args, kwargs = _arguments(given)
    queue = _queue(context, given.get("queue"), name)
    priority = _priority(given.get("priority"))
    now = context.clock()
    eta, expires = _moment(given.get("eta"), "eta", now), _moment(given.get("expires"), "expires", now)
    new_id = str(uuid.uuid4())
    headers: dict[str, Any] = {**own, "eta": _iso(eta), "expires": _iso(expires)}
    if old := given.get("retry_of"):
        headers["lazycelery_retry_of"] = str(old)
    raw = context.codec.build(
        task=name, args=args, kwargs=kwargs, queue=queue, new_id=new_id, headers=headers, priority=priority
    )
    message = StoredMessage(queue=queue, priority=priority, raw=raw)
    item = PlanItem(target=str(old or name), text=f"{call(name, args, kwargs, context.redactor)} → {queue}")
    item.text += f", not before {_iso(eta)}" if eta else ""
    item.text += f", priority {priority}" if priority else ""
    item.refused = hindered
    if not given.get("force") and hindered is None:
        item.refused = _unknown(context, name) or await _twice(context, old)
    again = f", edited from {short(str(old))}" if old else ""
    return Draft(
        title=f"Send {name} to {queue}{again}",
        run=partial(_run, context, item.target, name, new_id, message, eta, old),
        count=1,
        items=[item],
        name=name,
        warnings=[*(told or [ALONE]), *doubts(context, name, queue)],
        hint=by_face("--force sends it all the same.", "") if item.refused and hindered is None else "",
        details={"queue": queue, "new_id": new_id, "retry_of": old},
    )


def _arguments(given: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs = given.get("args") or [], given.get("kwargs") or {}
    if not isinstance(args, list):
        raise UsageError("args must be a list.", "For example [1, 2].")
    if not isinstance(kwargs, dict) or not all(isinstance(key, str) for key in kwargs):
        raise UsageError("kwargs must be a table of names and values.", 'For example {"amount": 3}.')
    return args, kwargs


def _queue(context: Context, given: Any, name: str) -> str:
    if given:
        if not isinstance(given, str) or not given.isprintable():
            raise UsageError("queue must be a name.")
        return given
    knowing = [worker for worker in context.online() if name in _registered(context, worker.name)]
    queues = {queue for worker in knowing for queue in worker.queues}
    if len(queues) != 1:
        raise UsageError(
            f"Which queue? {name} could go to several, or to none.",
            by_face("Say it: --queue NAME.", "Write it into queue."),
        )
    return queues.pop()


def _registered(context: Context, worker: str) -> list[str]:
    detail = context.store.worker(worker, context.clock())
    return [entry.partition(" ")[0] for entry in detail.registered] if detail else []


def _unknown(context: Context, name: str) -> str | None:
    every = {task for worker in context.online() for task in _registered(context, worker.name)}
    if not every or name in every:
        return None
    return f"no worker knows {name}. {nearest(name, every)}".strip()


async def _twice(context: Context, old: Any) -> str | None:
    """Why both would run, the old task and the one that is made of it."""
    if not old:
        return None
    every, _ = await gather(context, [str(old)])
    still = busy(every[0])
    return f"the old task has not ended ({still}): both would run. Revoke it first" if still else None


def _priority(given: Any) -> int:
    if given is None:
        return 0
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= 255:
        raise UsageError(f"{given!r} is no priority.", "A whole number from 0 to 255.")
    return given


def _moment(given: Any, what: str, now: float) -> float | None:
    """Epoch seconds of a number of seconds from now, or of an ISO time (UTC without a zone)."""
    if given is None or given == "":
        return None
    try:
        at = now + float(given)
    except (TypeError, ValueError, OverflowError):
        told = epoch(str(given))
        if told is None:
            raise UsageError(f"{given!r} is no {what}.", "Seconds from now, or an ISO time.") from None
        at = told
    if not now < at <= now + LONGEST:
        raise UsageError(f"{what} is not ahead, or too far.", "At most a year from now.")
    return at


def _iso(at: float | None) -> str | None:
    return (
        None if at is None else (datetime.fromtimestamp(0, timezone.utc) + timedelta(seconds=at)).isoformat()
    )


async def _run(
    context: Context, target: str, name: str, new_id: str, message: StoredMessage, eta: float | None, old: Any
) -> Outcome:
    unsure = ""
    try:
        sent = await context.queues.publish([message])
    except LazyCeleryError as error:
        if error.nothing_done:
            raise
        sent, unsure = 0, error.title
    if unsure:
        seen = (await arrival.arrived(context, [new_id])).get(new_id)
        text = f"new task {short(new_id)}…: {seen}"
        if seen is None:
            text = f"may have been sent as {short(new_id)}…: {unsure} Look for it before you send again."
        return _outcome(target, new_id, text, ok=seen is not None, unknown=seen is None)
    if not sent:
        return _outcome(target, new_id, "not sent: the broker did not take it", ok=False)
    context.store.note_sent(new_id, name, message.queue, context.clock(), retry_of=str(old or ""))
    if eta is not None:
        return _outcome(target, new_id, f"new task {short(new_id)}…: sent, not before {_iso(eta)}", ok=True)
    seen = (await arrival.watch(context, {new_id: message.queue})).get(new_id, "sent")
    return _outcome(target, new_id, f"new task {short(new_id)}…: {seen}", ok=True)


def _outcome(target: str, new_id: str, text: str, *, ok: bool, unknown: bool = False) -> Outcome:
    item = OutcomeItem(target=target, ok=ok, text=text, new_id=new_id if ok or unknown else None)
    undo = f"lazycelery revoke {new_id} --allow revoke" if ok else None
    return Outcome(
        action="send",
        done=int(ok),
        failed=int(not ok and not unknown),
        unknown=int(unknown),
        proof=text,
        items=[item],
        undo=undo,
    )
