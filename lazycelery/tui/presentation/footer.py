"""The last lines: keys that work here, a question, a prompt, or what was just done."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.keys import Action, symbol
from lazycelery.model.action import Level, Plan
from lazycelery.model.canvas import Member
from lazycelery.model.text import clean
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line, Span, fit, merge, width_of
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.quantities import counted

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


ALL = 60
"""Lines of one fact of a question: all that there are, for anything that is sane."""
_SENTENCE = re.compile(r"(?<=[.?!]) +")


def _member(member: Member) -> str:
    note = f", {member.note}" if member.note else ""
    return f"{clean(member.name or '?', 40)} {member.id[:8]}: {member.state} ({member.source}{note})"


def question_lines(
    asked: Question, typed: str | None, look: Look, width: int, room: int = 10_000, top: int = 0
) -> list[Line]:
    """What would be done, what to mind, and the answer that is awaited: each fact whole, and once.

    Where that takes more than `room` lines, the facts scroll from their line `top`, and the answer stays.
    """
    facts, ends = _facts(asked, look, width), _ending(asked, typed, look, width)
    room = max(2, room - 1 - len(ends))
    if len(facts) > room:
        top = max(0, min(top, len(facts) - room + 1))
        below = len(facts) - top - room + 1
        more = f"{counted(below, 'more line')}: \u2193" if below else "\u2191 shows the lines above"
        facts = [*facts[top : top + room - 1], ((f" {look.signs.more} {more}", "accent"),)]
    return [((look.signs.across * width, "warn"),), *facts, *ends]


def _facts(asked: Question, look: Look, width: int) -> list[Line]:
    told = _Told(asked.text)
    lines: list[Line] = []
    members = list(asked.members[:MEMBERS])
    if len(asked.members) > MEMBERS:
        left = len(asked.members) - MEMBERS
        members.append(f"… and {left:,} more; a dry run on the command line lists all")
    for texts, token, lead in (
        ((asked.title,), "title", " "),
        ((asked.about,), "dim", " "),
        ((*asked.summary, *members), "dim", "   "),
        *(((warning,), "warn", f" {look.signs.warning} ") for warning in asked.warnings),
    ):
        for fresh in told.fresh(texts):
            lines += wrapped(fresh, width - 2, token, lead=lead, limit=ALL)
    return lines


class _Told:
    """What a question says already, so that nothing is said twice."""

    def __init__(self, text: str) -> None:
        self._whole = _plain(text)
        self._said: set[str] = set()

    def fresh(self, texts: Sequence[str]) -> list[str]:
        """The sentences that were not said yet; two of these texts that are alike are about two things."""
        kept, said = [], set()
        for text in texts:
            sentences = [(one, _plain(one)) for one in _SENTENCE.split(text.strip())]
            fresh = [one for one, plain in sentences if plain and not self._knows(plain)]
            said |= {plain for _, plain in sentences}
            kept += [" ".join(fresh)] if fresh else []
        self._said |= said
        return kept

    def _knows(self, plain: str) -> bool:
        return plain in self._said or plain in self._whole


def _plain(text: str) -> str:
    return " ".join(text.lower().strip(" .?!").split())


def _ending(asked: Question, typed: str | None, look: Look, width: int) -> list[Line]:
    text = asked.text or "Do it?"
    text = text[:1].upper() + text[1:]
    if asked.level != "typed":
        return _asked(text.removesuffix("y/N").rstrip(), width)
    lines = wrapped(text, width - 2, "", lead=" ", limit=ALL)
    lead = f" Type {clean(asked.word)} to go on, or enter for no: "
    if width_of(lead) + min(width_of(asked.word), TYPED) + 2 > width:
        lines += wrapped(lead.strip(), width - 2, "accent", lead=" ", limit=5)
        lead = f" {look.signs.cursor} "
    return [*lines, input_line(lead, typed or "", len(typed or ""), (), width)]


def _asked(text: str, width: int) -> list[Line]:
    """The question; however long it is, the keys of its answer are seen."""
    lines = wrapped(f"{text} y/N", width - 2, "accent", lead=" ", limit=ALL)
    whole = "".join(part for part, _ in lines[-1]).rstrip()
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
