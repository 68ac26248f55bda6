"""What a plan for many tasks comes to: how many of each grade, to which queues, what is not done and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from lazycelery.actions.resending import Resend
from lazycelery.actions.wording import count, listed
from lazycelery.model.action import PlanItem

TOLD = 5
"""Queues and reasons that are named."""
WORDS = {
    "exact": "exactly, from their true messages",
    "arguments": "from their arguments; chain, chord, callbacks, own headers, priority and ETA are lost",
}


@dataclass
class Sums:
    """The counts, and lines that tell them; no lines for one task."""

    grades: dict[str, int] = field(default_factory=dict)
    queues: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def of_retry(items: Sequence[PlanItem], work: Sequence[Resend]) -> Sums:
    """Of a retry: `items` are all that were judged, `work` those that are sent."""
    grades = Counter[str](resend.how.grade for resend in work)
    queues = Counter(resend.queue for resend in work)
    whys = Counter(_reason(item.refused) for item in items if item.refused)
    refused = sum(whys.values())
    sums = Sums({**grades, "refused": refused} if refused else dict(grades), dict(queues.most_common()))
    if len(items) < 2:
        return sums
    sums.lines = [f"{grades[grade]:,} {WORDS[grade]}" for grade in WORDS if grades[grade]]
    sums.lines += [f"{number:,} not: {why}" for why, number in whys.most_common(TOLD)]
    if len(whys) > TOLD:
        sums.lines.append(f"and {count(len(whys) - TOLD, 'other reason')} not to")
    if queues:
        sums.lines.append("to " + listed((f"{name} ({n:,})" for name, n in queues.most_common()), TOLD))
    return sums


def _reason(refused: str) -> str:
    """Without the worker or queue in it, so that the same reasons count together."""
    return refused.partition(" on ")[0] if refused.startswith("it is") else refused
