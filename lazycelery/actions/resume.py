"""Going on with a plan file: what waits in it is done, what is in doubt is looked for first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

from lazycelery.actions import arrival, bulk, cut_off, journal, resending, revoking, shift_again, whole_again
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Header, Item, Journal
from lazycelery.actions.plan import Draft
from lazycelery.actions.shift_again import SHIFTS
from lazycelery.actions.wording import count, listed, short
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.faces import by_face
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import Sifting

MOST = 100_000
"""Waiting messages that are looked through for those in doubt, where the order says to look."""
DOUBTFUL = ("ask", "send", "drop")
UNSEEN = "in doubt: it may have been sent as {new}, and is seen nowhere now"
LOOK = "Their queues were not looked through, as that delivers their messages"
AGAIN = "Revoking twice does no harm: those in doubt are simply told again."


async def draft(context: Context, order: Order) -> Draft:
    """What is left of a plan file, and what was found of those in doubt."""
    plan = str(order.params.get("resume") or "")
    doubtful = str(order.params.get("doubtful") or "ask")
    if doubtful not in DOUBTFUL:
        raise UsageError(f"{doubtful!r} is nothing that is done with them.", f"One of {', '.join(DOUBTFUL)}.")
    if (whole := await asyncio.to_thread(cut_off.of, context.profile, context.broker, plan)) is not None:
        return await whole_again.draft(context, order, whole, doubtful)
    path = journal.find(plan)
    header, items, why = await asyncio.to_thread(journal.read, path)
    _check(context, order, header, items)
    left = [item for item in items if item.state in ("waiting", "doubt")]
    if header.action in SHIFTS:
        return await shift_again.draft(context, order, header, left, why, doubtful)
    if header.action == "revoke":
        found = dict[int, str]()
        warnings = [AGAIN] if any(item.state == "doubt" for item in left) else []
        shown = [PlanItem(target=item.target, text=item.name or "unknown task") for item in left]
    else:
        found, warnings = await _looked_for(context, order, left)
        alive = await _alive(context, header, left)
        shown = [_shown(item, found, doubtful, alive.get(item.n)) for item in left]
    if why:
        warnings.insert(0, f"It stopped: {why}.")
    rate = bulk.wanted_rate(order) or header.rate
    course = Course(sum(each.refused is None for each in shown), rate)
    verb = "Send" if header.action == "retry" else "Revoke"
    title = f"{verb} the rest of plan {header.plan}: {len(left):,} of {count(header.count, 'task')}"
    asked = [item.state == "doubt" and each.refused for item, each in zip(left, shown, strict=True)]
    hint = _choose() if any(asked) else ""
    return Draft(
        title=title,
        run=partial(_run, context, order, header.plan, course, doubtful),
        course=course,
        count=course.total,
        items=shown,
        name=header.plan,
        warnings=[*warnings, *([hint] if hint else [])],
        hint=hint,
        details={"plan_file": header.plan, "doubtful": doubtful},
    )


def _check(context: Context, order: Order, header: Header, items: Sequence[Item]) -> None:
    if header.broker != context.broker:
        raise Refused(
            f"Plan {header.plan} belongs to another broker: {header.broker}.",
            f"Name that one{by_face(': --broker or --profile', '')}.",
        )
    if header.prefix and context.profile.prefix not in (None, header.prefix):
        raise Refused(
            f"Plan {header.plan} belongs to the key prefix {header.prefix!r}.",
            "Name it: prefix in the profile, or the profile itself.",
        )
    if header.action != order.action:
        raise UsageError(f"Plan {header.plan} is a {header.action}, not a {order.action}.")
    if all(item.state in ("done", "dropped") for item in items):
        raise Refused(
            f"Plan {header.plan} is done.",
            by_face(f"`lazycelery plan show {header.plan}` tells how.", ":view.audit tells how."),
        )
    if header.action == "retry" and any(item.raw is None for item in items):
        raise Refused(f"Plan {header.plan} holds no messages any more.")


async def _alive(context: Context, header: Header, items: Sequence[Item]) -> dict[int, str]:
    """Why some that wait are left out, by number: they came to life again, and would stop all others."""
    publishing = resending.Publishing(context, bool(header.params.get("force")))
    waiting = [item for item in items if item.state == "waiting"]
    return {item.n: why for item in waiting if (why := await publishing.surprise([item]))}


def _shown(item: Item, found: Mapping[int, str], doubtful: str, alive: str | None) -> PlanItem:
    new = short(str(item.new_id))
    text = f"{item.name or 'unknown task'} → {item.queue}"
    shown = PlanItem(target=item.target, text=text, grade="exact" if item.grade == "exact" else "arguments")
    if item.state != "doubt":
        shown.refused = alive
        return shown
    if item.n in found:
        shown.text = f"{text}: it was sent as {new}: {found[item.n]}"
    elif doubtful == "ask":
        shown.refused = UNSEEN.format(new=new)
    else:
        shown.text = f"{text}: in doubt, {'sent again' if doubtful == 'send' else 'dropped'}"
    return shown


async def _looked_for(
    context: Context, order: Order, items: Sequence[Item]
) -> tuple[dict[int, str], list[str]]:
    """What is seen of the new tasks of those in doubt, by item number, and how far was not looked."""
    doubt = {str(item.new_id): item for item in items if item.state == "doubt"}
    if not doubt:
        return {}, []
    seen = await arrival.arrived(context, list(doubt))
    unseen = [each for each in doubt if each not in seen]
    if unseen and context.results is not None:
        with contextlib.suppress(LazyCeleryError):
            for each, result in (await context.results.get(unseen)).items():
                seen[each] = f"{result.status.lower()} in the result backend"
    unseen = [each for each in doubt if each not in seen]
    warnings = []
    if unseen and order.params.get("look"):
        seen |= await _in_queues(context, [doubt[each] for each in unseen])
    elif unseen and not context.queues.free_looks:
        warnings.append(LOOK + by_face("; --force does it.", "."))
    ids = [each for each in doubt if each not in seen]
    if ids:
        warnings.append(
            f"Of {count(len(doubt), 'task')} in doubt, {len(ids):,} {agreed(len(ids), 'are')} seen nowhere: "
            f"{listed((short(doubt[each].target) for each in ids), 3)}. Unasked, none of them is sent again."
        )
    return {doubt[each].n: text for each, text in seen.items()}, warnings


async def _in_queues(context: Context, items: Sequence[Item]) -> dict[str, str]:
    """Look through their queues. It delivers the messages where looks are not free."""
    if not isinstance(context.queues, Sifting):
        return {}
    wanted, found = {str(item.new_id) for item in items}, dict[str, str]()
    for queue in sorted({str(item.queue) for item in items}):

        def look(stored: StoredMessage, queue: str = queue) -> None:
            new_id = context.codec.describe(stored.raw).id
            if new_id in wanted:
                found[str(new_id)] = f"waits in {queue}"

        await context.queues.look_through(queue, look, MOST)
    return found


async def _run(context: Context, order: Order, id: str, course: Course, doubtful: str) -> Outcome:
    work = await asyncio.to_thread(Journal.take_up, id)
    try:
        left = [item for item in work.items if item.state in ("waiting", "doubt")]
        if work.header.action == "revoke":
            return await revoking.carry_out(context, left, course, work)
        found, _ = await _looked_for(context, order, left)
        unseen = [item for item in left if item.state == "doubt" and item.n not in found]
        if unseen and doubtful != "ask":
            again, gone = (unseen, []) if doubtful == "send" else ([], unseen)
            await asyncio.to_thread(work.tell, (), again, gone)
        alive = await _alive(context, work.header, left)
        left = [item for item in left if item.state in ("waiting", "doubt") and item.n not in alive]
        forced = bool(work.header.params.get("force"))
        return await resending.carry_out(context, left, course, work, forced, work.header.tag, found)
    finally:
        await asyncio.to_thread(work.close)


def _choose() -> str:
    return by_face(
        "--doubtful send sends them, under the same ids: one that had been sent runs twice. "
        "--doubtful drop leaves them.",
        "In a shell, lazycelery plan resume sends them all the same, or leaves them.",
    )
