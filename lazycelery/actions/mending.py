"""A whole canvas retried from the steps that failed, so that the rest of it runs on."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from lazycelery.actions import bulk, chord
from lazycelery.actions.arrival import until
from lazycelery.actions.canvas import Canvas, find, met
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.following import follows
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import Recovered
from lazycelery.actions.resending import Resend
from lazycelery.actions.routing import doubts
from lazycelery.actions.wording import listed, short
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.canvas import Step, steps
from lazycelery.model.counting import count
from lazycelery.model.faces import by_face

FAILED = ("failure", "rejected", "lost", "revoked")
BLIND = "what follows it is not known: neither its message nor one before it was seen; a copy would end there"
MARKED = (
    "no worker was seen to run it: Celery marks steps as failed when one before them fails, and what was "
    "before it is not known"
)
COUNTED = (
    "Its chord still waits for it: a copy is counted in its place. Should the lost message return, it is one "
    "too many."
)
ANEW = (
    "{kept} of its chord {are} kept, and not run again: Celery's own task {task} sends the chord anew, with "
    "its old body."
)
FROM_ARGUMENTS = (
    "Sent from arguments: its own headers, priority, ETA and expiry are not known and are lost; what follows "
    "is not."
)
SAME_IDS = "The steps after it keep their ids; what they had as results is replaced."
HELD = "workers may still hold {name}[{id}], which follows, as revoked, and would discard it"


@dataclass(kw_only=True)
class Mended:
    """A failed step, and what sends it again."""

    item: PlanItem
    resend: Resend | None = None
    hint: str = ""
    warnings: list[str] = field(default_factory=list)
    next: list[Step] = field(default_factory=list)
    """What comes after it."""


async def draft(context: Context, order: Order) -> Draft:
    """The failed steps of a canvas, each with what it needs so that the rest follows."""
    from lazycelery.actions import retry  # It sends single tasks, and this whole canvases.

    canvas = await find(context, order)
    failed = origins(canvas)
    found = [each for member in failed for each in [_mend(context, canvas, member, order)]]
    found = _chords(context, canvas, found, order)
    work = [each.resend for each in found if each.resend is not None]
    done = sum(member.state == "success" for member in canvas.lines())
    title = (
        f"Retry a canvas of {count(len(canvas.lines()), 'member')} from {_steps(work)} on"
        if work
        else f"Retry a canvas of {count(len(canvas.lines()), 'member')}"
    )
    course = Course(len(work), rate := bulk.wanted_rate(order))
    after = {each.resend.old_id: each.next for each in found if each.resend is not None}
    return Draft(
        title=title,
        run=partial(_run, context, order, work, course, title, after, retry.send_all),
        course=course,
        count=len(work),
        items=[each.item for each in found],
        summary=[*canvas.summary(), *([f"{done:,} that succeeded are not run again"] if done else [])],
        grades=retry.grades(work),
        name=short(work[0].old_id) if len(work) == 1 else "",
        canvas=canvas.lines(),
        warnings=[
            *dict.fromkeys(text for each in found for text in each.warnings),
            *([] if rate is None else [bulk.how_long(len(work), rate)]),
            *canvas.warnings,
            *canvas.unknown(),
        ],
        refused=None if failed else _nothing(canvas),
        hint=next((each.hint for each in found if each.hint), ""),
        details={"canvas": True, "grades": retry.grades(work)},
    )


def origins(canvas: Canvas) -> list[str]:
    """Members that failed by themselves, and were not sent again since with better luck."""
    again = canvas.again()
    failed = [
        each
        for each in canvas.members
        if not canvas.marked(each) and canvas.state(each) in FAILED and each not in again
    ]
    failed = [each for each in failed if not _body(canvas, each)]
    # A backend alone also tells failures of steps that never ran, because one before them failed.
    return [each for each in failed if met(canvas.members[each])] or failed


def _body(canvas: Canvas, member: str) -> bool:
    """Whether it is a chord's body that never ran, because its header failed."""
    evidence = canvas.members[member]
    error = evidence.task.error if evidence.task else None
    return bool(error and "ChordError" in error) and not (evidence.task and evidence.task.worker)


