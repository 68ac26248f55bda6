"""Tasks as rows."""

from __future__ import annotations

from collections.abc import Mapping

from lazycelery.model.states import LABELS
from lazycelery.model.task import NEVER_RAN, Sort, TaskPage, TaskRow
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import MINOR, Column, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.workers import short_name

COLUMNS = (
    Column("", 1),
    Column("TASK", 9, grow=2, cut="name"),
    Column("ID", 8, rank=1),
    Column("STATE", 9, rank=2),
    Column("WHEN", 8, rank=3, right=True),
    Column("RUNTIME", 8, rank=4, right=True),
    Column("WAIT", 6, rank=5, right=True),
    Column("QUEUE", 9, grow=1, rank=6, cut="name"),
    Column("WORKER", 9, grow=1, rank=7, cut="name"),
    Column("TRIES", 6, rank=8, right=True),
    Column("ARGS", 8, grow=1, rank=9),
    Column("ERROR, RESULT", 11, grow=2, rank=10),
)
"""By rank: when it gets narrow they are dropped from the right."""
BESIDE = {"WHEN": 1, "ERROR, RESULT": MINOR, "RUNTIME": MINOR + 1, "ID": MINOR + 2}
NARROW = tuple(
    column._replace(
        rank=column.rank and BESIDE.get(column.title, 9), grow=4 if column.title == "TASK" else column.grow
    )
    for column in COLUMNS
)
"""The same for the left column, where the main side tells the rest, and the name needs the room."""
NOT_KEPT = "not kept under load"
"""What stands for a long text that was let go."""
BAD = ("failure", "rejected", "lost")


def cells(row: TaskRow, look: Look) -> list[Span]:
    """A task in the order of `COLUMNS`. What has ended shows when; what has not shows since how long."""
    state = LABELS.get(row.state)
    ended = state is not None and state.finished
    said = NEVER_RAN if row.never_ran else row.state
    token = of_task(said, look.signs)[1]
    age = None if row.since is None else look.now - row.since
    least = "≥" if row.at_least and age is not None else ""
    found = [
        of_task(said, look.signs),
        (clean(row.name or "not seen", 120), "" if row.name else "dim"),
        (q.short_id(row.id), "dim"),
        (clean(said, 12), token),
        (q.short_moment(row.since, look.now, look.utc) if ended else least + q.age(age), "dim"),
        (q.duration(row.runtime), ""),
        (q.duration(row.wait), "dim"),
        (clean(row.queue or q.UNKNOWN, 80), "dim"),
        (short_name(row.worker) if row.worker else q.UNKNOWN, "dim"),
        (q.count(row.retries), "warn" if row.retries else "dim"),
        (clean(row.args or (NOT_KEPT if row.not_kept else ""), 200) + ("…" if row.truncated else ""), "dim"),
        (
            clean(row.error or "", 200),
            "dim"
            if row.never_ran
            else "fail"
            if row.state in BAD
            else "warn"
            if row.state == "retry"
            else "dim",
        ),
    ]
    if row.dealt:
        found[3] = (f"{clean(said, 9)} {of_task('success', look.signs)[0]}", "dim")
        found[0] = (found[0][0], "dim")
    # What the recorded history alone tells is not for anybody to take for what happens now.
    return [(text, "dim") for text, _ in found] if row.past else found


LEADS: Mapping[Sort, str] = {
    "newest": "WHEN",
    "runtime": "RUNTIME",
    "wait": "WAIT",
    "name": "TASK",
    "state": "STATE",
    "worker": "WORKER",
    "queue": "QUEUE",
    "retries": "TRIES",
}
"""Name of an order -> the title of its column; the first is the usual one."""


def counts(page: TaskPage, filtered: bool, width: int, look: Look) -> str:
    """The note of the pane's title: how many match, of how many, seen since when; while a search goes on, how
    many by now and how far it is."""
    seen = q.moment(page.oldest, look.now, look.utc)
    oldest = f"   oldest seen {seen}" if width >= 70 and page.oldest is not None else ""
    if not filtered:
        return q.count(page.known) + oldest if width >= 30 else q.short_count(page.known)
    if page.searched < 1:
        share = f"{page.searched * 100:.0f} %"
        if width < 50:
            return f"{q.short_count(page.matched)}+ {share}"
        return f"{q.count(page.matched)}+ of {q.count(page.known)}, searching {share}"
    if width < 50:
        return q.short_count(page.matched)
    return f"{q.count(page.matched)} of {q.count(page.known)}{oldest}"
