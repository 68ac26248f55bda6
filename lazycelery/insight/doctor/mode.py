"""A failure mode: its code, how it is looked for, and when it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed as agreed
from lazycelery.model.counting import count as count
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence, Finding
from lazycelery.store.ages import span as span

Check = Callable[[Snapshot], Iterable[Finding]]
Blind = Callable[[Snapshot], str | None]
Asks = Callable[[Snapshot], set[str]]


def nobody(snapshot: Snapshot) -> set[str]:
    """No worker needs to be asked."""
    return set()


def sees(snapshot: Snapshot) -> str | None:
    """Nothing hinders this check."""
    return None


@dataclass(frozen=True)
class Mode:
    """One failure mode."""

    code: str
    check: Check
    """Pure: a snapshot in, findings out."""
    blind: Blind = sees
    """Why it cannot be looked for, and the setting that would show it; `None` when it can."""
    patience: float = 0.0
    """Seconds for which it must be seen without a break, before it is said."""
    lingers: float = 2.0
    """Seconds for which it is still said after it was seen last: what flickers does not."""
    asks: Asks = nobody
    """Workers whose lists are wanted fresh, to be sure."""
    habit: Literal["task", "queue"] | None = None
    """What its subjects are, where it compares with what is usual for them."""


def fact(text: str, source: str, value: float | int | str | None = None) -> Evidence:
    """Evidence in one line."""
    return Evidence(text=text, source=source, value=value)


def listed(names: Sequence[str], most: int = 3, total: int = 0) -> str:
    """`a, b, c and 4 more`; `total`: of how many, where not all are named to us."""
    shown, total = ", ".join(names[:most]), max(total, len(names))
    return shown if total <= most else f"{shown} and {total - most:,} more"


def short(worker: str | None) -> str:
    """A worker's name without what nearly all begin with."""
    return (worker or "a worker").removeprefix("celery@")


def short_id(id: str) -> str:
    """The beginning of a task's id, as it is shown elsewhere."""
    return id[:8]


def plain_slots(number: int) -> str:
    """`1 slot`, `4 slots`."""
    return count(number, "slot")


def fresh(facts: WorkerFacts, which: str, now: float, within: float) -> bool:
    """Whether a worker told one of its lists within the last seconds."""
    return now - facts.at.get(which, 0.0) <= within
