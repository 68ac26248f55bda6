"""A whole canvas revoked: what waits, what runs, and the steps that were not sent yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lazycelery.actions import bulk, terminate
from lazycelery.actions.canvas import Canvas, find, still_open
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.following import follows
from lazycelery.actions.journal import Item
from lazycelery.actions.plan import Draft
from lazycelery.actions.recovery import Evidence
from lazycelery.actions.remembering import remembered
from lazycelery.actions.revoking import NOBODY_ONLINE, UNSENT, handed_over, tell_all
from lazycelery.actions.wording import call, short
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.canvas import Step, steps
from lazycelery.model.counting import count
from lazycelery.model.faces import by_face
from lazycelery.model.signals import SIGNALS
from lazycelery.sources.protocols.sifting import HALTED

KEPT = "Nothing takes a revoke back: a step sent later under its id is discarded; retry what is to run."
RUN_ON = "{some} on, and revoking does not stop that: to terminate the canvas does. {then}"
THEN_KNOWN = "The steps after are revoked: it ends there."
THEN_UNKNOWN = "Of {names} no message was seen: what it sends at its end is not known, and not revoked."
BODY = "A chord's body does not run: a revoked header counts as failed, so Celery marks the body failed."


async def draft(context: Context, order: Order, signal: str | None = None) -> Draft:
    """Everything that is not done; with a signal, what runs is terminated."""
    canvas = await find(context, order)
    open_ = still_open(canvas)
    later = _later(canvas) if open_ else []
    running = [each for each in open_ if canvas.state(each) == "running"]
    killed = _killed(context, canvas, running) if signal else {}
    told = [each for each in open_ if each not in killed]
    reserved = [canvas.members[each] for each in told if canvas.state(each) == "reserved"]
    items = [_member(context, canvas.members[each], canvas.state(each)) for each in open_]
    items += [PlanItem(target=str(step.id), text=_step(step)) for step in later]
    todo = [
        *(Item(n=0, target=str(step.id), was=UNSENT, name=step.name) for step in later),
        *(Item(n=0, target=each, was=canvas.state(each), name=canvas.name(each)) for each in told),
    ]
    for n, item in enumerate(todo):
        item.n = n
    title = _title(canvas, items, killed, signal)
    course = Course(len(todo), rate := bulk.wanted_rate(order))
    return Draft(
        title=title,
        run=partial(_run, context, order, todo, course, title, killed, signal),
        course=course,
        count=len(items),
        items=items,
        typed=bool(killed),
        name=short(items[0].target) if len(items) == 1 else "",
        summary=canvas.summary(),
        canvas=canvas.lines(),
        warnings=[
            *map(context.redactor.text, _warnings(canvas, running, killed, signal)),
            *canvas.warnings,
            *canvas.unknown(),
            *handed_over(context, list(map(terminate.worker_of, reserved))),
            remembered(context),
            KEPT,
            *([] if context.online() else [NOBODY_ONLINE]),
            *([] if rate is None else [bulk.how_long(len(todo), rate)]),
        ],
        refused=None if items else "all known members have ended, and no step that is known will be sent",
        hint="" if items else "What failed can be sent again: retry the canvas.",
        details={"canvas": True, **({"signal": signal} if signal else {})},
    )


def _later(canvas: Canvas) -> list[Step]:
    """Steps that may still be sent: not those behind a member that failed, whose chain has ended."""
    dead: set[str | None] = set()
    for each, message in canvas.messages.items():
        if canvas.state(each) in ("failure", "revoked", "rejected"):
            dead |= {step.id for step in steps(message.embed, each)}
    return [step for step in canvas.later if step.id not in dead]


def _killed(context: Context, canvas: Canvas, running: Sequence[str]) -> dict[str, str]:
    """Worker by id, of those that a signal can reach."""
    found = {}
    for each in running:
        evidence = canvas.members[each]
        if terminate.item_of(context, evidence).refused is None:
            found[each] = terminate.worker_of(evidence)
    return found


def _member(context: Context, evidence: Evidence, where: str) -> PlanItem:
    task = evidence.task
    text = call(evidence.name, task.args if task else None, task.kwargs if task else None, context.redactor)
    return PlanItem(target=evidence.id, text=f"{text}: {where}")


def _step(step: Step) -> str:
    kind = "the chord's body" if step.kind == "body" else f"a step after {short(step.holder)}"
    return f"{step.name}: {UNSENT}, {kind}"


def _title(canvas: Canvas, items: Sequence[PlanItem], killed: Mapping[str, str], signal: str | None) -> str:
    unsent = sum(f": {UNSENT}" in item.text for item in items)
    what = count(len(items) - unsent, "task")
    what += f" and {count(unsent, 'step')} not sent yet" if unsent else ""
    title = f"Revoke a canvas of {count(len(canvas.lines()), 'member')}: {what}"
    return title + (f"; terminate {len(killed):,} of them with {signal}" if killed else "")


def _warnings(
    canvas: Canvas, running: Sequence[str], killed: Mapping[str, str], signal: str | None
) -> list[str]:
    found = []
    left = [each for each in running if each not in killed]
    if left:
        unseen = [each for each in left if follows(canvas.messages, each)[0] is None]
        then = THEN_UNKNOWN.format(names=canvas.named(unseen)) if unseen else THEN_KNOWN
        some = f"{count(len(left), 'task')} {'runs' if len(left) == 1 else 'run'}"
        found.append(RUN_ON.format(some=some, then=then))
    if killed and signal:
        found += [f"{signal} {SIGNALS[signal]}.", terminate.RACE]
    if any((message.embed or {}).get("chord") for message in canvas.messages.values()):
        found.append(BODY)
    if stamps := canvas.stamps():
        by = by_face("revoke " + " ".join(f"--stamp {each}" for each in stamps), "to revoke by that stamp")
        found.append(
            f"It is stamped {', '.join(stamps)}: {by} reaches also what was not seen, and others with it."
        )
    return found


def _spared(killed: Mapping[str, str]) -> Outcome:
    """Somebody stopped it before the signals went."""
    items = [OutcomeItem(target=each, ok=False, text=f"no signal was sent: {HALTED}") for each in killed]
    proof = f"terminated none of {count(len(items), 'task')}: {HALTED}"
    return Outcome(action="terminate", done=0, failed=len(items), proof=proof, items=items)


async def _run(
    context: Context,
    order: Order,
    todo: Sequence[Item],
    course: Course,
    title: str,
    killed: Mapping[str, str],
    signal: str | None,
) -> Outcome:
    """What waits first, so that nothing follows what is ended then."""
    outcome = await tell_all(context, order, todo, course, title) if todo else None
    if not killed or signal is None:
        return outcome or Outcome(action=order.action, done=0, failed=0, proof="nothing was left to revoke")
    if course.halting:
        ending = _spared(killed)
    else:
        ending = await terminate.carry_out(context, killed, signal)
    if outcome is None:
        return ending
    items: list[OutcomeItem] = [*ending.items, *outcome.items]
    return Outcome(
        action=order.action,
        done=ending.done + outcome.done,
        failed=ending.failed + outcome.failed,
        unknown=ending.unknown + outcome.unknown,
        proof=f"{ending.proof}; {outcome.proof}",
        items=items,
        bulk=outcome.bulk,
    )
