"""Start, stop, restart a worker by the commands of the profile: outside of Celery, here or over ssh."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Literal, cast

from lazycelery.actions import crew
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import nearest
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.text import clean, clean_block
from lazycelery.sources.protocols.services import Ran

Doing = Literal["start", "stop", "restart"]
DOES: tuple[Doing, ...] = ("start", "stop", "restart")
PATIENCE = 20.0
"""Seconds for the worker to show what was done to it."""
PAUSE = 0.5
TIME = 60.0
"""Seconds that a command may take."""
LINES = 3
HARD = "What the command does to tasks that run is its own: systemd ends a worker after TimeoutStopSec."
DONE = {"start": "started", "stop": "stopped", "restart": "restarted"}


async def draft(context: Context, order: Order) -> Draft:
    """The command as it would be run, where, and what the worker runs now."""
    do = order.params.get("do")
    if do not in DOES:
        raise UsageError("What is to be done?", f"One of {', '.join(DOES)}.")
    if len(order.targets) != 1:
        raise UsageError("Which worker?", "Name one at a time.")
    services = context.services.known()
    name = _named(order.targets[0], list(services))
    command = context.services.shown(name, cast("Doing", do))  # Refused when the profile has none.
    before, blind = None, ""
    try:
        before = await _seen(context, name)
    except Refused as error:
        blind = f"Whether it runs cannot be seen: {error.title}"
    running = f", runs {before[2]:,} now" if before is not None and before[2] else ""
    state = "answers" if before is not None else "cannot be asked" if blind else "does not answer"
    host = services[name].host
    item = PlanItem(target=name, text=f"{context.redactor.text(clean(command, 300))} (it {state}{running})")
    if do == "start" and before is not None:
        item.refused = "it runs already"
    return Draft(
        title=f"{str(do).capitalize()} {name} {f'at {host}' if host else 'here'}",
        run=partial(_run, context, name, cast("Doing", do), before),
        count=1,
        items=[item],
        name=name,
        typed=do != "start",
        warnings=[blind] * bool(blind) + [HARD] * (do != "start" and (before is not None or bool(blind))),
        details={"do": do, "host": host, "command": context.redactor.text(clean(command, 300))},
    )


def _named(name: str, known: list[str]) -> str:
    fits = [name] if name in known else [each for each in known if name in each.split("@", 1)]
    if len(fits) != 1:
        if not known:
            hint = "Add [[profiles.NAME.workers]] to the configuration."
            raise Refused("The profile has no commands for workers.", hint)
        raise NothingFound(f"The profile has no commands for {name}.", nearest(name, known))
    return fits[0]


_Life = tuple[int | None, float | None, int]
"""Process id, start, tasks that run."""


async def _seen(context: Context, name: str) -> _Life | None:
    """What it says of itself, `None` when it is silent. Raises `Refused` where nobody can be asked."""
    try:
        report = (await crew.look(context, [name], "ping", "stats", "active")).get(name)
    except Refused:
        raise
    except LazyCeleryError:
        return None
    if report is None or not report.ping or report.stats is None:
        return None
    began = None if report.stats.uptime is None else report.at - report.stats.uptime
    return report.stats.pid, began, len(report.active or ())


async def _run(context: Context, name: str, do: Doing, before: _Life | None) -> Outcome:
    ran = await context.services.run(name, do, timeout=TIME)
    told = _told(context, ran)
    try:
        proof = await _proof(context, name, do, before)
    except Refused as error:
        blind = OutcomeItem(target=name, ok=False, text=f"the command ended with {ran.code}{told}")
        if ran.code == 0:
            blind.text = f"the command ended well; what became of it cannot be seen: {error.title}"
        return crew.outcome("service", DONE[do], [blind], int(ran.code == 0), None, None)
    if proof is not None:
        item = OutcomeItem(target=name, ok=True, text=proof)
    elif ran.code is None:
        item = OutcomeItem(target=name, ok=False, text=f"the command was ended after {TIME:g} s{told}")
    elif ran.code:
        item = OutcomeItem(target=name, ok=False, text=f"the command ended with {ran.code}{told}")
    else:
        silent = "it still answers" if do == "stop" else "no sign of it yet"
        item = OutcomeItem(target=name, ok=False, text=f"the command ended well, but {silent}{told}")
    return crew.outcome("service", DONE[do], [item], 0, None, None)


async def _proof(context: Context, name: str, do: Doing, before: _Life | None) -> str | None:
    loop = asyncio.get_running_loop()
    patience = PATIENCE * context.patience / 3
    deadline = loop.time() + patience
    while True:
        now = await _seen(context, name)
        if do == "stop" and now is None:
            return "it answers no more"
        if do != "stop" and now is not None and _new(before, now):
            return f"it answers (pid {now[0]})"
        if loop.time() >= deadline:
            return None
        await crew.pause(min(PAUSE, patience))


def _new(before: _Life | None, now: _Life) -> bool:
    if before is None or before[0] != now[0]:
        return True
    return None not in (before[1], now[1]) and (now[1] or 0) - (before[1] or 0) > 5


def _told(context: Context, ran: Ran) -> str:
    """The last lines that the command printed, harmless."""
    lines = [line for line in clean_block(ran.output) if line.strip()][-LINES:]
    return f": {context.redactor.text(' / '.join(lines))[:400]}" if lines else ""
