"""Which tasks were sent as one: found by roots, groups, results and what messages embed."""

from __future__ import annotations

import asyncio
from collections import Counter as Counts
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from lazycelery.actions.audit import AuditLog
from lazycelery.actions.context import Context
from lazycelery.actions.following import follows
from lazycelery.actions.recovery import Evidence, gather, whereabouts
from lazycelery.actions.revoking import ended
from lazycelery.actions.targets import task_ids
from lazycelery.actions.wording import listed, short
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.model.action import AuditEntry, Order
from lazycelery.model.canvas import NOT_SENT, Counter, Member, Step, options_of, steps
from lazycelery.model.counting import count
from lazycelery.model.message import Message
from lazycelery.model.text import quoted
from lazycelery.sources.protocols.results import CountsChords

MOST = 1000
"""Members of one plan."""
TOLD = 3
"""Members that a sentence names."""
NEVER_TOLD = "Not here is what no source has told: sent before this monitor looked, events off, no result."
SENT_AGAIN = "retry-of "
"""How the store marks what was sent again, with the old id behind it."""
RETRY_OF = "lazycelery_retry_of"
"""The header that says the same in its message."""
LOOK_BACK = 5000
"""Lines of the audit log: other sessions, and the rules, send again too."""


@dataclass(kw_only=True)
class Canvas:
    """What is known of one canvas."""

    members: dict[str, Evidence] = field(default_factory=dict)
    """Tasks that a source knows, by id, in the order in which they were sent."""
    messages: dict[str, Message] = field(default_factory=dict)
    """Their messages, as far as they are on the broker or were seen before."""
    embedded: dict[str, Step] = field(default_factory=dict)
    """Steps inside those messages that have an id, whether they were sent meanwhile or not."""
    counters: dict[str, Counter] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    logged: dict[str, str] = field(default_factory=dict)
    """What was sent again, by old id, as the audit log tells."""
    warnings: list[str] = field(default_factory=list)
    cut: bool = False

    @property
    def later(self) -> list[Step]:
        """Steps that were not sent yet, as far as any source tells."""
        return [step for own, step in self.embedded.items() if own not in self.members or self.marked(own)]

    def marked(self, id: str) -> bool:
        """Whether a step never ran: the backend alone has a state of it, written for another's failure."""
        evidence = self.members.get(id)
        return evidence is not None and id in self.embedded and not met(evidence)

    def state(self, id: str) -> str:
        """Whereabouts of a member, `not sent` of a step."""
        return NOT_SENT if id not in self.members or self.marked(id) else whereabouts(self.members[id])

    def again(self) -> dict[str, str]:
        """What was sent again, by old id: the newest copy that is known."""
        copies = dict(self.logged)
        for own, message in self.messages.items():
            old = message.headers.get(RETRY_OF)
            if isinstance(old, str) and old != own:
                copies[old] = own
        for own, evidence in self.members.items():
            for mark in evidence.task.marks if evidence.task else ():
                if mark.startswith(SENT_AGAIN):
                    copies[mark.removeprefix(SENT_AGAIN)] = own
        return copies

    def lines(self) -> list[Member]:
        """All members and the steps that are known, for a plan."""
        again = self.again()
        lines = [
            Member(
                id=own,
                name=evidence.name,
                state=self.state(own),
                source=_source(evidence),
                note=f"sent again as {short(again[own])}" if own in again else "",
            )
            for own, evidence in self.members.items()
            if not self.marked(own)
        ]
        return lines + [self._line(step) for step in self.later]

    def _line(self, step: Step) -> Member:
        own = str(step.id)
        note = {"body": "body of the chord"}.get(step.kind, step.kind)
        if own in self.members:
            note += f"; the backend says {whereabouts(self.members[own])}"
        return Member(
            id=own, name=step.name, state=NOT_SENT, source=f"message of {short(step.holder)}", note=note
        )

    def summary(self) -> list[str]:
        """How many are in which state, in one line."""
        lines = self.lines()
        states = Counts(member.state for member in lines).most_common()
        return [f"{count(len(lines), 'member')} known: {', '.join(f'{n:,} {state}' for state, n in states)}"]

    def unknown(self) -> list[str]:
        """What is not known of it, in sentences."""
        open_ = [
            each
            for each in self.members
            if not self.marked(each)
            and self.state(each) != "success"
            and follows(self.messages, each)[0] is None
        ]
        unseen = [each for each in open_ if each not in self.messages]
        shut = [each for each in open_ if each in self.messages and not self.messages[each].decoded]
        said = []
        if unseen:
            said.append(f"What follows {self.named(unseen)} is not known: no message of it was seen.")
        if shut:
            why = (self.messages[shut[0]].problem or "").rstrip(".")
            said.append(f"What follows {self.named(shut)} is not known: its message cannot be read ({why}).")
        for group in sorted(self.groups):
            said += self._of_group(group)
        if self.cut:
            said.append(f"More than {MOST:,} belong to it: the others are not here.")
        return [*said, NEVER_TOLD]

    def _of_group(self, group: str) -> list[str]:
        counter, known = self.counters.get(group), self.of_group(group)
        if counter is None:
            return [f"How many members group {short(group)} has is not known: {len(known):,} were seen."]
        size = counter.size if counter.size is not None else len(counter.parts)
        missing = size - len({*known, *(part.id for part in counter.parts)})
        told = f"Of group {short(group)} {count(missing, 'member')} of {size:,} were never seen."
        return [told] if missing > 0 else []

    def of_group(self, group: str) -> list[str]:
        """Known members of a group."""
        return [
            own
            for own, evidence in self.members.items()
            if group_of(evidence, self.messages.get(own)) == group
        ]

    def named(self, ids: Sequence[str]) -> str:
        """`shop.add[9f3c21ab] and shop.echo[703dbc96]`."""
        return listed((f"{self.name(each)}[{short(each)}]" for each in ids), TOLD)

    def name(self, id: str) -> str:
        """A member's or step's name."""
        known = self.members[id].name if id in self.members else None
        step = self.embedded.get(id)
        return known or (step.name if step else None) or "task"

    def stamps(self) -> list[str]:
        """`name=value` of the stamps of its messages."""
        found: dict[str, None] = {}
        for message in self.messages.values():
            stamps = message.headers.get("stamps")
            for name, value in (stamps if isinstance(stamps, dict) else {}).items():
                for each in value if isinstance(value, list) else [value]:
                    found[f"{name}={each}"] = None
        return list(found)[:TOLD]