def _nothing(canvas: Canvas) -> str:
    again = canvas.again()
    copied = [each for each in again if canvas.state(each) in FAILED]
    if copied:
        told = f"{canvas.named(copied[:1])} was sent again as {short(again[copied[0]])}"
        return f"no step has failed since: {told} (a chord does not count such a copy)"
    still = [each.state for each in canvas.lines() if each.state not in ("success", "not sent", *FAILED)]
    if still:
        are = "is" if len(still) == 1 else "are"
        return f"no step has failed: {count(len(still), 'member')} {are} {still[0]}"
    return "no step of it has failed"


def _steps(work: Sequence[Resend]) -> str:
    return listed((f"{each.name}[{short(each.old_id)}]" for each in work), 2)


def _mend(context: Context, canvas: Canvas, member: str, order: Order) -> Mended:
    """One failed step, by its own message or by one before it."""
    from lazycelery.actions import retry

    embed, headers = follows(canvas.messages, member)
    judged = retry.judge(context, canvas.members[member], order)
    made = Mended(item=judged.item, resend=judged.resend, hint=judged.hint, warnings=[])
    if judged.resend is None:
        return made
    resend = judged.resend
    made.warnings = [*resend.how.warnings, *doubts(context, resend.name, resend.queue)]
    if embed is None and not met(canvas.members[member]):
        return _refuse(made, MARKED, "Name the step that failed.")
    if embed is None:
        return _refuse(made, BLIND, _alone(member))
    made.next = steps(embed, member)
    if judged.resend.how.grade == "arguments":
        judged.resend.embed = dict(embed)
        judged.resend.headers |= headers
        made.warnings.append(FROM_ARGUMENTS)
        made.item.text += "; what follows it is known from a message before it"
    held = [step for step in made.next if step.id in canvas.members and _revoked(canvas, str(step.id))]
    if held and not order.params.get("force"):
        why = HELD.format(name=held[0].name, id=short(str(held[0].id)))
        return _refuse(made, why, _held_hint())
    if made.next:
        made.warnings.append(SAME_IDS)
        made.item.text += (
            f", then {listed((step.name for step in made.next if step.kind in ('next', 'body')), 3)}"
        )
    return made


def _alone(member: str) -> str:
    return by_face(
        f"retry {short(member)} without --canvas sends this step alone.",
        "To retry the task itself sends this step alone.",
    )


def _held_hint() -> str:
    now = by_face("; --force sends it now.", ".")
    return f"They forget it after three hours, or when all of them restart{now}"


def _refuse(made: Mended, why: str, hint: str) -> Mended:
    made.item.refused, made.resend, made.hint = why, None, hint
    return made


def _revoked(canvas: Canvas, step: str) -> bool:
    evidence = canvas.members[step]
    state = evidence.task.state if evidence.task else ""
    status = evidence.result.status if evidence.result else ""
    return "revoked" in (state, status.lower())


def _chords(context: Context, canvas: Canvas, found: list[Mended], order: Order) -> list[Mended]:
    """Members of a header are not sent one by one: their chord is, once for all of them."""
    slots: dict[str, dict[str, chord.Slot]] = {}
    kept: list[Mended] = []
    waiting: dict[str, list[Mended]] = {}
    for each in found:
        embed, _ = follows(canvas.messages, each.item.target)
        slot = chord.slot_of(canvas, each.item.target, embed) if embed else None
        if each.resend is None or slot is None:
            kept.append(each)
            continue
        counter = canvas.counters.get(slot.group)
        if chord.lost(slot, counter):
            each.warnings.append(COUNTED)
            kept.append(each)
            continue
        slots.setdefault(slot.group, {})[each.item.target] = slot
        waiting.setdefault(slot.group, []).append(each)
    return kept + [_chord(canvas, group, waiting[group], members) for group, members in slots.items()]


