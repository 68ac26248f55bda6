"""What move, delete and requeue have in common: choosing messages of a queue, and taking them out of it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lazycelery.actions import booking, bulk, saving
from lazycelery.actions.backup import BackupWriter, Header
from lazycelery.actions.booking import Book
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Item, Journal
from lazycelery.actions.wording import call, count
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import ActionName, Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.faces import by_face
from lazycelery.model.message import Message, StoredMessage
from lazycelery.sources.protocols.sifting import GONE, Looked, Shifted, Sifting
from lazycelery.store.filter.messages import MessageFilter

MOST = 100_000
"""Messages that one pass looks at, unless the order says otherwise."""
SHOWN = 1000
"""Items of a plan."""
NOT_REACHED = "not reached"
LONGEST_HELD = 60.0
"""Seconds for which a pass may keep messages from workers, for the sake of a rate."""
Route = Callable[[Message], str | None]
"""The target of a message that is to be taken, or `None` when it stays."""


@dataclass(kw_only=True)
class Chosen:
    """What a look through a queue found, or (`targets` is `None`) all that waits in it, not looked at."""

    looked: Looked | None = None
    targets: dict[bytes, str] | None = None
    """Target by identity."""
    items: list[PlanItem] = field(default_factory=list)
    rest: list[Item] = field(default_factory=list)
    """Each as a line of a plan file."""
    unread: int = 0
    """Messages that could not be decoded, and do not match."""
    more: bool = False
    """More match than the order takes."""

    def warnings(self, queue: str) -> list[str]:
        """How far it looked, and what it could not read."""
        found = []
        if self.looked is not None and self.looked.cut:
            found.append(
                f"Only the first {self.looked.looked:,} of {self.looked.total:,} waiting messages of {queue} "
                f"were looked at: {self.looked.cut}. Others may match too."
            )
        if self.unread:
            found.append(
                f"{count(self.unread, 'message')} could not be read, and {agreed(self.unread, 'stay')}."
            )
        if self.more:
            found.append(f"More match: only the {len(self.rest):,} that would run next are taken.")
        return found


def sifting(context: Context) -> Sifting:
    """The queues, when single messages can be taken out of them. Raises `Refused` when not."""
    queues = context.queues
    if not isinstance(queues, Sifting):
        raise Refused("This broker cannot move or remove single messages.", nothing_done=True)
    return queues


def most(order: Order) -> int:
    """Messages that the order lets one pass look at. Raises `UsageError` for what is no number."""
    given = order.params.get("most") or MOST
    if isinstance(given, bool) or not isinstance(given, int):
        raise UsageError(f"{given!r} is no number of messages.")
    return max(1, given)


async def refuse_costly(context: Context, order: Order, queue: str) -> list[str]:
    """Raise `Refused` where a look costs something and the order does not say that it may; else the cost."""
    cost = await sifting(context).cost(queue)
    if not context.queues.free_looks and not order.params.get("look"):
        raise Refused(
            f"To see which messages match, {queue} must be looked through. {' '.join(cost)}",
            by_face("--force looks all the same.", ""),
        )
    return cost


def matching(order: Order, queue: str, target: str) -> Route:
    """The route of all that match the order's filter. Raises `UsageError` for a wrong one."""
    wanted = MessageFilter(order.filter or "", queue)
    return lambda message: target if wanted.matches(message) else None


async def choose(context: Context, order: Order, queue: str, route: Route) -> Chosen:
    """Look through a queue for the messages that are meant."""
    chosen, limit = Chosen(targets={}), _limit(order)
    targets = chosen.targets = {}

    def show(stored: StoredMessage) -> None:
        message = context.codec.describe(stored.raw, stored.position)
        target = route(message)
        identity = context.codec.identity(stored.raw)
        if target is None:
            chosen.unread += not message.decoded
        elif identity not in targets and len(targets) == limit:
            chosen.more = True
        elif identity not in targets:
            targets[identity] = target
            line = item(context, message)
            chosen.rest.append(
                Item(
                    n=len(chosen.rest),
                    target=line.target,
                    name=message.task,
                    queue=target or None,
                    priority=stored.priority,
                    mark=identity,
                )
            )
            if len(chosen.items) < SHOWN:
                chosen.items.append(line)

    chosen.looked = await sifting(context).look_through(queue, show, most(order))
    return chosen


def _limit(order: Order) -> int:
    given = order.params.get("limit") or MOST
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise UsageError(f"{given!r} is no number of messages.")
    return given