async def find(context: Context, order: Order) -> Canvas:
    """The canvas of one task. Raises `UsageError` for more than one, `NothingFound` when nobody knows it."""
    if order.filter is not None or len(order.targets) != 1:
        raise UsageError("A canvas is named by one of its tasks.", "Give the id of one of them.")
    ids, _ = task_ids(context, order)
    logged, unread = await asyncio.to_thread(_logged, context.audit)
    found = _Search(context, logged, ids)
    found.add(ids)
    every, warnings = await gather(context, found.ids)
    if not every[0].known:
        raise NothingFound(f"No source knows {short(ids[0])}.", "Give the whole id.")
    asked = {evidence.id for evidence in every}
    found.told(every)
    warnings = [*warnings, *unread]
    counters = await _counters(context, sorted(found.groups), warnings)
    found.add(part.id for counter in counters.values() for part in counter.parts)
    if more := [each for each in found.ids if each not in asked]:
        others, _ = await gather(context, more)
        found.told(others)
        every += others
        missing = sorted(found.groups - counters.keys())
        counters |= await _counters(context, missing, warnings)
    canvas = Canvas(messages=found.messages, embedded=found.embedded, groups=found.groups, cut=found.cut)
    canvas.counters = counters
    canvas.logged = {old: new for old, new in logged.items() if old in found.known}
    canvas.members = {each.id: each for each in sorted(every, key=_age) if each.known}
    canvas.warnings = warnings
    return canvas


def _logged(audit: AuditLog) -> tuple[dict[str, str], list[str]]:
    """What this and other sessions sent again, by old id the newest; and why it is not known."""
    found: dict[str, str] = {}
    try:
        for entry in islice(audit.entries(), LOOK_BACK):
            for old, new in _copies(entry).items():
                found.setdefault(old, new)
    except LazyCeleryError as error:
        return found, [f"Whether steps were sent again in other sessions is not known: {error.title}"]
    return found, []


def _copies(entry: AuditEntry) -> dict[str, str]:
    if entry.action == "retry":
        told = entry.plan.get("new_ids")
        return {old: str(new) for old, new in told.items()} if isinstance(told, dict) else {}
    old, new = entry.plan.get("retry_of"), entry.plan.get("new_id")
    sent = entry.action == "send" and entry.outcome in ("done", "partly done", "unknown")
    return {str(old): str(new)} if sent and old and new else {}