def _chord(canvas: Canvas, group: str, found: list[Mended], slots: Mapping[str, chord.Slot]) -> Mended:
    first, counter = found[0], canvas.counters.get(group)
    slot = slots[first.item.target]
    if (why := chord.problem(canvas, slot, counter)) or counter is None:
        return _refuse(first, why, _alone(first.item.target))
    signatures = {
        each.item.target: chord.signature_of(message, each.resend.queue, each.item.target)
        for each in found
        if each.resend is not None
        and (message := canvas.messages.get(each.item.target)) is not None
        and message.decoded
    }
    if len(signatures) < len(found):
        return _refuse(first, "the message of a failed member of its chord was never seen", "")
    old = canvas.members[first.item.target]
    root = (old.task.root_id if old.task else None) or old.id
    built = chord.rebuild(slots, counter, signatures, root)
    if isinstance(built, str) or first.resend is None:
        return _refuse(first, str(built), "")
    how = Recovered(
        grade="arguments",
        source="broker",
        args=[built.header, built.body],
        kwargs={"task_id": built.body_id},
        why="its chord, put together from their messages and the results that are there",
    )
    parent = old.task.parent_id if old.task else None
    headers = {"lazycelery_retry_of": old.id, "root_id": root, "parent_id": parent}
    first.resend = replace(
        first.resend, new_id=str(uuid.uuid4()), name=chord.TASK, how=how, headers=headers, embed=None
    )
    first.item.grade = "arguments"
    first.item.text = f"{count(len(built.again), 'failed member')} of a chord: {canvas.named(built.again)}"
    first.item.text += (
        f"; {count(built.kept, 'result')} kept, then {_name(built.body)} → {first.resend.queue}"
    )
    are = "is" if built.kept == 1 else "are"
    told = [text for each in found for text in each.warnings if text != SAME_IDS]
    first.warnings = [
        *told,
        ANEW.format(kept=count(built.kept, "result"), are=are, task=chord.TASK),
        SAME_IDS,
    ]
    first.next = steps({"chord": built.body}, old.id)
    return first


def _name(body: Mapping[str, Any]) -> str:
    return listed((step.name for step in steps({"chord": body}, "")), 3)


async def _run(
    context: Context,
    order: Order,
    work: Sequence[Resend],
    course: Course,
    title: str,
    after: Mapping[str, Sequence[Step]],
    send: Any,
) -> Outcome:
    """Send, and look whether the next step comes to life."""
    nexts = {old: first for old, steps in after.items() if (first := _first(steps)) is not None}
    before = {str(step.id): _newest(context, step) for step in nexts.values()}
    outcome: Outcome = await send(context, order, work, course, title, str(order.params.get("tag") or ""))
    if not nexts:
        return outcome

    def alive(step: Step) -> str:
        return _alive(context, step, before[str(step.id)])

    await until(lambda: all(map(alive, nexts.values())), context.patience)
    for item in outcome.items:
        step = nexts.get(item.target)
        if item.ok and step is not None:
            item.text += f"; {_seen(context, step, alive(step))}"
    if len(outcome.items) == 1:
        outcome.proof = outcome.items[0].text
    else:
        seen = sum(bool(alive(step)) for step in nexts.values())
        outcome.proof += f"; of {count(len(nexts), 'next step')} {seen:,} were seen"
    return outcome


def _first(every: Sequence[Step]) -> Step | None:
    return next((step for step in every if step.id and step.kind in ("next", "body")), None)


def _newest(context: Context, step: Step) -> float:
    """When a step was heard of last."""
    task = context.task(step.id or "")
    times = (task.sent, task.received, task.started, task.finished) if task else ()
    return max((at for at in times if at is not None), default=0.0)


def _alive(context: Context, step: Step, before: float) -> str:
    """Its state, when it was heard of again; what Celery had marked it as counts no more."""
    task = context.task(step.id or "")
    if task is None or _newest(context, step) <= before:
        return ""
    return "sent" if task.finished is not None and task.finished <= before else task.state


def _seen(context: Context, step: Step, state: str) -> str:
    if state:
        return f"then {step.name}[{short(str(step.id))}]: {state}"
    return f"{step.name}[{short(str(step.id))}], which follows, not seen within {context.patience:g} s"
