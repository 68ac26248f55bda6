"""The last lines: keys that work here, a question, a prompt, or what was just done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.keys import Action, symbol
from lazycelery.model.action import Level, Plan
from lazycelery.model.canvas import Member
from lazycelery.model.text import clean
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line, Span, fit, merge, width_of
from lazycelery.tui.presentation.look import Look

TYPED = 20
"""Cells of a word being typed that must be in sight."""
LAST = ("help", "quit")
"""Always in sight, at the end of the line."""


def keys_line(actions: Sequence[Action], width: int) -> Line:
    """As many of the keys as fit, best first, help and quit at the end."""
    last = [_hint(action) for action in actions if action.id in LAST]
    room = width - 1 - sum(_size(hint) for hint in last)
    shown: list[tuple[str, str]] = []
    for hint in (_hint(action) for action in actions if action.id not in LAST):
        if _size(hint) > room:
            break
        shown.append(hint)
        room -= _size(hint)
    spans: list[Span] = [(" ", "")]
    for key, label in [*shown, *last]:
        spans += [(key, "accent"), (f" {label}", ""), ("  ", "dim")]
    return merge(spans[:-1])


def _hint(action: Action) -> tuple[str, str]:
    return symbol(action.keys[0]), action.label


def _size(hint: tuple[str, str]) -> int:
    return width_of(hint[0]) + 1 + width_of(hint[1]) + 2


MEMBERS = 5
"""Members of a canvas that a question shows."""


@dataclass(frozen=True)
class Question:
    """What is asked, and how it is answered. Enter always means No."""

    title: str
    text: str
    level: Level = "letter"
    word: str = ""
    """What must be typed at level `typed`."""
    warnings: tuple[str, ...] = ()
    about: str = ""
    """What it is done to, when that is one thing."""
    summary: tuple[str, ...] = ()
    """What it comes to, when that is many."""
    members: tuple[str, ...] = ()
    """What a canvas is made of, but for what is done."""

    @classmethod
    def of(cls, plan: Plan) -> Question:
        """The question of a plan."""
        about = plan.items[0].text if len(plan.items) == 1 else ""
        if about and plan.action in ("retry", "revoke", "terminate"):
            about = f"{plan.items[0].target[:8]} {about}"
        warnings, summary = tuple(plan.warnings), tuple(plan.summary)
        members = tuple(_member(each) for each in plan.canvas if each.state != "success")
        word = plan.word or ""
        return cls(plan.title, plan.question, plan.level, word, warnings, about, summary, members)

    @property
    def repeats(self) -> bool:
        """Whether the question says what the title says."""
        return self.text.rstrip(" ?").lower() == self.title.rstrip(" .").lower()


def _member(member: Member) -> str:
    note = f", {member.note}" if member.note else ""
    return f"{clean(member.name or '?', 40)} {member.id[:8]}: {member.state} ({member.source}{note})"


def question_lines(asked: Question, typed: str | None, look: Look, width: int) -> list[Line]:
    """What would be done, what to mind, and the answer that is awaited."""
    lines: list[Line] = [((look.signs.across * width, "warn"),)]
    if not asked.repeats:
        lines += wrapped(asked.title, width - 2, "title", lead=" ", limit=2)
    if asked.about:
        lines += wrapped(asked.about, width - 2, "dim", lead=" ", limit=2)
    for said in asked.summary[:4]:
        lines += wrapped(said, width - 4, "dim", lead="   ", limit=1)
    for member in asked.members[:MEMBERS]:
        lines += wrapped(member, width - 4, "dim", lead="   ", limit=1)
    if len(asked.members) > MEMBERS:
        more = f"… and {len(asked.members) - MEMBERS:,} more; a dry run on the command line lists all"
        lines += wrapped(more, width - 4, "dim", lead="   ", limit=1)
    for warning in asked.warnings[: 4 if asked.members else 3]:
        lines += wrapped(warning, width - 4, "warn", lead=f" {look.signs.warning} ", limit=2)
    text = clean(asked.text or "Do it?", 300)
    text = text[:1].upper() + text[1:]
    if asked.level == "typed":
        lines += wrapped(text, width - 2, "", lead=" ", limit=2)
        lead = f" Type {clean(asked.word)} to go on, or enter for no: "
        if width_of(lead) + min(width_of(asked.word), TYPED) + 2 > width:
            lines += wrapped(lead.strip(), width - 2, "accent", lead=" ", limit=5)
            lead = f" {look.signs.cursor} "
        lines.append(input_line(lead, typed or "", len(typed or ""), (), width))
        return lines
    return [*lines, *_asked(text.removesuffix("y/N").rstrip(), width)]


def _asked(text: str, width: int) -> list[Line]:
    """The question; however long it is, the keys of its answer are seen."""
    lines = wrapped(f"{text} y/N", width - 2, "accent", lead=" ", limit=3)
    whole = " ".join(part for line in lines for part, _ in line).rstrip()
    return lines if whole.endswith("y/N") else [*lines, ((" y/N", "accent"),)]


def input_line(lead: str, text: str, at: int, note: Line, width: int) -> Line:
    """A line being typed, its cursor shown as a block; the end of a long text stays in sight."""
    size = sum(width_of(part) for part, _ in note)
    room = max(8, width - width_of(lead) - min(size, width // 2) - 2)
    start = max(0, at - room + 1)
    seen = clean(text[start:] + " ")
    place = min(at - start, len(seen) - 1)
    shown: list[Span] = [
        (lead, "accent"),
        (seen[:place], ""),
        (seen[place], "caret"),
        (fit(seen[place + 1 :], max(0, min(width_of(seen[place + 1 :]), room - place))), ""),
    ]
    return (*shown, *note)
