"""Tasks sent again: published page by page, and what was seen of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lazycelery.actions import arrival, bulk
from lazycelery.actions.bulk import Passed, Told
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Item, Journal
from lazycelery.actions.recovery import Recovered
from lazycelery.actions.wording import count, short
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Outcome, OutcomeItem
from lazycelery.model.message import StoredMessage

PAGE = 16
"""Messages published at once: so many are in doubt when the program is killed."""
TURNED = {
    "waiting": "waits in its queue again",
    "received": "was received again",
    "scheduled": "is scheduled again",
    "started": "is running again",
    "retry": "is retried by Celery itself",
    "success": "has succeeded",
}
"""What an ended task may turn into that nobody expected when the plan was made."""


@dataclass(kw_only=True)
class Resend:
    """One task that will be sent again."""

    old_id: str
    new_id: str
    name: str
    queue: str
    how: Recovered
    headers: dict[str, Any]
    priority: int = 0
    was: str = ""
    """Its state when the plan was made."""
    embed: Mapping[str, Any] | None = None
    """What follows it, where its message is made anew."""


def stored(context: Context, resend: Resend) -> StoredMessage:
    """The message that is sent. Raises what the codec raises when it cannot be made."""
    codec, how = context.codec, resend.how
    if how.message is not None:
        raw = codec.copy(how.message.raw, queue=resend.queue, new_id=resend.new_id, headers=resend.headers)
    else:
        raw = codec.build(
            task=resend.name,
            args=how.args,
            kwargs=how.kwargs,
            queue=resend.queue,
            new_id=resend.new_id,
            headers=resend.headers,
            priority=resend.priority,
            embed=resend.embed,
        )
    return StoredMessage(queue=resend.queue, priority=resend.priority, raw=raw)


def item(context: Context, n: int, resend: Resend) -> Item:
    """The same as a line of a plan file."""
    return Item(
        n=n,
        target=resend.old_id,
        was=resend.was,
        name=resend.name,
        queue=resend.queue,
        priority=resend.priority,
        grade=resend.how.grade,
        new_id=resend.new_id,
        raw=stored(context, resend).raw,
    )


class Publishing:
    """Publishes pages. With `forced`, a task that runs again is no surprise: it was said that it may."""

    page = PAGE

    def __init__(self, context: Context, forced: bool) -> None:
        self._context, self._forced = context, forced

    async def surprise(self, page: Sequence[Item]) -> str:
        """A task that came to life again since the plan was made, by somebody else's doing."""
        for each in () if self._forced else page:
            task = self._context.task(each.target)
            if task is not None and task.state != each.was and task.state in TURNED:
                return f"{short(each.target)} {TURNED[task.state]}, since the plan was made"
        return ""

    async def send(self, page: Sequence[Item]) -> Told:
        """Publish; what the broker did not take is waiting, and the first such thing ends it all."""
        number = await self._context.queues.publish([_message(each) for each in page])
        done, refused = list(page[:number]), list(page[number:])
        return Told(done=done, waiting=refused, why="the broker did not take it" if refused else "")


def _message(item: Item) -> StoredMessage:
    return StoredMessage(queue=item.queue or "", priority=item.priority, raw=item.raw or b"")


async def carry_out(
    context: Context,
    items: Sequence[Item],
    course: Course,
    journal: Journal | None,
    forced: bool,
    tag: str,
    before: Mapping[int, str] | None = None,
) -> Outcome:
    """Publish, and tell what was seen of it. What may have been sent is looked for by its new id.

    `before`: what was found, by item number, of items that a run before this one left in doubt.
    """
    found = {item.n: text for item in items if (text := (before or {}).get(item.n))}
    waiting = [item for item in items if item.state == "waiting" and item.n not in found]
    passed = await bulk.go(waiting, Publishing(context, forced), course, journal)
    for item in passed.done:
        _note(context, item, tag)
    seen = await arrival.watch(context, {str(item.new_id): str(item.queue) for item in passed.done})
    doubtful = {str(item.new_id): item for item in passed.doubtful}
    arrived = await arrival.arrived(context, list(doubtful))
    settled = [item for new_id, item in doubtful.items() if new_id in arrived]
    settled += [item for item in items if item.n in found]
    unsure = [item for new_id, item in doubtful.items() if new_id not in arrived]
    for item in settled:
        _note(context, item, tag)
    if journal is not None and settled:
        with contextlib.suppress(LazyCeleryError):  # They stay in doubt in the file, and are found again.
            await asyncio.to_thread(journal.tell, settled)
    seen |= arrived | {str(item.new_id): found[item.n] for item in items if item.n in found}
    return _outcome(passed, settled, unsure, seen, journal, tag)


def _note(context: Context, item: Item, tag: str) -> None:
    context.store.note_sent(
        str(item.new_id), str(item.name), str(item.queue), context.clock(), retry_of=item.target, tag=tag
    )


def _outcome(
    passed: Passed,
    settled: Sequence[Item],
    unsure: Sequence[Item],
    seen: Mapping[str, str],
    journal: Journal | None,
    tag: str,
) -> Outcome:
    told = [_sent(item, seen[str(item.new_id)]) for item in (*passed.done, *settled)]
    told += [_unsure(item, passed.why) for item in unsure]
    told += [_not_sent(item, passed.why) for item in passed.waiting]
    left = bool(journal is not None and (unsure or passed.waiting))
    plan = journal.header.plan if journal is not None else None
    proof = _proof(told, seen, len(unsure), passed)
    if left and plan is not None:
        proof += f"; the rest stays in plan {plan}: `{bulk.resume_command(plan, 'retry')}`"
    return Outcome(
        action="retry",
        done=len(passed.done) + len(settled),
        failed=len(passed.waiting),
        unknown=len(unsure),
        proof=proof,
        items=told,
        bulk=plan,
        tag=tag,
    )


def _sent(item: Item, seen: str) -> OutcomeItem:
    text = f"new task {short(str(item.new_id))}…: {seen}"
    return OutcomeItem(target=item.target, ok=True, text=text, new_id=item.new_id)


def _not_sent(item: Item, why: str) -> OutcomeItem:
    return OutcomeItem(target=item.target, ok=False, text=f"not sent: {why}")


def _unsure(item: Item, why: str) -> OutcomeItem:
    text = f"may have been sent as {short(str(item.new_id))}…: {why} Look for it before you retry again."
    return OutcomeItem(target=item.target, ok=False, text=text, new_id=item.new_id)


def _proof(items: Sequence[OutcomeItem], seen: Mapping[str, str], unsure: int, passed: Passed) -> str:
    if len(items) == 1:
        return items[0].text
    said = Counter(text.partition(" on ")[0] for text in seen.values())
    proof = f"{count(len(seen), 'new task')}: " + ", ".join(f"{n:,} {text}" for text, n in said.most_common())
    proof += f"; {unsure:,} may have been sent: the answer was lost" if unsure else ""
    return proof + (f"; {len(passed.waiting):,} not sent: {passed.why}" if passed.waiting else "")
