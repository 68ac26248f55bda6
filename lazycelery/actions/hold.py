"""Hold a queue: nobody consumes it until it is resumed, by whatever session, exactly as it was."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Mapping, Sequence
from functools import partial

from lazycelery.actions import consumers, crew
from lazycelery.actions.audit import whoami
from lazycelery.actions.context import Context
from lazycelery.actions.crew import Change
from lazycelery.actions.holds import Holds, restarted, seen_at
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import listed, nearest
from lazycelery.errors import NothingFound
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.hold import HeldAt, Hold
from lazycelery.model.reports import WorkerReport

DOES = ("hold", "resume", "turn")
LATER = "A worker that starts meanwhile consumes it all the same: its -Q says so."
NEVER = "lazycelery worker hold QUEUE holds one."


async def draft(context: Context, what: str, queue: str, names: Sequence[str], forget: bool) -> Draft:
    """Hold, resume, or whichever of the two is not so yet (`turn`)."""
    holds = await asyncio.to_thread(Holds(context).read)
    if what == "turn":
        what = "resume" if queue in holds else "hold"
    if what == "hold":
        return await _hold(context, queue, names, holds.get(queue))
    if queue not in holds:
        near = nearest(queue, holds) or (f"Held: {listed(holds)}." if holds else NEVER)
        raise NothingFound(f"{queue} is not held.", near)
    return await _resume(context, holds[queue], names, forget)


# ---- hold


async def _hold(context: Context, queue: str, names: Sequence[str], before: Hold | None) -> Draft:
    online = context.online()
    reports = await crew.look(context, [worker.name for worker in online], "active_queues", "stats")
    chosen = crew.meant(context, names)
    if not names:
        chosen = [worker for worker in chosen if _concerned(reports.get(worker.name), worker.queues, queue)]
        if not chosen and before is not None:
            raise NothingFound(
                f"{queue} is held already, {_by(before)}.",
                by_face(f"`lazycelery worker resume {shlex.quote(queue)}`", ":hold")
                + " lets its workers consume it again.",
            )
        if not chosen:
            known = [each.name for each in context.store.queues(context.clock())]
            raise NothingFound(
                f"No worker consumes {queue}.", nearest(queue, known) if queue not in known else ""
            )
    items, held = [], {}
    for worker in chosen:
        report = reports.get(worker.name)
        refused = crew.away(worker) or _cannot_hold(report, queue)
        items.append(PlanItem(target=worker.name, text=f"stop consuming {queue}", refused=refused))
        declared = consumers.declared(queue, [report]) if report is not None else None
        if refused is None and report is not None and declared is not None:
            held[worker.name] = seen_at(report, declared)
    changes = [consumers.cancelling(name, queue) for name in held]
    already = (
        [f"{queue} is held already at {crew.at(list(before.workers))}, {_by(before)}."] if before else []
    )
    return Draft(
        title=f"Hold {queue} at {crew.at(list(held) or [worker.name for worker in chosen])}",
        run=partial(_run_hold, context, queue, held, changes),
        count=len(held),
        items=items,
        word=queue,
        warnings=[*already, *consumers.left_alone(reports, queue, list(held)), consumers.RESERVED, LATER],
        whole=len(online),
        details={"do": "hold", "queue": queue},
    )


def _concerned(report: WorkerReport | None, queues: Sequence[str], queue: str) -> bool:
    """A silent worker is judged by what it said before: that it is left out must be seen."""
    return queue in queues if report is None else bool(consumers.consumes(report, queue))


def _cannot_hold(report: WorkerReport | None, queue: str) -> str | None:
    if report is None:
        return crew.MUTE
    return None if consumers.consumes(report, queue) else f"it does not consume {queue}"


def _by(hold: Hold) -> str:
    return f"by {hold.user}@{hold.host} since {time.strftime('%Y-%m-%d %H:%M', time.localtime(hold.since))}"


async def _run_hold(
    context: Context, queue: str, held: Mapping[str, HeldAt], changes: Sequence[Change]
) -> Outcome:
    store = Holds(context)
    # First on the disk: whatever becomes of us, somebody can put it back.
    others = await asyncio.to_thread(_note, store, context.clock(), queue, held)
    items, doubtful = await crew.carry_out(context, changes, ("active_queues",), context.patience)
    taken = crew.to_take_back(items, doubtful)
    if still := sorted(held.keys() - taken):
        await asyncio.to_thread(_forget, store, queue, still)
    own = taken if others else []  # A hold at other workers that was there before is not ours to end.
    params = {"do": "resume", "workers": own} if own else {"do": "resume"}
    undo = Order(action="consumers", targets=[queue], params=params)
    command = f"lazycelery worker resume {shlex.join([queue, *own])} --allow consumers"
    return crew.outcome("consumers", f"{queue} held", items, len(doubtful), undo, command)


def _note(store: Holds, now: float, queue: str, held: Mapping[str, HeldAt]) -> bool:
    """Whether it was held before, and stays so, at others."""
    user, host, _ = whoami()
    with store.changing() as holds:
        hold = holds.setdefault(queue, Hold(queue=queue, since=now, user=user, host=host))
        others = not hold.workers.keys() <= held.keys()
        hold.workers.update(held)
    return others


def _forget(store: Holds, queue: str, workers: Sequence[str]) -> None:
    with store.changing() as holds:
        hold = holds.get(queue)
        if hold is None:
            return
        for name in workers:
            hold.workers.pop(name, None)
        if not hold.workers:
            del holds[queue]


# ---- resume


async def _resume(context: Context, hold: Hold, names: Sequence[str], forget: bool) -> Draft:
    chosen = [name for name in hold.workers if not names or name in names or name.partition("@")[2] in names]
    online = {worker.name for worker in context.online()}
    asked = [name for name in chosen if name in online]
    reports = await crew.look(context, asked, "active_queues", "stats")
    probed = await context.queues.probe([hold.queue])
    items: list[PlanItem] = []
    changes: list[Change] = []
    settled: dict[str, str] = {}
    for name in chosen:
        item = PlanItem(target=name, text=f"consume {hold.queue} again")
        report, held = reports.get(name), hold.workers[name]
        kind = consumers.kind_of(held.queue, probed[0] if probed else None)
        if report is None and forget:
            settled[name] = "forgotten; nothing was told to it"
            item.text = "is not there any more: forget it"
        elif report is None:
            item.refused = "it is gone" if name not in online else crew.MUTE
        else:
            since = restarted(report, held)
            note = (
                f" (restarted since, at {time.strftime('%H:%M:%S', time.localtime(since))})" if since else ""
            )
            item.text += note
            if consumers.consumes(report, hold.queue):
                settled[name] = f"consumes {hold.queue} already{note}"
                item.text = f"consumes it already{note}: nothing to put back"
            elif since and (reason := consumers.breaks(context, report, hold.queue, kind)):
                item.refused = reason
            else:
                arguments = consumers.how_declared(hold.queue, held.queue, probed[0] if probed else None)
                changes.append(consumers.adding(name, hold.queue, arguments, note))
        items.append(item)
    gone = [item.target for item in items if item.refused]
    stays = f"{listed(gone)} cannot be told: the hold is kept for it." if gone else ""
    back = [*settled, *(change.worker for change in changes)]
    return Draft(
        title=f"Resume {hold.queue} at {crew.at(back or chosen)}",
        run=partial(_run_resume, context, hold.queue, changes, settled),
        count=len(changes) + len(settled),
        items=items,
        word=hold.queue,
        warnings=[f"It was held {_by(hold)}.", *([stays] if stays else [])],
        hint=f"Wait for it{by_face(', or drop it from the list with --forget', '')}." if gone else "",
        details={"do": "resume", "queue": hold.queue},
    )


async def _run_resume(
    context: Context, queue: str, changes: Sequence[Change], settled: Mapping[str, str]
) -> Outcome:
    items, doubtful = await crew.carry_out(context, changes, ("active_queues",), context.patience)
    items += [OutcomeItem(target=name, ok=True, text=text) for name, text in settled.items()]
    done = sorted(item.target for item in items if item.ok)
    await asyncio.to_thread(_forget, Holds(context), queue, done)
    taken = crew.to_take_back(items, doubtful)
    again = [change.worker for change in changes if change.worker in taken]
    undo = (
        Order(action="consumers", targets=[queue], params={"do": "hold", "workers": again}) if again else None
    )
    command = f"lazycelery worker hold {shlex.join([queue, *again])} --allow consumers" if again else None
    return crew.outcome("consumers", f"{queue} resumed", items, len(doubtful), undo, command)
