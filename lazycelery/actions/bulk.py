"""Many targets, page by page: written down before and after, at a pace, until the first surprise."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lazycelery.actions.audit import whoami
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Header, Item, Journal
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.action import ActionName, Order
from lazycelery.sources.protocols.sifting import HALTED

TAG = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(kw_only=True)
class Told:
    """What became of a page; who is in none of the lists is in doubt."""

    done: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    """Certainly not done."""
    why: str = ""
    """A surprise: nothing more is done."""


class Sender(Protocol):
    """What does one page."""

    page: int
    """Targets that go together."""

    async def surprise(self, page: Sequence[Item]) -> str:
        """Why these are not as they were when the plan was made; empty when they are."""

    async def send(self, page: Sequence[Item]) -> Told:
        """Do it. An error of the broker may be raised: `nothing_done` tells whether it may have been done."""


@dataclass(kw_only=True)
class Passed:
    """What became of all of them."""

    done: list[Item] = field(default_factory=list)
    waiting: list[Item] = field(default_factory=list)
    doubtful: list[Item] = field(default_factory=list)
    why: str = ""
    """Why it stopped; empty when it went through."""


async def go(items: Sequence[Item], sender: Sender, course: Course, journal: Journal | None) -> Passed:
    """Do all that wait, in order. What was done stays done, whatever comes later.

    Raises what the broker raises only when certainly nothing was done at all.
    """
    passed, at, size = Passed(), 0, course.page(sender.page)
    while at < len(items) and not passed.why:
        page = items[at : at + size]
        passed.why = HALTED if course.halting else await sender.surprise(page)
        if passed.why:
            break
        if journal is not None:
            passed.why = await _begun(journal, page, first=at == 0)
            if passed.why:
                break
        try:
            told = await _one(sender, page, first=at == 0)
        except LazyCeleryError:
            if journal is not None:
                await asyncio.to_thread(journal.tell, (), page)
            raise
        at += len(page)
        _take(passed, page, told)
        course.done, course.unknown = len(passed.done), len(passed.doubtful)
        if journal is not None:
            lost = await _written(journal, told.done, told.waiting, told.why)
            passed.why = passed.why or lost
        if at < len(items) and not passed.why:
            await course.pace(len(page))
    passed.waiting += items[at:]
    if journal is not None and passed.why:
        await _written(journal, why=passed.why)
    return passed


async def _begun(journal: Journal, page: Sequence[Item], first: bool) -> str:
    """Why a page cannot be written down, and is not done; raises it when nothing was done before."""
    try:
        await asyncio.to_thread(journal.begin, page)
    except LazyCeleryError as error:
        if first:
            raise
        return error.title
    return ""


async def _written(
    journal: Journal, done: Sequence[Item] = (), waiting: Sequence[Item] = (), why: str = ""
) -> str:
    """Why the plan file does not take it: what was done is done, and stays in doubt there."""
    try:
        await asyncio.to_thread(journal.tell, done, waiting, (), why)
    except LazyCeleryError as error:
        return error.title
    return ""


async def _one(sender: Sender, page: Sequence[Item], first: bool) -> Told:
    try:
        return await sender.send(page)
    except LazyCeleryError as error:
        if first and error.nothing_done:
            raise
        return Told(waiting=list(page) if error.nothing_done else [], why=error.title)


def _take(passed: Passed, page: Sequence[Item], told: Told) -> None:
    known = {item.n for item in (*told.done, *told.waiting)}
    passed.done += told.done
    passed.waiting += told.waiting
    passed.doubtful += [item for item in page if item.n not in known]
    passed.why = told.why or (passed.why if len(known) == len(page) else "an answer was lost")


def wanted_rate(order: Order) -> float | None:
    """The order's targets a second. Raises `UsageError` for what is no rate."""
    rate = order.params.get("rate")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0.001 <= rate <= 100_000:
        raise UsageError(f"{rate!r} is no rate.", "A number a second, such as 20 or 0.5.")
    return float(rate)


def how_long(number: int, rate: float) -> str:
    """What a rate comes to, as a sentence."""
    seconds = max(0, number - 1) / rate
    takes = f"{seconds:,.0f} s" if seconds < 120 else f"{seconds / 60:,.0f} min"
    return f"At {rate:g} a second this takes about {takes}; it can be stopped, and resumed, at any time."


def wanted_tag(order: Order) -> str:
    """The order's tag, or nothing. Raises `UsageError` for what is none."""
    tag = str(order.params.get("tag") or "")
    if tag and not TAG.fullmatch(tag):
        raise UsageError(f"{tag!r} is no tag.", "Letters, digits and _ . : - , at most 64.")
    return tag


def header(
    context: Context, order: Order, id: str, title: str, count: int, course: Course, tag: str
) -> Header:
    """The first line of a plan file made now."""
    action: ActionName = order.action
    user, host, _ = whoami()
    return Header(
        plan=id,
        action=action,
        title=title,
        time=context.clock(),
        user=user,
        host=host,
        profile=context.profile.name,
        broker=context.broker,
        prefix=context.profile.prefix or "",
        count=count,
        tag=tag,
        rate=course.rate,
        filter=None if order.filter is None else context.redactor.text(order.filter),
    )


def resume_command(id: str, action: str) -> str:
    """What a person types to go on with a plan."""
    return f"lazycelery plan resume {id} --allow {action}"
