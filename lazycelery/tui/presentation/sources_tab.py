"""Each known field of a task, who told it, and whether it was cut on its way."""

from __future__ import annotations

import msgspec

from lazycelery.model.doubts import doubt
from lazycelery.model.task import Task
from lazycelery.model.text import clean, short_value
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, choose, row
from lazycelery.tui.presentation.look import Look

WORDS = {
    "event": "an event",
    "control": "a worker's reply",
    "broker": "its message",
    "result": "the result backend",
    "inferred": "inferred",
    "agent": "the agent",
}
FOLLOWS = ("later", "never_ran")
"""What follows from other tasks, and no source tells of this one."""
LEFT_OUT = ("truncated", "not_kept", "sources", "attempts", "marks", "id", "tag", "dealt", *FOLLOWS)
MOMENTS = ("sent", "received", "started", "finished", "seen")
COLUMNS = (
    Column("FIELD", 13),
    Column("SOURCE", 18),
    Column("CUT", 3),
    Column("VALUE", 10, grow=1),
)


def source_lines(task: Task, look: Look, width: int) -> list[Line]:
    """A table of fields; what nobody told is named below it."""
    shown = choose(COLUMNS, width)
    lines = [row([(column.title, "head") for column in COLUMNS], COLUMNS, shown)]
    unknown: list[str] = []
    for name in (field.name for field in msgspec.structs.fields(Task)):
        value = getattr(task, name)
        if name in LEFT_OUT:
            continue
        if value is None or value == []:
            unknown.append(name)
            continue
        told = task.sources.get(name, "")
        text = _text(name, value, look)
        cut = ("cut", "warn") if name in task.truncated else ("", "")
        source = (WORDS.get(told, clean(told, 18) or "not noted"), "" if told else "dim")
        lines.append(row([(name, "dim"), source, cut, (text, "")], COLUMNS, shown))
    if unknown:
        lines += [(), *wrapped(f"Nobody told: {', '.join(unknown)}.", width, "dim")]
    if task.marks:
        lines += [(), *wrapped(f"Doubts: {clean(' '.join(map(doubt, task.marks)), 1000)}", width, "warn")]
    return lines


def _text(name: str, value: object, look: Look) -> str:
    if name in MOMENTS and isinstance(value, float):
        return q.moment(value, look.now, look.utc)
    return clean(value, 300) if isinstance(value, str) else short_value(value, 300)
