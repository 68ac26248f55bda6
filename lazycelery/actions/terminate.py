"""Terminate: a signal to the process that runs a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lazycelery.actions.arrival import until
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import Evidence, gather, whereabouts
from lazycelery.actions.replies import account, agreed, said, shown, untold
from lazycelery.actions.revoking import ended, ended_meanwhile
from lazycelery.actions.targets import task_ids
from lazycelery.actions.wording import call, count, listed, short
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.signals import SIGNALS
from lazycelery.model.states import State
from lazycelery.sources.protocols.mailbox import Replies

SURE = ("TERM", "KILL")
"""After these the task has ended. The worker marks it revoked with the others too, whatever becomes of it."""
RACE = "The signal goes to the process: if it has gone on to another task meanwhile, that one dies."
POOLS = {
    "threads": "it runs in a thread, and a thread cannot be ended from outside",
    "solo": "what it runs is in the worker's only process, which hears nothing until the task ends",
    "eventlet": "it runs in a green thread: signals end processes only",
    "gevent": "it runs in a green thread: signals end processes only",
}


async def draft(context: Context, order: Order) -> Draft:
    """Find the worker of each running task, and refuse where no signal can reach it."""
    signal = _signal(order.params.get("signal"))
    if order.params.get("canvas"):
        from lazycelery.actions import withdrawing  # It terminates as well.

        return await withdrawing.draft(context, order, signal)
    ids, warnings = task_ids(context, order)
    every, unasked = await gather(context, ids)
    if not any(evidence.known for evidence in every):
        raise NothingFound(f"No source knows {listed(map(short, ids))}.", "Give the whole id.")
    items = [item_of(context, evidence) for evidence in every]
    work = {
        item.target: worker_of(evidence)
        for item, evidence in zip(items, every, strict=True)
        if item.refused is None
    }
    where = f" on {listed(sorted(set(work.values())))}" if work else ""
    return Draft(
        title=f"Terminate {count(len(work) or len(ids), 'task')}{where} with {signal}",
        run=partial(carry_out, context, work, signal),
        count=len(work),
        items=items,
        typed=True,
        name=short(next(iter(work))) if len(work) == 1 else "",
        warnings=[*warnings, *unasked, f"{signal} {SIGNALS[signal]}.", RACE],
        details={"signal": signal},
    )


def _signal(given: Any) -> str:
    name = str(given or "TERM").upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise UsageError(f"Unknown signal {given!r}.", f"One of {', '.join(SIGNALS)}.")
    return name


def worker_of(evidence: Evidence) -> str:
    """The worker that runs it; empty when no source tells."""
    if evidence.report is not None:
        return evidence.report.worker
    return (evidence.task.worker if evidence.task else None) or ""


def item_of(context: Context, evidence: Evidence) -> PlanItem:
    """A task's line in a plan, with the reason where no signal reaches it."""
    task, where, worker = evidence.task, whereabouts(evidence), worker_of(evidence)
    text = call(evidence.name, task.args if task else None, task.kwargs if task else None, context.redactor)
    item = PlanItem(target=evidence.id, text=f"{text}: {where}" + (f" on {worker}" if worker else ""))
    if ended(where):
        item.refused = f"it has ended already ({where})"
    elif where == "unknown" or (where == "reserved" and not worker):
        item.refused = "no source tells whether it runs"
    elif where == "waiting" and _only_held(evidence):
        item.refused = (
            "no source tells whether it runs: its message is on the broker still; revoke it instead"
        )
    elif where in ("reserved", "running") and context.pool(worker) == "solo":
        item.refused = _unreachable(context, worker)  # It tells late what it runs.
    elif where != "running":
        item.refused = f"it does not run ({where}): revoke it instead"
    elif not worker:
        item.refused = "no source tells which worker runs it"
    else:
        item.refused = _unreachable(context, worker)
    return item


def _unreachable(context: Context, worker: str) -> str | None:
    pool = context.pool(worker)
    if pool is None or pool == "prefork":
        return None
    return f"{worker} has a {pool} pool: {POOLS.get(pool, 'only prefork workers can end a task')}"


def _only_held(evidence: Evidence) -> bool:
    """Whether nothing but its message on the broker tells of it: that may be delivered already."""
    return evidence.report is None and (
        evidence.task is None or evidence.task.state not in ("waiting", "retry")
    )


async def carry_out(context: Context, work: Mapping[str, str], signal: str) -> Outcome:
    """Send the signal for tasks, by worker, and watch for their end."""
    late = await ended_meanwhile(context, list(work))
    items = [
        OutcomeItem(target=each, ok=False, text=f"left alone: it ended by itself ({label})")
        for each, label in late.items()
    ]
    by_worker: dict[str, list[str]] = defaultdict(list)
    unknown = 0
    for each, worker in work.items():
        if each not in late:
            by_worker[worker].append(each)
    for worker, ids in sorted(by_worker.items()):
        told, lost = await _at(context, worker, ids, signal)
        items, unknown = items + told, unknown + lost
    sent = [item for item in items if item.ok]
    await until(lambda: all(_end(context, item.target, signal) for item in sent), context.patience)
    for item in sent:
        item.text += _aftermath(context, item.target, signal)
    done = sum(item.ok for item in items)
    return Outcome(
        action="terminate",
        done=done,
        failed=len(items) - done - unknown,
        unknown=unknown,
        proof=_proof(items, done),
        items=items,
    )


async def _at(
    context: Context, worker: str, ids: Sequence[str], signal: str
) -> tuple[list[OutcomeItem], int]:
    """What became of each, and of how many nobody knows: a worker that did not answer may still do it."""
    try:
        replies = await context.remote.revoke(
            ids, terminate=True, signal=signal, destination=[worker], timeout=context.profile.timeout
        )
    except LazyCeleryError as error:
        why, perhaps = untold(error)
        return [OutcomeItem(target=each, ok=False, text=f"{worker}: {why}") for each in ids], (
            len(ids) if perhaps else 0
        )
    silent = worker not in replies.by_worker()
    return [_answered(context, each, worker, replies, signal) for each in ids], len(ids) if silent else 0


def _answered(context: Context, id: str, worker: str, replies: Replies, signal: str) -> OutcomeItem:
    value = replies.by_worker().get(worker)
    whole = str(value.get("ok", "")) if isinstance(value, dict) else ""
    ok = value is not None and agreed(value) and id in whole
    if ok:
        text = f"{worker} sent {signal}"
    elif value is not None and agreed(value):
        text = f"{worker} does not run it (it answered {said(context, value)!r})"
    else:
        text = account(context, replies, "agreed", [worker])
    return OutcomeItem(target=id, ok=ok, text=text, replies=shown(context, replies))


def _end(context: Context, id: str, signal: str) -> str:
    """The state it ended in. A worker's mark alone proves the end only after a sure signal."""
    task = context.task(id)
    if task is None or not ended(task.state):
        return ""
    return task.state if signal in SURE or task.state != State.REVOKED.label else ""


def _aftermath(context: Context, id: str, signal: str) -> str:
    state = _end(context, id, signal)
    if state == State.REVOKED.label:
        return " and marked it revoked"
    return f"; it is {state} now" if state else f"; no end seen within {context.patience:g} s"


def _proof(items: Sequence[OutcomeItem], done: int) -> str:
    if len(items) == 1:
        return f"{'terminated' if done else 'not terminated'} {short(items[0].target)}: {items[0].text}"
    failed = [item for item in items if not item.ok]
    proof = f"terminated {done:,} of {count(len(items), 'task')}"
    return proof + (f"; {len(failed):,} not: {failed[0].text}" if failed else "")
