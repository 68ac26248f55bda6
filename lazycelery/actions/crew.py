"""Workers as targets: who is meant, what they say now, and the wait until a change shows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lazycelery.actions.context import Context
from lazycelery.actions.replies import agreed, plainly, untold
from lazycelery.actions.wording import count, listed, nearest
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem
from lazycelery.model.reports import TaskLimits, WorkerReport
from lazycelery.model.worker import Worker
from lazycelery.sources.protocols.remote import WorkerCommand

T = TypeVar("T")
MAINTENANCE = 5.0
"""Seconds between two looks of a prefork worker after its pool: a change of size shows after the next."""
PACE = 0.4
"""Seconds between two looks for a proof."""
ARRIVAL = 5.0
"""Seconds that a worker which just said that it is there is given to listen."""
ONLINE = ("online", "busy", "deaf")
MUTE = "it does not answer (its pool is busy, or remote control is off)"
NEW = "it has just come and does not answer yet: try again in some seconds"
UNSEEN = "Nobody of that name was seen: it may have stopped, be about to stop, or be held up."
"""Of a name that nobody told: a worker that ends hears nothing more, while its process may need seconds."""


@dataclass
class Change:
    """One worker, what it is told, and how it is known that it did."""

    worker: str
    command: WorkerCommand
    arguments: Mapping[str, Any]
    reached: Callable[[WorkerReport], str | None]
    """The proof in words, from what the worker says afterwards; `None` while it is not there."""
    present: Callable[[WorkerReport], str | None]
    """What is there instead; `None` where the worker does not tell."""


def named(context: Context, names: Sequence[str], example: str) -> list[Worker]:
    """The workers of these names, without doubles. Half of a name, before or after the @, will do when
    it fits one worker.

    Raises `UsageError` for no name and for one that fits several; `NothingFound`, with the nearest, for
    unknown ones: then nothing is done to the others either.
    """
    if not names:
        raise UsageError("Which workers?", f"Name them: {example}")
    known = {worker.name: worker for worker in context.store.workers(context.clock())}
    found: dict[str, Worker] = {}
    fitting = {
        name: [name] if name in known else [each for each in known if name in each.split("@", 1)]
        for name in names
    }
    if unknown := [name for name, fits in fitting.items() if not fits]:
        raise unheard_of(unknown, len(fitting), known)
    for name, fits in fitting.items():
        if len(fits) > 1:
            raise UsageError(f"{name} fits {count(len(fits), 'worker')}.", f"For example {listed(fits, 3)}.")
        found[fits[0]] = known[fits[0]]
    return list(found.values())


def unheard_of(unknown: Sequence[str], of: int, known: Collection[str]) -> NothingFound:
    """Why an order that names `of` workers is refused as a whole: some of them are unknown."""
    told = "No worker is" if len(unknown) == 1 else "No workers are"
    near = dict.fromkeys(nearest(name, known) or UNSEEN for name in unknown)
    rest = ["Nothing is done to the others either."] if len(unknown) < of else []
    return NothingFound(f"{told} called {listed(unknown)}.", " ".join([*near, *rest]))


def meant(context: Context, names: Sequence[str], example: str = "w1@host") -> list[Worker]:
    """The workers of these names; without names, all that are online."""
    return named(context, names, example) if names else context.online()


def away(worker: Worker) -> str | None:
    """Why a worker cannot be told anything now."""
    return None if worker.state in ONLINE else f"it is {worker.state}"


def one_name(workers: Sequence[str]) -> str:
    """The name to type where there is one worker."""
    return workers[0] if len(workers) == 1 else ""


def at(workers: Sequence[str]) -> str:
    """`w1@a`, `w1@a and w2@a`, `12 workers`."""
    return listed(workers, 3) if len(workers) <= 3 else count(len(workers), "worker")


def strings(order: Order, name: str) -> list[str]:
    """A list of names in an order's parameters. Raises `UsageError` when it is something else."""
    given = order.params.get(name) or []
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, str) for each in given):
        raise UsageError(f"{name} must be a list of names.")
    return list(given)


def each_own(order: Order, workers: Sequence[Worker]) -> dict[str, Any]:
    """What an undo gives back to each worker (the order's `each`); empty where all get the same.

    Raises `UsageError` when it does not name each of them."""
    given = order.params.get("each")
    if given is None:
        return {}
    if not isinstance(given, dict) or {worker.name for worker in workers} - given.keys():
        raise UsageError("Not every worker has a value of its own.", "each: {worker: value}.")
    return given


def by_value(values: Mapping[str, T]) -> list[tuple[T, list[str]]]:
    """Workers that have the same, together."""
    found: list[tuple[T, list[str]]] = []
    for name in sorted(values):
        same = next((names for value, names in found if value == values[name]), None)
        if same is None:
            found.append((values[name], [name]))
        else:
            same.append(name)
    return found


async def look(context: Context, workers: Sequence[str], *what: str) -> dict[str, WorkerReport]:
    """What these workers say now; who is silent is left out. Who came a moment ago is asked again until it
    listens, `ARRIVAL` seconds at the most."""
    return await _patiently(context, workers, lambda names: _look(context, names, *what))


async def limits(context: Context, workers: Sequence[str]) -> dict[str, dict[str, TaskLimits]]:
    """The limits in force by worker and task, with the patience of `look`."""
    return await _patiently(
        context, workers, lambda names: context.remote.limits(names, timeout=context.profile.timeout)
    )


