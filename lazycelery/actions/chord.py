"""A chord whose header failed: sent again as a new chord that keeps the results which are there.

Celery counts what returns, by the id of each header task. A copy of a failed one has another id: it is one
too many, or comes when the counting is over. So the chord as a whole is sent anew, by Celery's own task
`celery.chord`, which every worker has: those that succeeded are replaced by `celery.accumulate`, another
one, which returns what it is given. Nothing is written into the result backend by us.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lazycelery.actions.canvas import Canvas, group_of
from lazycelery.actions.wording import short
from lazycelery.model.canvas import NESTED, Counter, leaves, options_of
from lazycelery.model.counting import count
from lazycelery.model.message import Message

TASK, SAME = "celery.chord", "celery.accumulate"
GOOD = "SUCCESS"
UNCOUNTED = (
    "it is in the header of a chord, and what has returned of that only a result backend on Redis tells: "
    "whether its body would run is not known"
)


@dataclass(kw_only=True)
class Slot:
    """One place of a chord's header, and the failed step in it."""

    group: str
    counted: str
    """The id that the backend counts: of a chain, its last step."""
    body: Mapping[str, Any]
    rest: list[Mapping[str, Any]] = field(default_factory=list)
    """Steps between it and the chord, in order."""


@dataclass(kw_only=True)
class Rebuilt:
    """The arguments of `celery.chord`."""

    header: list[Mapping[str, Any]]
    body: Mapping[str, Any]
    body_id: str
    kept: int
    again: list[str]
    """Members that run again."""


def slot_of(canvas: Canvas, member: str, embed: Mapping[str, Any]) -> Slot | None:
    """The place of a member in the header of a chord; `None` when it is in none."""
    chain = embed.get("chain")
    rest = [each for each in reversed(chain if isinstance(chain, list) else []) if isinstance(each, Mapping)]
    body, counted = embed.get("chord"), member
    group = group_of(canvas.members[member], canvas.messages.get(member))
    if rest:
        last = options_of(rest[-1])
        body, counted, group = last.get("chord"), str(last.get("task_id") or ""), last.get("group_id")
    if not isinstance(body, Mapping) or not group:
        return None
    return Slot(group=str(group), counted=counted, body=body, rest=rest)


def lost(slot: Slot, counter: Counter | None) -> bool:
    """Whether the backend still waits for this place: a copy under another id is counted in its stead."""
    return (
        counter is not None
        and counter.size is not None
        and counter.whole
        and len(counter.parts) < counter.size
        and all(part.id != slot.counted for part in counter.parts)
    )


def problem(canvas: Canvas, slot: Slot, counter: Counter | None) -> str:
    """Why the chord cannot be sent anew; empty when it can."""
    if counter is None:
        return UNCOUNTED
    if counter.saved or any(each.get("task") in NESTED for each in slot.rest):
        return "its chord has groups or chords in its header: those cannot be put together again from here"
    if not counter.whole or any(part.index is None for part in counter.parts):
        return "what its chord has so far is too much to read, or has no order"
    if counter.size is not None and len(counter.parts) < counter.size:
        waits = count(counter.size - len(counter.parts), "member")
        return f"its chord waits for {waits} of {counter.size:,}, and fails when they are done: retry it then"
    if all(part.id != slot.counted for part in counter.parts):
        return "the result backend has not counted its failure in the chord"
    if sorted(part.index or 0 for part in counter.parts) != list(range(len(counter.parts))):
        return "the places of its chord's header are not all there"
    if blurred := [part for part in counter.parts if part.status == GOOD and not part.exact]:
        return f"the result of {short(blurred[0].id)} cannot be passed on as it was"
    body = _body_id(slot.body)
    if not body:
        return "its chord's body has no id"
    if canvas.state(body) not in ("failure", "not sent", "revoked", "unknown"):
        return f"its chord's body is {canvas.state(body)} already"
    return ""


def rebuild(
    slots: Mapping[str, Slot], counter: Counter, signatures: Mapping[str, Mapping[str, Any]], root: str
) -> Rebuilt | str:
    """The chord anew, from the slots of its failed members and their signatures; or why it cannot be."""
    by_id = {slot.counted: (member, slot) for member, slot in slots.items()}
    header: list[Mapping[str, Any]] = []
    again: list[str] = []
    where = options_of(next(iter(signatures.values()))).get("queue")
    for part in sorted(counter.parts, key=lambda part: part.index or 0):
        if part.status == GOOD:
            header.append(_signature(SAME, [part.value], {"index": 0}, {"queue": where}))
            continue
        if part.id not in by_id:
            return f"another member of its chord failed too, and of {short(part.id)} no message was seen"
        member, slot = by_id[part.id]
        steps = [signatures[member], *(_loose(each) for each in slot.rest)]
        again.append(member)
        header.append(steps[0] if len(steps) == 1 else _chain(steps))
    slot = next(iter(slots.values()))
    body = {**slot.body, "options": {**options_of(slot.body), "root_id": root}}
    return Rebuilt(
        header=header,
        body=body,
        body_id=_body_id(slot.body),
        kept=len(header) - len(again),
        again=again,
    )


def signature_of(message: Message, queue: str, retry_of: str) -> dict[str, Any]:
    """A member's message as a signature: arguments, links, its own headers, stamps and limits."""
    embed, headers = message.embed or {}, message.headers
    stamped = headers.get("stamped_headers")
    own = {
        name: value for name, value in headers.items() if name not in PROTOCOL and not name.startswith("x-")
    }
    options: dict[str, Any] = {"queue": queue, "headers": {**own, "lazycelery_retry_of": retry_of}}
    limits = headers.get("timelimit")
    if isinstance(limits, list) and len(limits) == 2:
        options |= {
            name: value
            for name, value in zip(("time_limit", "soft_time_limit"), limits, strict=True)
            if value
        }
    options |= {name: headers[name] for name in ("shadow", "ignore_result") if headers.get(name)}
    if message.priority:
        options["priority"] = message.priority
    if isinstance(stamped, list) and isinstance(headers.get("stamps"), dict):
        options |= {"stamped_headers": stamped, **{name: headers["stamps"].get(name) for name in stamped}}
    for option, name in (("link", "callbacks"), ("link_error", "errbacks")):
        if embed.get(name):
            options[option] = embed[name]
    return _signature(str(message.task), message.args, message.kwargs, options)


PROTOCOL = frozenset(
    (
        *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit"),
        *("root_id", "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "redelivered"),
        *("replaced_task_nesting", "stamped_headers", "stamps", "compression", "clock"),
    )
)
"""Headers that Celery makes for each message anew."""


def _signature(task: str, args: Any, kwargs: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "task": task,
        "args": list(args),
        "kwargs": dict(kwargs),
        "options": {name: value for name, value in options.items() if value is not None},
        "subtask_type": None,
        "immutable": task == SAME,
    }


def _loose(signature: Mapping[str, Any]) -> dict[str, Any]:
    """A step out of its old chord; it gets another id, since that one was counted."""
    bound = ("task_id", "chord", "group_id", "group_index", "reply_to", "chain")
    options = {name: value for name, value in options_of(signature).items() if name not in bound}
    return {**signature, "options": options}


def _chain(steps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    made = _signature("celery.chain", [], {"tasks": list(steps)}, {})
    return {**made, "subtask_type": "chain"}


def _body_id(body: Mapping[str, Any]) -> str:
    own = options_of(body).get("task_id")
    if isinstance(own, str):
        return own
    ids = [options_of(each).get("task_id") for each in leaves(body)]
    return next((each for each in reversed(ids) if isinstance(each, str)), "")
