"""Task events on or off, at the workers."""

from __future__ import annotations

import shlex
from functools import partial

from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.replies import account, agreed, said, shown, silent
from lazycelery.actions.wording import count, listed, nearest
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.sources.protocols.mailbox import Replies

STUBBORN = (
    "A worker started with -E cannot be silenced: it answers that events are already disabled and sends on."
)
MUTE = (
    "A worker started with --without-gossip and --without-heartbeat, and without -E, has no event "
    "dispatcher: it cannot be made to send."
)

EVERYBODY = "all workers"


async def draft(context: Context, order: Order) -> Draft:
    """Which workers are told what; with `stay` it outlives this session."""
    on = order.params.get("on")
    if not isinstance(on, bool):
        raise UsageError("Events on, or off?", "Say `lazycelery worker events on` or off.")
    known = [worker.name for worker in context.online()]
    targets = list(dict.fromkeys(order.targets))
    if known and (absent := [name for name in targets if name not in known]):
        near = dict.fromkeys(nearest(name, known) for name in absent)
        rest = "" if len(absent) == len(targets) else "Nothing is told to the others either."
        hint = " ".join(filter(None, [*near, rest]))
        raise NothingFound(f"No worker called {listed(absent)} is online.", hint)
    state = "on" if on else "off"
    where = listed(targets) if targets else f"all workers ({len(known):,} online)"
    return Draft(
        title=f"Switch task events {state} at {where}",
        run=partial(_run, context, on, targets, bool(order.params.get("stay"))),
        count=len(targets or known),
        items=[PlanItem(target=name, text=f"events {state}") for name in targets or [EVERYBODY]],
        name=targets[0] if len(targets) == 1 else "" if targets else "all",
        warnings=[MUTE if on else STUBBORN],
        refused=None if targets or known else "no worker is online",
        details={"on": on},
    )


async def _run(context: Context, on: bool, targets: list[str], stay: bool) -> Outcome:
    replies = await context.remote.set_events(
        on, destination=targets or None, timeout=context.profile.timeout
    )
    # A session puts back at its end what it finds in the replies; what stays is told by the text alone.
    told = {} if stay else shown(context, replies)
    items = [
        OutcomeItem(
            target=reply.worker,
            ok=agreed(reply.value),
            text=said(context, reply.value),
            replies={reply.worker: told[reply.worker]} if told else {},
        )
        for reply in replies.replies
    ]
    quiet = silent(context, replies, targets)
    items += [OutcomeItem(target=name, ok=False, text="did not answer") for name in quiet]
    done = sum(item.ok for item in items)
    answers = account(context, replies, f"answered {_answers(items)}", targets)
    return Outcome(
        action="events",
        done=done,
        failed=len(items) - done - len(quiet),
        unknown=len(quiet),
        proof=f"events {'on' if on else 'off'} at {count(done, 'worker')}: {answers}",
        items=items,
        undo=_undo(on, _changed(on, replies)),
    )


def _changed(on: bool, replies: Replies) -> list[str]:
    """Those for whom it made a difference; the others answer that it was so already."""
    done = f"task events {'enabled' if on else 'disabled'}"
    return sorted(
        reply.worker
        for reply in replies.replies
        if isinstance(reply.value, dict) and reply.value.get("ok") == done
    )


def _undo(on: bool, workers: list[str]) -> str | None:
    if not workers:
        return None
    return f"lazycelery worker events {'off' if on else 'on'} {shlex.join(workers)} --allow events"


def _answers(items: list[OutcomeItem]) -> str:
    return listed(sorted({repr(item.text) for item in items if item.ok}))