async def _counters(context: Context, groups: Sequence[str], warnings: list[str]) -> dict[str, Counter]:
    if not groups or not isinstance(context.results, CountsChords):
        return {}
    try:
        return await context.results.counters(groups)
    except LazyCeleryError as error:
        warnings.append(f"How far its chords are was not asked: {error.title}")
        return {}


def group_of(evidence: Evidence, message: Message | None) -> str | None:
    """The group a task is a member of."""
    told = (
        message.group_id if message else None,
        evidence.task.group_id if evidence.task else None,
        evidence.result.group_id if evidence.result else None,
    )
    return next((each for each in told if each), None)


def met(evidence: Evidence) -> bool:
    """Whether a worker or the broker ever had this task, not only the result backend."""
    task, result = evidence.task, evidence.result
    if evidence.held or evidence.report or evidence.seen or (result and result.worker):
        return True
    return task is not None and bool(task.worker or task.received or task.started or task.sent)


def _source(evidence: Evidence) -> str:
    if evidence.report is not None:
        return "control"
    if evidence.held is not None and evidence.finished is None:
        return "broker"
    told = evidence.task.sources.get("state") if evidence.task else None
    return told or ("result" if evidence.result else "event" if evidence.task else "broker")


def _age(evidence: Evidence) -> float:
    task = evidence.task
    times = (task.sent, task.received, task.started, task.finished) if task else ()
    return min((at for at in times if at is not None), default=float("inf"))


class _Search:
    """Goes from each task to those that share its root or group, and into its message."""

    def __init__(self, context: Context, copies: Mapping[str, str], named: Iterable[str]) -> None:
        self._context, self._copies, self._named = context, copies, frozenset(named)
        self._asked: set[str] = set()
        self.ids: list[str] = []
        self.known: set[str] = set()
        self.messages: dict[str, Message] = {}
        self.embedded: dict[str, Step] = {}
        self.groups: set[str] = set()
        self.cut = False

    def add(self, ids: Iterable[str]) -> None:
        """These, and all that hang on them."""
        waiting = list(ids)
        while waiting:
            one = waiting.pop()
            if one in self.known:
                continue
            if len(self.ids) >= MOST:
                self.cut = True
                return
            self.known.add(one)
            self.ids.append(one)
            if one in self._copies:
                waiting.append(self._copies[one])
            seen = self._context.store.raw.get(one)
            if (holder := self._context.store.raw.holder(one)) is not None:
                waiting.append(holder)
            if seen is not None:
                waiting += self._read(one, self._context.codec.describe(seen.raw))
            root = one if one in self._named else None
            if (task := self._context.task(one)) is not None:
                waiting += [*task.children, *([task.parent_id] if task.parent_id else [])]
                waiting += self._group(task.group_id)
                root = task.root_id or root
            if root:  # Each look goes through all tasks: not for steps that nobody has seen.
                waiting += self._select("root", root)

    def told(self, every: Sequence[Evidence]) -> None:
        """What broker and result backend told of them leads further."""
        more: list[str] = []
        for evidence in every:
            if evidence.held is not None:
                more += self._read(evidence.id, self._context.codec.describe(evidence.held.raw))
            if evidence.result is not None:
                more += [*evidence.result.children, *self._group(evidence.result.group_id)]
        self.add(more)

    def _read(self, holder: str, message: Message) -> list[str]:
        self.messages[holder] = message
        found = self._group(message.group_id)
        if message.root_id:
            found += self._select("root", message.root_id)
        for step in steps(message.embed, holder):
            if step.id is not None:
                self.embedded.setdefault(step.id, step)
                found.append(step.id)
        for signature in _chain(message):
            group = options_of(signature).get("group_id")
            found += self._group(group if isinstance(group, str) else None)
        return found

    def _group(self, group: str | None) -> list[str]:
        if not group:
            return []
        self.groups.add(group)
        return self._select("group", group)

    def _select(self, field: str, value: str) -> list[str]:
        condition = quoted(field, value)
        if condition in self._asked:
            return []
        self._asked.add(condition)
        found = self._context.store.select(condition, MOST + 1, self._context.clock())
        self.cut |= len(found) > MOST
        return [value, *found] if field == "root" else found


def _chain(message: Message) -> list[object]:
    chain = (message.embed or {}).get("chain")
    return chain if isinstance(chain, list) else []


def still_open(canvas: Canvas) -> list[str]:
    """Members that have not come to their end."""
    return [each for each in canvas.members if not canvas.marked(each) and not ended(canvas.state(each))]
