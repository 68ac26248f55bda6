"""Enable or disable entries of beat's schedule, where their scheduler has a switch."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial

import msgspec

from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import count, listed, nearest
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.beat import Beat, BeatEntry
from lazycelery.model.faces import by_face
from lazycelery.model.timing import span

LOOKS = {
    "redbeat": "Beat looks again when an entry is due, after 5 minutes at most (beat_max_loop_interval).",
    "django": "Beat looks again within 5 s (beat_max_loop_interval).",
}
DOES = ("enable", "disable")
BACK = "The application's settings name {name} too: RedBeat enables it again at each start of beat."
OVERDUE = "{name} was due {ago} ago: beat sends it at once."
CHANGED_BACK = "it is as it was: something else has changed it back"
UNPROVEN = "it was told so, and cannot be read back: how it is now is not known"
UNREADABLE = "its definition cannot be read"


async def draft(context: Context, order: Order) -> Draft:
    """Which entries are switched, and what beat does then."""
    do = order.params.get("do")
    if do not in DOES:
        raise UsageError("What is to be done with the entry?", f"One of {', '.join(DOES)}.")
    on = do == "enable"
    beat = await read(context)
    entries = [find(beat, name) for name in dict.fromkeys(order.targets)]
    if not entries:
        raise UsageError("Which entry?", by_face("`lazycelery beat`", ":beat") + " lists their names.")
    items = [_item(entry, beat, on) for entry in entries]
    work = [entry for entry, item in zip(entries, items, strict=True) if item.refused is None]
    names = [entry.name for entry in work] or [entry.name for entry in entries]
    return Draft(
        title=f"{do.capitalize()} {listed(names, 3)} in beat's schedule",
        run=partial(_run, context, on, work),
        count=len(work),
        items=items,
        name=names[0] if len(names) == 1 else "",
        warnings=_warnings(work, on, context.clock()),
        details={"do": do},
    )


async def read(context: Context) -> Beat:
    """The schedules as they are now."""
    if context.beats is None:
        raise Refused("Beat's schedule is not known here.", nothing_done=True)
    return await context.beats.read(0.0)


def find(beat: Beat, name: str) -> BeatEntry:
    """The entry of a name. Raises `NothingFound`, with the nearest."""
    for entry in beat.entries:
        if entry.name == name:
            return entry
    hint = (
        nearest(name, [entry.name for entry in beat.entries])
        or by_face("`lazycelery beat`", ":beat") + " lists what is known."
    )
    raise NothingFound(f"No entry of beat is called {name}.", hint)


def _item(entry: BeatEntry, beat: Beat, on: bool) -> PlanItem:
    item = PlanItem(target=entry.name, text=f"{entry.task or 'unknown task'}, {entry.schedule}")
    state = next((one for one in beat.schedulers if one.name == entry.scheduler), None)
    if state is None or not state.switches:
        item.refused = state.why_not if state is not None and state.why_not else "its scheduler has no switch"
    elif not entry.task:
        item.refused = UNREADABLE
    elif entry.enabled is on:
        item.refused = f"it is {'enabled' if on else 'disabled'} already"
    return item


def _warnings(entries: Sequence[BeatEntry], on: bool, now: float) -> list[str]:
    told = [LOOKS[name] for name in dict.fromkeys(entry.scheduler for entry in entries) if name in LOOKS]
    for entry in entries:
        if not on and entry.static and entry.scheduler == "redbeat":
            told.append(BACK.format(name=entry.name))
        if on and entry.due is not None and entry.due < now:
            told.append(OVERDUE.format(name=entry.name, ago=span(round(now - entry.due))))
    return told


async def _run(context: Context, on: bool, entries: Sequence[BeatEntry]) -> Outcome:
    assert context.beats is not None
    problems: dict[str, LazyCeleryError] = {}
    for entry in entries:
        try:
            await context.beats.switch(entry.name, on)
        except LazyCeleryError as problem:
            problems[entry.name] = problem
    items, unknown = await _proofs(context, on, entries, problems)
    done = [item.target for item in items if item.ok]
    did = "enabled" if on else "disabled"
    back = Order(action="beat", targets=done, params={"do": "disable" if on else "enable"}) if done else None
    rest = next((item for item in items if not item.ok), None)
    proof = f"{did} {listed(done, 3)}: read back from its scheduler" if done else f"nothing {did}"
    return Outcome(
        action="beat",
        done=len(done),
        failed=len(items) - len(done) - unknown,
        unknown=unknown,
        proof=proof + (f"; {rest.target}: {rest.text}" if rest else ""),
        items=items,
        undo=_undo(on, done) if done else None,
        back=back,
    )


def _undo(on: bool, names: Sequence[str]) -> str:
    given = shlex.join(names)
    return (
        f"lazycelery beat disable {given} --allow beat"
        if on
        else f"lazycelery beat enable {given} --allow beat"
    )


async def _proofs(
    context: Context, on: bool, entries: Sequence[BeatEntry], problems: dict[str, LazyCeleryError]
) -> tuple[list[OutcomeItem], int]:
    """What the scheduler's store says now, and of how many nobody knows."""
    try:
        now = {entry.name: entry.enabled for entry in (await read(context)).entries}
    except LazyCeleryError:
        now = {}
    items, unknown = [], 0
    for entry in entries:
        seen, problem = now.get(entry.name), problems.get(entry.name)
        if seen is on:
            items.append(OutcomeItem(target=entry.name, ok=True, text="enabled" if on else "disabled"))
            continue
        unknown += seen is None and not (problem is not None and problem.nothing_done)
        text = problem.title if problem is not None else UNPROVEN if seen is None else CHANGED_BACK
        items.append(OutcomeItem(target=entry.name, ok=False, text=context.redactor.text(text)))
    return items, unknown


# ---- run now


async def as_send(context: Context, order: Order) -> tuple[Order, list[str], str | None, dict[str, str]]:
    """A send of what an entry sends: its order, warnings, why it is refused, and headers of its scheduler."""
    given = dict(order.params)
    entry = find(await read(context), str(given.pop("entry")))
    told = [f"{count(1, 'run')} more: its schedule is not touched, and beat sends it as planned."]
    refused = _unsendable(entry, context)
    params = {
        "args": entry.args or [],
        "kwargs": entry.kwargs or {},
        "queue": entry.queue,
        "priority": entry.options.get("priority"),
        "expires": entry.options.get("expires"),
    }
    if entry.scheduler == "conf" and (entry.args or entry.kwargs):
        told.append("Its arguments are as workers tell them: what is no plain JSON would be sent as text.")
    if entry.queue is None and (entry.options.get("exchange") or entry.options.get("routing_key")):
        told.append("Beat routes it by exchange and routing key; from here it goes to a queue.")
    if refused is not None:
        params = {**params, "args": [], "kwargs": {}, "expires": None, "priority": None}
    headers = {"periodic_task_name": entry.name} if entry.scheduler == "django" else {}
    whole = {key: value for key, value in {**params, **given}.items() if value is not None}
    return msgspec.structs.replace(order, targets=[entry.task], params=whole), told, refused, headers


def _unsendable(entry: BeatEntry, context: Context) -> str | None:
    if not entry.task:
        return UNREADABLE
    if "args" in entry.unknown or "kwargs" in entry.unknown:
        return "its arguments cannot be read"
    if entry.hidden:
        return "workers hide a part of its arguments: send it with its own, by lazycelery send"
    expires = entry.options.get("expires")
    if expires is not None and (isinstance(expires, bool) or not isinstance(expires, (int, float))):
        return "its expiry is no number of seconds"
    return None
