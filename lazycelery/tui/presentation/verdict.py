"""The first sentence of a page: what the engine says of a task, queue or worker, behind its sign."""

from __future__ import annotations

from lazycelery.model.verdict import Verdict
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line, Span
from lazycelery.tui.presentation.look import Look

HELP = {"retry": "runs it again"}
"""What the key of an action that would help does."""


def sentence(told: Verdict | None, state: str, look: Look) -> str:
    """Where it is and why; while the engine is asked, no more than its state."""
    if told is None:
        return state
    keys = [f"{look.key(name)} {HELP[name]}." for name in told.actions if name in HELP]
    return " ".join([told.text, *keys])


def verdict_lines(told: Verdict | None, state: str, sign: Span, look: Look, width: int) -> list[Line]:
    """The sentence, and until when it holds for a task."""
    mark, token = sign
    lines = wrapped(f"{mark} {sentence(told, state, look)}", width, token)
    if told is not None and told.kind == "task" and told.until is not None and told.until > look.now:
        lines.append(((f"  until about {q.moment(told.until, look.now, look.utc)}", "dim"),))
    return lines
