"""What became of tasks that were just sent: watched in the store, then asked for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from lazycelery.actions.context import Context
from lazycelery.errors import LazyCeleryError
from lazycelery.model.states import LABELS
from lazycelery.sources.protocols.queues import Found

SETTLE = 0.5
"""Seconds given to a task that has begun, to see its end as well."""
FEW = 20
SEEN = {
    "received": "received",
    "scheduled": "received",
    "started": "started",
    "success": "succeeded",
    "failure": "failed",
    "retry": "failed and will be retried",
    "revoked": "revoked",
    "rejected": "rejected",
}

PHASES = {"active": "running", "reserved": "received", "scheduled": "received", "revoked": "revoked"}


async def watch(context: Context, sent: Mapping[str, str]) -> dict[str, str]:
    """What was seen of tasks (`{id: queue}`) within the context's patience, in words."""
    found: dict[str, str] = {}
    begun_at: float | None = None

    def settled() -> bool:
        nonlocal begun_at
        _look(context, sent, found)
        if len(found) < len(sent):
            return False
        begun_at = begun_at if begun_at is not None else asyncio.get_running_loop().time()
        late = asyncio.get_running_loop().time() - begun_at >= SETTLE
        return late or all(_told(context, task_id) for task_id in sent)

    if sent:
        await until(settled, context.patience, 0.05 if len(sent) <= FEW else 0.25)
    unseen = {each: queue for each, queue in sent.items() if each not in found}
    return {**found, **(await _ask(context, unseen) if unseen else {})}


async def until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Wait until a condition holds, at most so long; returns whether it does."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() >= deadline:
            return False
        await asyncio.sleep(pause)
    return True


async def arrived(context: Context, ids: Sequence[str]) -> dict[str, str]:
    """Which of these tasks are seen at all, and where: asked when the answer to sending them was lost."""
    found: dict[str, str] = {}
    if not ids:
        return found
    with contextlib.suppress(LazyCeleryError):
        for each, message in (await context.queues.find(ids)).items():
            found[each] = f"in {message.queue}, although the answer was lost"
    _look(context, dict.fromkeys(ids, ""), found)
    unseen = [each for each in ids if each not in found]
    if unseen:
        with contextlib.suppress(LazyCeleryError):
            for report in await context.remote.query_tasks(unseen, timeout=context.profile.timeout):
                found[report.id] = f"{PHASES[report.phase]} on {report.worker}"
    return found


def _look(context: Context, sent: Mapping[str, str], found: dict[str, str]) -> None:
    for task_id in sent:
        task = context.task(task_id)
        if task is not None and task.state in SEEN:
            found[task_id] = SEEN[task.state] + (f" on {task.worker}" if task.worker else "")


def _told(context: Context, id: str) -> bool:
    """Its end and its worker are known: a result may come before the events that name the worker."""
    task = context.task(id)
    state = LABELS.get(task.state) if task else None
    return task is not None and state is not None and state.finished and task.worker is not None


async def _ask(context: Context, unseen: Mapping[str, str]) -> dict[str, str]:
    """No event told: perhaps they are off. Broker, workers and result backend know more, in this order."""
    told = {each: _unseen(context, queue) for each, queue in unseen.items()}
    ids = list(unseen)
    try:
        waiting = await context.queues.find(ids)
        if cut := cut_off(waiting):
            told = {each: f"not seen within {context.patience:g} s; {cut}" for each in unseen}
        for each in waiting:
            told[each] = f"not seen yet: no worker took it within {context.patience:g} s"
        for report in await context.remote.query_tasks(ids, timeout=context.profile.timeout):
            told[report.id] = f"{PHASES[report.phase]} on {report.worker}"
        for result in (await context.results.get(ids) if context.results else {}).values():
            told[result.id] = f"{result.status.lower()} in the result backend"
    except LazyCeleryError as error:
        return {**told, **{each: f"sent, and then not seen: {error.title}" for each in ids}}
    return told


def cut_off(found: Mapping[str, object]) -> str:
    """How far a search went that ended early, in words, else empty."""
    if not isinstance(found, Found) or found.cut is None:
        return ""
    return f"searched the first {found.cut:,} waiting messages"


def _unseen(context: Context, queue: str) -> str:
    text = f"not seen within {context.patience:g} s"
    # A broker that cannot be searched does not tell whether a message still waits.
    gone = (
        f", and no longer in {queue}: task" if context.queues.free_looks else ": no worker took it, or task"
    )
    return f"{text}{gone} events may be off"
