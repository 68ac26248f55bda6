"""A task's relatives as an indented tree, from the root down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.model.canvas import NOT_SENT, Member
from lazycelery.model.task import NEVER_RAN, Task
from lazycelery.model.text import clean
from lazycelery.model.verdict import Verdict
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.verdict import sentence
from lazycelery.tui.presentation.workers import short_name

DEEPEST = 12
"""Levels that are indented; deeper ones stand in the last."""


ENDED = ("success", "failure", "revoked", "rejected", "lost")


@dataclass(frozen=True)
class Family:
    """Tasks of one root, as far as they were fetched."""

    root: str
    members: Sequence[Task]
    matched: int
    """How many the engine knows."""
    told: Verdict | None = None
    """Where the one that holds it up is, and why."""

    @property
    def held(self) -> Task | None:
        """What holds it up: the first that failed, else the oldest that is not done."""
        failed = [task for task in self.members if task.state in ENDED and _said(task) != "success"]
        failed.sort(key=lambda task: task.never_ran is not None)  # The one that failed by itself first.
        going = [task for task in self.members if task.state not in ENDED]
        return failed[0] if failed else min(going, key=_age, default=None)


def family_verdict(family: Family, look: Look) -> Span:
    """How far it is, and what holds it up."""
    ended = Counter(_said(task) for task in family.members if task.state in ENDED)
    others = (f", {number} {clean(state, 12)}" for state, number in ended.most_common() if state != "success")
    done = f"{ended['success']} of {family.matched} known tasks succeeded{''.join(others)}"
    later = len(_later(family))
    done += f", {q.counted(later, 'step')} {NOT_SENT} yet" if later else ""
    held = family.held
    if held is None:
        return f"{look.signs.success} {done}", "ok"
    sign, token = of_task(held.state, look.signs)
    why = sentence(family.told, held.state, look)
    return f"{sign} {done}. {clean(held.name or 'A task', 80)} {q.short_id(held.id)}: {why}", token


def family_lines(family: Family, own: str, look: Look) -> list[Line]:
    """The tree. Who has a parent that is not known stands on the first level and says so."""
    known = {task.id for task in family.members}
    children: dict[str | None, list[Task]] = {}
    for task in sorted(family.members, key=_age):
        parent = task.parent_id if task.parent_id in known and task.parent_id != task.id else None
        children.setdefault(parent, []).append(task)
    lines: list[Line] = []
    waiting = [(task, 0) for task in reversed(children.get(None, []))]
    drawn: set[str] = set()
    while waiting:
        task, depth = waiting.pop()
        if task.id in drawn:
            continue
        drawn.add(task.id)
        lines.append(_line(task, depth, own, known, look))
        waiting += [(child, depth + 1) for child in reversed(children.get(task.id, []))]
    for task in family.members:  # Whoever names himself in a circle of parents.
        if task.id not in drawn:
            lines.append(_line(task, 0, own, known, look))
    if len(lines) == 1:
        lines += [(), (("It has no relatives that were seen.", "dim"),)]
    lines += [_later_line(step, look) for step in _later(family)]
    missing = family.matched - len(family.members)
    if missing > 0:
        lines.append(((f"… and {missing:,} more: filter root:{clean(family.root, 36)}", "warn"),))
    return lines


def _later(family: Family) -> list[Member]:
    """Steps that were not sent yet, as far as a message tells."""
    known = {task.id for task in family.members}
    every = {step.id: step for task in family.members for step in task.later}
    return [step for own, step in every.items() if own not in known]


def _later_line(step: Member, look: Look) -> Line:
    return (
        ("  ", ""),
        (f"{look.signs.branch} ", "dim"),
        (look.signs.scheduled, "dim"),
        (f" {clean(step.name or 'name not seen', 120)}", ""),
        (f" {q.short_id(step.id)}  {NOT_SENT} yet: {step.note}, {clean(step.source, 40)}", "dim"),
    )


def _age(task: Task) -> float:
    times = [at for at in (task.sent, task.received, task.started, task.finished) if at is not None]
    return min(times, default=float("inf"))


def _said(task: Task) -> str:
    return NEVER_RAN if task.never_ran is not None else task.state


def _line(task: Task, depth: int, own: str, known: set[str], look: Look) -> Line:
    mark = look.signs.cursor if task.id == own else " "
    stem = "  " * min(depth - 1, DEEPEST) + f"{look.signs.branch} " if depth else ""
    waits = task.state == "waiting" and task.queue
    lost = task.parent_id and task.parent_id not in known
    parent = f"  parent {q.short_id(task.parent_id)} not seen" if lost else ""
    where = (
        f" on {short_name(task.worker)}"
        if task.worker
        else f" in {clean(task.queue or '', 80)}"
        if waits
        else ""
    )
    took = f" {q.duration(task.runtime)}" if task.runtime is not None else ""
    return (
        (f"{mark} ", "accent"),
        (stem, "dim"),
        of_task(_said(task), look.signs),
        (f" {clean(task.name or 'name not seen', 120)}", "title" if task.id == own else ""),
        (f" {q.short_id(task.id)}  {clean(_said(task), 12)}{took}{where}{parent}", "dim"),
    )