def paced(context: Context, order: Order, work: Work, chosen: Chosen, title: str) -> list[str]:
    """Let messages that were chosen one by one be written into a plan file, and go at the order's rate.
    Returns warnings. Raises `UsageError` for a rate of what was not chosen, `Refused` for one that holds
    other messages too long."""
    rate, tag = bulk.wanted_rate(order), bulk.wanted_tag(order)
    if len(chosen.rest) < 2:
        if (rate or tag) and chosen.targets is None:
            raise UsageError("A rate, a limit or a tag needs a filter.", "For all of them: 'name:*'.")
        return []
    plan = uuid.uuid4().hex[:8]
    work.course = course = Course(len(chosen.rest), rate)
    header = bulk.header(context, order, plan, title, len(chosen.rest), course, tag or plan)
    header.params = {
        "queue": work.queue,
        "to": work.header.to,
        "backup": str(work.path),
        "look": bool(order.params.get("look")),
        "most": work.most,
    }
    work.begin = lambda: Journal.create(header, chosen.rest)
    return [] if rate is None else [bulk.how_long(len(chosen.rest), rate), *held_back(context, course)]


def held_back(context: Context, course: Course) -> list[str]:
    """What a rate keeps from workers, where looks are not free. Raises `Refused` when that is too long."""
    if context.queues.free_looks or course.rate is None:
        return []
    seconds = course.total / course.rate
    if seconds > LONGEST_HELD:
        raise Refused(
            f"At this rate workers could not have the messages in between for {seconds:,.0f} s: they go "
            "back only at the end.",
            f"A rate that takes at most {LONGEST_HELD:.0f} s, or {by_face('--limit', 'fewer of them')}.",
            nothing_done=True,
        )
    return ["Messages that are looked at go back only at the end: workers cannot have them meanwhile."]


def item(context: Context, message: Message) -> PlanItem:
    """A message as a line of a plan."""
    text = call(message.task, message.args, message.kwargs, context.redactor)
    return PlanItem(target=message.id or f"position {message.position:,}", text=text)


@dataclass(kw_only=True)
class Work:
    """One pass that takes messages out of a queue."""

    action: ActionName
    header: Header
    path: Path
    most: int
    targets: Mapping[bytes, str] | None
    """Target by identity; `None`: all go to `target`."""
    target: str = GONE
    route: Route | None = None
    """Where nothing was looked at: each message's own target, instead of `target`."""
    apart: Mapping[bytes, str | None] = field(default_factory=dict)
    """Where nothing was looked at: by identity those that go elsewhere, or stay (`None`)."""
    planned: int
    front: bool = False
    """Where they go: to the end that runs next, where the transport can."""
    done: dict[str, int] = field(default_factory=dict)
    """What became of it: messages by target."""
    facts: dict[str, Any]
    """Told, under `kept`, which file a failure left behind."""
    course: Course | None = None
    book: Book | None = None
    """Of a plan that is gone on with: its backup and plan file, both open."""
    begin: Callable[[], Journal] | None = None
    """Writes the plan file, where there is to be one."""

    @property
    def queue(self) -> str:
        """Where they are taken from."""
        return self.header.queue

    def pick(self, context: Context, message: StoredMessage) -> str | None:
        """The target of a message."""
        if self.targets is not None:
            return self.targets.get(context.codec.identity(message.raw))
        if self.apart and (mark := context.codec.identity(message.raw)) in self.apart:
            return self.apart[mark]
        if self.route is not None:
            return self.route(context.codec.describe(message.raw, message.position))
        return self.target


async def carry_out(context: Context, work: Work, verb: str) -> Outcome:
    """Save, take, count. `verb` is what the proof says: moved, deleted."""
    book = work.book
    if book is None:
        book = await asyncio.to_thread(_opened, context, work)
    try:
        return await _passed(context, work, book, verb)
    finally:
        if book.journal is not None and work.book is None:
            await asyncio.to_thread(book.journal.close)


def _opened(context: Context, work: Work) -> Book:
    writer = BackupWriter(work.path, work.header)
    try:
        return Book(context, writer, work.begin() if work.begin else None, work.course)
    except BaseException:
        writer.discard()
        raise


async def _passed(context: Context, work: Work, book: Book, verb: str) -> Outcome:
    writer = book.writer
    try:
        told = await _pass(context, work, book)
    except LazyCeleryError as error:
        if error.nothing_done and work.book is None:
            writer.discard()
            _forget(book)
        else:
            work.facts["kept"] = str(writer.keep())
        raise
    except BaseException:
        work.facts["kept"] = str(writer.keep())
        raise
    with contextlib.suppress(LazyCeleryError):  # They stay in the plan file, and are looked for again.
        await asyncio.to_thread(book.end, told)
    backup, note = await _finished(writer, told)
    return await _outcome(context, work, told, backup, verb, note, book)


