"""A draft of what an action would do, and the plan a person sees of it."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from lazycelery.actions.course import Course
from lazycelery.model.action import Level, Order, Outcome, Plan, PlanItem
from lazycelery.model.canvas import Member
from lazycelery.model.profile import Profile

MANY = 20
"""More targets than this are confirmed by typing."""
SHARE = 0.5
"""So is what touches this share of all workers, or more."""


@dataclass(kw_only=True)
class Draft:
    """What an action prepared: words for people, and `run`, which carries it out."""

    title: str
    run: Callable[[], Awaitable[Outcome]]
    count: int
    items: list[PlanItem] = field(default_factory=list)
    name: str = ""
    """What names the one target when it must be typed; empty: the number is typed."""
    word: str = ""
    """What must be typed however many targets there are; empty: see `name`."""
    harmless: bool = False
    """Changes nothing: it is not confirmed."""
    typed: bool = False
    """Always confirmed by typing."""
    whole: int | None = None
    """How many workers there are of which the targets are some; `None` when it is not about workers."""
    question: str = ""
    summary: list[str] = field(default_factory=list)
    grades: dict[str, int] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    canvas: list[Member] = field(default_factory=list)
    """All members, where it is about a whole canvas."""
    refused: str | None = None
    hint: str = ""
    backup: str | None = None
    course: Course | None = None
    """Where it goes page by page, and can be stopped in between."""
    details: dict[str, Any] = field(default_factory=dict)
    """Facts for the audit log, redacted."""


def make_plan(draft: Draft, order: Order, profile: Profile, now: float) -> Plan:
    """The plan of a draft, with its confirmation level."""
    level, word = confirmation(draft, profile)
    refused, hint = draft.refused, draft.hint
    if refused is None and draft.items and all(item.refused for item in draft.items):
        refused = _all_refused(draft.items)
    return Plan(
        id=uuid.uuid4().hex,
        action=order.action,
        title=draft.title,
        count=draft.count,
        items=draft.items,
        refused=refused,
        hint=hint,
        level=level,
        word=word,
        question=draft.question or draft.title[:1].lower() + draft.title[1:] + "?",
        summary=draft.summary,
        grades=draft.grades,
        queues=draft.queues,
        warnings=draft.warnings,
        canvas=draft.canvas,
        backup=draft.backup,
        order=order,
        created=now,
    )


def confirmation(draft: Draft, profile: Profile) -> tuple[Level, str | None]:
    """How it is confirmed: a letter, or a word typed: the target's name, or the number of targets."""
    if draft.harmless:
        return "none", None
    targets = sum(item.refused is None for item in draft.items)
    wide = draft.whole is not None and 1 < targets >= SHARE * draft.whole
    if not (draft.typed or profile.production or targets > MANY or wide):
        return "letter", None
    return "typed", draft.word or (draft.name if draft.name and targets <= 1 else str(targets))


def _all_refused(items: list[PlanItem]) -> str:
    if len(items) == 1:
        return items[0].refused or ""
    return f"None of the {len(items):,} can be done: {items[0].target}: {items[0].refused}"