async def _patiently(
    context: Context, workers: Sequence[str], ask: Callable[[Sequence[str]], Awaitable[dict[str, T]]]
) -> dict[str, T]:
    deadline = asyncio.get_running_loop().time() + ARRIVAL
    came = {name for name in workers if _young(context, name)}
    told = await ask(workers) if workers else {}
    while True:
        # Who answers somebody else by now was asked before it listened.
        came = {name for name in workers if name not in told and (name in came or _young(context, name))}
        if not came or asyncio.get_running_loop().time() >= deadline:
            return told
        await asyncio.sleep(PACE)
        asked, came = sorted(came), {name for name in came if _young(context, name)}
        told |= await ask(asked)


def mute(context: Context, worker: str) -> str:
    """Why a worker that was asked told nothing, as far as is known."""
    return NEW if _young(context, worker) else MUTE


def _young(context: Context, worker: str) -> bool:
    return context.store.young(worker, context.clock())


async def _look(context: Context, workers: Sequence[str], *what: str) -> dict[str, WorkerReport]:
    if not workers:
        return {}
    return await context.remote.look(workers, what, timeout=context.profile.timeout)


async def pause(seconds: float) -> None:
    """Between two looks."""
    await asyncio.sleep(seconds)


async def carry_out(
    context: Context, changes: Sequence[Change], what: Sequence[str], patience: float
) -> tuple[list[OutcomeItem], set[str]]:
    """Tell every worker its part, and look until each shows it or `patience` seconds are over.

    Returns one item a worker, and those of which nobody knows whether they did it: they kept silent, or said
    yes, and did not show it when they were asked last.
    """
    answers = await asyncio.gather(*(_tell(context, change) for change in changes))
    told = {name: answer for name, answer, _ in answers}
    lost = {name: why for name, _, why in answers if why}
    waiting = {change.worker: change for change in changes if agreed(told[change.worker])}
    proofs, seen = await _prove(context, waiting, what, patience)
    items = [_item(context, change, told[change.worker], lost, proofs, seen) for change in changes]
    return items, set(waiting) - proofs.keys() - seen.keys()


def to_take_back(items: Sequence[OutcomeItem], doubtful: Collection[str]) -> list[str]:
    """Whom an undo is for: who did it, and who may have. It must do no harm where it was not done."""
    return sorted(item.target for item in items if item.ok or item.target in doubtful)


async def _tell(context: Context, change: Change) -> tuple[str, Any, str]:
    """The worker's name, its answer, `None` for silence, and what else is known of that."""
    try:
        replies = await context.remote.tell(
            change.command, change.arguments, [change.worker], timeout=context.profile.timeout
        )
    except LazyCeleryError as error:
        why, perhaps = untold(error)
        return (change.worker, None, why) if perhaps else (change.worker, {"error": why}, "")
    return change.worker, replies.by_worker().get(change.worker), ""


async def _prove(
    context: Context, waiting: Mapping[str, Change], what: Sequence[str], patience: float
) -> tuple[dict[str, str], dict[str, str]]:
    """Proofs by worker, and what the others showed last; of who fell silent before the end it may be over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    proofs: dict[str, str] = {}
    seen: dict[str, str] = {}
    while open_ := [name for name in waiting if name not in proofs]:
        try:
            reports = await _look(context, open_, *what)
        except LazyCeleryError:
            reports = {}
        seen = {}
        for name, report in reports.items():
            if name not in waiting:
                continue
            if (proof := waiting[name].reached(report)) is not None:
                proofs[name] = proof
            elif (instead := waiting[name].present(report)) is not None:
                seen[name] = instead
        if len(proofs) == len(waiting) or loop.time() >= deadline:
            break
        await asyncio.sleep(min(PACE, max(0.02, patience / 5)))
    return proofs, seen


def _item(
    context: Context,
    change: Change,
    answer: Any,
    lost: Mapping[str, str],
    proofs: Mapping[str, str],
    seen: Mapping[str, str],
) -> OutcomeItem:
    name = change.worker
    replies = {} if answer is None else {name: answer}
    shown = {
        each: {"ok" if agreed(value) else "error": plainly(context, value)} for each, value in replies.items()
    }
    if name in proofs:
        return OutcomeItem(target=name, ok=True, text=proofs[name], replies=shown)
    if answer is None:
        text = lost.get(name, "it did not answer")
        text += f": {seen[name]}" if name in seen else "; it may still do it later"
    elif not agreed(answer):
        text = plainly(context, answer)
    else:
        text = f"it answered {plainly(context, answer)!r}, but {seen.get(name, 'cannot be asked any more')}"
    return OutcomeItem(target=name, ok=False, text=text, replies=shown)


def outcome(
    action: Any, did: str, items: Sequence[OutcomeItem], unknown: int, undo: Order | None, command: str | None
) -> Outcome:
    """The outcome of a change at workers; `did` says it in a few words: `mail resumed`. What may have been
    done can be undone too."""
    done = sum(item.ok for item in items)
    rest = [item for item in items if not item.ok]
    if len(items) == 1:
        doubt = "perhaps" if unknown else "not"
        proof = f"{did if done else f'{doubt} {did}'}: {items[0].target}: {items[0].text}"
    else:
        proof = f"{did} at {f'{done:,} of ' if rest else 'all '}{count(len(items), 'worker')}"
        proof += f"; {rest[0].target}: {rest[0].text}" if rest else f": {items[0].text}"
    return Outcome(
        action=action,
        done=done,
        failed=len(rest) - unknown,
        unknown=unknown,
        proof=proof,
        items=list(items),
        undo=command if done or unknown else None,
        back=undo if done or unknown else None,
    )
