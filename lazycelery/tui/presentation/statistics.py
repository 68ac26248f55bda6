"""A worker's statistics: how it answers now, and what it has accepted since its start."""

from __future__ import annotations

from lazycelery.model.text import clean
from lazycelery.model.worker import Pulse, WorkerDetail
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, choose, row
from lazycelery.tui.presentation.look import Look

COLUMNS = (
    Column("TASK", 12, grow=1, cut="name"),
    Column("ACCEPTED", 9, right=True),
    Column("SHARE", 6, rank=1, right=True),
)
WIDEST = 80


def statistics(pulse: Pulse | str | None, detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    """`pulse` is the answer, why there is none, or `None` while it is awaited."""
    return [*_pulse(pulse, width), (), *_totals(detail, look, width)]


def _pulse(pulse: Pulse | str | None, width: int) -> list[Line]:
    if pulse is None:
        return [(("Asking it now …", "dim"),)]
    if isinstance(pulse, str):
        return wrapped(pulse, width, "warn")
    ping = "no answer" if pulse.ping is None else f"{pulse.ping * 1000:.1f} ms"
    fields = (
        ("ping", ping),
        ("clock", q.count(pulse.clock)),
        ("memory now", q.size(pulse.memory)),
        ("memory peak", q.size(pulse.peak)),
        ("uptime", q.rough_age(pulse.uptime)),
        ("pid", q.UNKNOWN if pulse.pid is None else str(pulse.pid)),
    )
    lines: list[Line] = [((f"{label:<12}", "dim"), (value, "")) for label, value in fields]
    return [*lines, *(wrapped(pulse.why, width, "warn") if pulse.why else [])]


def _totals(detail: WorkerDetail | None, look: Look, width: int) -> list[Line]:
    if detail is None:
        return [(("Asking what it has accepted …", "dim"),)]
    if not detail.totals:
        return [(("It has accepted no task since its start.", "dim"),)]
    shown = choose(COLUMNS, min(width, WIDEST))
    total = sum(detail.totals.values())
    ranked = sorted(detail.totals.items(), key=lambda each: (-each[1], each[0]))
    head = row([(column.title, "head") for column in COLUMNS], COLUMNS, shown)
    return [
        head,
        *(
            row(
                [(clean(name, 200), ""), (q.count(count), ""), (q.share(count / total), "dim")],
                COLUMNS,
                shown,
            )
            for name, count in ranked
        ),
    ]
