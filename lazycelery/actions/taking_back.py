"""Taking back what a move put into another queue: as far as it still waits there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from lazycelery.actions import cut_off, doubt, saving, shifting
from lazycelery.actions.backup import BackupFile
from lazycelery.actions.context import Context
from lazycelery.actions.plan import MANY, Draft
from lazycelery.actions.shifting import Work
from lazycelery.actions.wording import count, listed
from lazycelery.errors import Refused
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.sources.protocols.sifting import GONE

KINDS = ("move", "requeue")
"""Actions whose backups are restored so."""


async def draft(context: Context, order: Order, file: BackupFile) -> Draft:
    """Say what would be taken back from where. The messages are looked for when it is done."""
    queue = str(order.params.get("queue") or "") or file.header.queue
    groups = await asyncio.to_thread(_by_place, context, file)
    where = listed(sorted(groups))
    cost = [line for place in sorted(groups) for line in await shifting.sifting(context).cost(place)]
    warnings = [f"Only what still waits in {where} is taken back; what ran meanwhile is not.", *cost]
    if not file.complete:
        warnings.insert(0, _cut_off(file))
        cost = await shifting.sifting(context).cost(file.header.queue) if file.doubtful else []
        warnings += [line for line in cost if line not in warnings]
    if file.header.broker != context.broker:
        warnings.append(f"It was taken from {file.header.broker}, this is {context.broker}.")
    facts: dict[str, Any] = {"sha256": file.sha256, "messages": file.total, "queue": queue}
    what = count(file.total, "message")
    return Draft(
        title=f"Take back {what} from {where} to {queue}",
        question=f"take back {what} from {where} to {queue}, as far as they still wait there?",
        run=partial(_run, context, file, queue, facts),
        count=file.total,
        items=[
            PlanItem(target=place, text=f"{count(len(each), 'message', does='were')} moved there")
            for place, each in sorted(groups.items())
        ],
        word=str(file.total),
        typed=file.total > MANY or not file.complete,
        warnings=warnings,
        refused=None if file.total else f"{file.path} holds no message",
        details=facts,
    )


def _cut_off(file: BackupFile) -> str:
    told = (
        f"That {file.header.action} was cut off: {file.settled:,} of {len(file):,} "
        f"{agreed(file.settled, 'are')} known to be moved"
    )
    if not file.doubtful:
        return told + "."
    return (
        f"{told}; the last {file.doubtful:,} may be in {file.header.queue} or at their target, on RabbitMQ "
        f"in both: one that is in both is taken out of its target."
    )


def _by_place(context: Context, file: BackupFile) -> dict[str, set[bytes]]:
    """Identities of the messages by the queue that they were moved to."""
    groups: dict[str, set[bytes]] = {}
    for page in file.pages():
        for message in page:
            place = file.header.to
            if place is None:
                death = context.codec.describe(message.raw).death
                place = death.queue if death is not None else None
            if place is not None:
                groups.setdefault(place, set()).add(context.codec.identity(message.raw))
    return groups


async def _run(context: Context, file: BackupFile, queue: str, facts: dict[str, Any]) -> Outcome:
    again = await asyncio.to_thread(BackupFile, file.path)
    if again.sha256 != file.sha256:
        raise Refused(f"{file.path} changed since it was looked at.", "Plan it again.", nothing_done=True)
    doubled = await doubt.still_waiting(context, file)
    groups = await asyncio.to_thread(_by_place, context, file)
    outcomes = []
    for place, ids in sorted(groups.items()):
        targets = {each: GONE if each in doubled else queue for each in ids}
        outcomes.append(await _from(context, place, queue, targets, facts))
    whole = outcomes[0]
    for other in outcomes[1:]:
        whole.done, whole.failed = whole.done + other.done, whole.failed + other.failed
        whole.unknown, whole.items = whole.unknown + other.unknown, whole.items + other.items
        whole.proof += f"; {other.proof}"
        whole.undo = whole.backup = None
    unseen = any(shifting.NOT_REACHED in item.text for item in whole.items)
    if not file.complete and not whole.unknown and not unseen:
        await asyncio.to_thread(cut_off.mended, file.path)
    if doubled:
        whole.proof += f"; {count(len(doubled), 'message')} had never left {file.header.queue}"
    return whole


async def _from(
    context: Context, place: str, queue: str, targets: dict[bytes, str], facts: dict[str, Any]
) -> Outcome:
    work = Work(
        action="restore",
        header=saving.header(context, place, "move", queue),
        path=saving.backup_path(context, Order(action="restore"), place),
        most=shifting.MOST,
        targets=targets,
        planned=len(targets),
        facts=facts,
        front=True,
    )
    outcome = await shifting.carry_out(context, work, "taken back")
    # One that never left its queue need not be found here.
    absent = sum(target == GONE for target in targets.values()) - work.done.get(GONE, 0)
    outcome.failed = max(0, outcome.failed - absent)
    return outcome