async def _pass(context: Context, work: Work, book: Book) -> Shifted:
    if work.book is not None and work.targets is not None and not work.targets:
        return Shifted(total=0, looked=0)  # All that was left turned out to be done.
    return await sifting(context).shift(
        work.queue,
        partial(work.pick, context),
        book.save,
        book.settled,
        work.most,
        work.front,
        work.course if book.journal is not None else None,
    )


def _forget(book: Book) -> None:
    """Nothing was done: nothing is left that could be resumed."""
    if book.journal is not None:
        book.journal.discard()
        book.journal = None


async def _finished(writer: BackupWriter, told: Shifted) -> tuple[Path | None, str]:
    if (told.unknown or told.problem) and writer.count > writer.void:
        return writer.keep(), ""  # Its end tells which messages are in doubt.
    if writer.count == writer.void:
        writer.discard()
        return None, ""
    try:
        return await asyncio.to_thread(writer.finish), ""
    except LazyCeleryError as error:
        return writer.keep(), f" ({error.title} It can be restored as it is.)"


async def _outcome(
    context: Context, work: Work, told: Shifted, backup: Path | None, verb: str, note: str, book: Book
) -> Outcome:
    work.done.update(told.done)
    done = sum(told.done.values())
    planned = work.planned if work.targets is not None else done + told.missed + told.rejected + told.unknown
    left = max(0, planned - done - told.unknown)
    depths = await _depths(context, {work.queue, *(target for target in told.done if target)})
    items = [
        OutcomeItem(target=target or work.queue, ok=True, text=f"{count(number, 'message')} {verb}")
        for target, number in sorted(told.done.items())
    ]
    rest = _rest(work, told, left)
    items += [OutcomeItem(target=work.queue, ok=False, text=text) for text in rest]
    where = "; ".join(f"{name} holds {depth}" for name, depth in sorted(depths.items()))
    proof = f"{verb} {done:,} of {count(planned, 'message')} of {work.queue}; {where}"
    if told.renewed:
        proof += f"; {told.renewed:,} near the limit of deliveries went back as fresh copies"
    if told.unknown:
        proof += f"; of {told.unknown:,} it is not known whether they are at their target as well"
    if told.unproven:
        proof += f"; that the last {told.unproven:,} have left {work.queue} is not proven, others use it"
    if told.problem:
        proof += f"; stopped: {told.problem}"
    elif told.cut and (work.targets is None or left):
        how = "taken" if work.targets is None else "looked at"
        proof += f"; only {told.looked:,} of {told.total:,} were {how}: {told.cut}"
        left += max(0, told.total - told.looked) if work.targets is None else 0
    plan = book.journal.header.plan if book.journal is not None else None
    if book.journal is not None:
        items = book.outcomes(verb)
        proof += "".join(f"; {text}" for text in rest if booking.GONE in text or booking.REFUSED in text)
    if book.left:
        proof += f"; the rest stays in plan {plan}: `{bulk.resume_command(str(plan), work.action)}`"
    return Outcome(
        action=work.action,
        done=done,
        failed=left,
        unknown=told.unknown,
        proof=proof + (f"; backup {backup}{note}" if backup else ""),
        items=items,
        backup=str(backup) if backup else None,
        bulk=plan,
        undo=saving.restore_command(backup) if backup else None,
        back=Order(action="restore", targets=[str(backup)]) if backup else None,
    )


def _rest(work: Work, told: Shifted, left: int) -> list[str]:
    # Of a pass that ended early nobody knows what became of those that it did not come to.
    ended = not told.problem and not told.cut
    missed = max(told.missed, left - told.rejected) if ended else told.missed
    texts = {
        booking.GONE: missed,
        booking.REFUSED: told.rejected,
        "in doubt: in their queue, perhaps at their target too": told.unknown,
        NOT_REACHED: left - told.rejected - missed,
    }
    return [f"{count(number, 'message')} {text}" for text, number in texts.items() if number > 0]


async def _depths(context: Context, names: set[str]) -> dict[str, str]:
    """Messages by queue, in words: unknown is unknown."""
    try:
        reports = await context.queues.probe(sorted(names))
    except LazyCeleryError:
        reports = []
    known = {report.name: report.messages for report in reports}
    return {name: "unknown" if known.get(name) is None else f"{known[name]:,}" for name in sorted(names)}
